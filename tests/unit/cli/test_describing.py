"""``card`` and ``bom``: documents about a version, from a ledger and the store of its packages."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.unit.cli.conftest import Installation

pytestmark = pytest.mark.usefixtures("installation")
Run = Callable[..., Result]


def test_a_card_is_of_the_champion_where_no_version_is_named(run: Run) -> None:
    shown = run("card", "minutes-a")
    assert shown.exit_code == 0
    assert "# minutes-a, version 2" in shown.stdout
    assert "| Approved by | user:ada |" in shown.stdout
    assert "data drift | 12.3 over 9.2 | hour" in shown.stdout


def test_a_card_is_of_the_version_that_is_named(run: Run) -> None:
    shown = run("card", "minutes-a", "3")
    assert "| Approvals | 0 of 1 |" in shown.stdout
    assert "None so far." in shown.stdout


def test_a_card_of_a_model_without_champion_is_of_its_newest_version(run: Run) -> None:
    assert "| Status | refused: " in run("card", "minutes-b").stdout


def test_a_card_tells_that_its_package_is_away_beside_the_document(run: Run) -> None:
    shown = run("card", "minutes-a", "--format", "json")
    assert "gap: the package's own document is not at hand" in shown.stderr
    document = json.loads(shown.stdout)
    assert (document["model"], document["version"]["number"], document["made_by_this_spec"]) == ("minutes-a", 2, None)


def test_a_card_is_written_to_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "card.html"
    assert run("card", "minutes-a", "--format", "html", "-o", str(path)).exit_code == 0
    assert path.read_text().startswith("<!doctype html>")
    failed = run("card", "minutes-a", "-o", str(tmp_path / "none" / "card.md"))
    assert failed.exit_code == 1
    assert "No such file or directory" in failed.stderr


def test_a_bom_is_one_document(run: Run, installation: Installation) -> None:
    document = json.loads(run("bom", "minutes-a", "1", "--database", installation.url).stdout)
    assert document["specVersion"] == "1.7"
    assert document["metadata"]["component"]["version"] == "1"


@pytest.mark.parametrize(("arguments", "said"), [(("none",), "none"), (("minutes-a", "9"), "9")])
def test_what_is_not_there_has_no_card(run: Run, arguments: tuple[str, ...], said: str) -> None:
    for command in ("card", "bom"):
        failed = run(command, *arguments)
        assert failed.exit_code == 1
        assert said in failed.stderr


def test_a_past_card_knows_nothing_of_what_came_later(run: Run, installation: Installation) -> None:
    promoted = next(each for each in installation.writer._log.entries() if each.kind == "version_promoted")
    before, after = (run("card", "minutes-a", "--as-of", str(promoted.seq + more)).stdout for more in (0, 1))
    assert "| Champion of the model | none |" in before
    assert "| Champion of the model | version 1 since" in after
