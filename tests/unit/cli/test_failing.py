"""How a command ends: its exit code, and a failure as one line on stderr."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli.failing import NotReachable, exit_code, reaching
from jobs.ending import one_line
from runtime.domain.errors import (
    FleetwardError,
    Forbidden,
    LedgerCorrupt,
    Refused,
    SettingsError,
    UnknownModel,
    Unproven,
)
from runtime.ledger.errors import LedgerLocked
from runtime.ledger.log import Log
from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]

BAD = 5


def damage(installation: Installation) -> None:
    """Changes one entry behind the ledger's back."""
    with closing(sqlite3.connect(installation.ledger)) as connection, connection:
        (leaf,) = connection.execute("SELECT leaf FROM entries WHERE seq = ?", (BAD,)).fetchone()
        connection.execute("UPDATE entries SET leaf = ? WHERE seq = ?", (leaf.replace(b"user:dora", b"user:eve!"), BAD))


@pytest.mark.parametrize(
    "command",
    [["status"], ["models"], ["model", "m"], ["findings"], ["history"], ["ledger", "verify"], ["ledger", "show", "0"]],
    ids=" ".join,
)
def test_a_missing_ledger_is_not_reachable_and_says_where_it_was_looked_for(
    command: list[str], run: Run, home: Path
) -> None:
    result = run(*command)
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("fleetward: there is no ledger")
    assert str(home / "ledger.db") in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["approve", "m", "1"],
        ["reject", "m", "1", "--reason", "r"],
        ["rollback", "m", "--reason", "r"],
        ["suspend", "m", "--reason", "r"],
        ["resume", "m", "--reason", "r"],
        ["retrain", "--batch", "b"],
    ],
    ids=lambda command: command[0],
)
def test_acting_without_a_cluster_is_not_reachable_and_says_how_to_start_one(
    command: list[str], run: Run, home: Path
) -> None:
    result = run(*command)
    assert (result.exit_code, result.stdout) == (5, "")
    assert f"Fleetward is not up (FLEETWARD_HOME={home})" in result.stderr
    assert "fleetward up" in result.stderr


def test_a_good_ledger_is_verified_to_a_size_and_a_root(
    answer: Callable[..., Any], run: Run, installation: Installation
) -> None:
    document = answer("ledger", "verify")
    with Log.open_read_only(installation.url) as log:
        assert (document["result"], document["entries"], document["root"]) == ("good", log.size, log.root)
    kept = ("--expect-size", str(document["entries"]), "--expect-root", document["root"])
    assert run("ledger", "verify", *kept).exit_code == 0


def test_a_damaged_ledger_fails_and_names_its_first_bad_entry(run: Run, installation: Installation) -> None:
    damage(installation)
    result = run("ledger", "verify")
    assert result.exit_code == 1
    assert "damaged" in result.stdout
    assert f"first bad entry  {BAD}" in result.stdout
    assert f"ledger entry {BAD}: its leaf hashes to" in result.stderr


def test_a_damaged_ledger_is_one_document_too(run: Run, installation: Installation) -> None:
    import json

    damage(installation)
    result = run("ledger", "verify", "-o", "json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["result"], document["first_bad_entry"]) == (1, "damaged", BAD)


def test_reading_a_damaged_ledger_fails_at_the_bad_entry(run: Run, installation: Installation) -> None:
    damage(installation)
    result = run("models")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"ledger entry {BAD}: its bytes do not hash to its leaf hash" in result.stderr


def test_a_root_that_somebody_kept_shows_a_cut_ledger(run: Run, installation: Installation) -> None:
    result = run("ledger", "verify", "--expect-size", "9999", "--expect-root", "00" * 32)
    assert result.exit_code == 1
    assert "once had 9999 entries" in result.stderr


def test_a_kept_size_without_its_root_is_wrong_usage(run: Run, installation: Installation) -> None:
    assert run("ledger", "verify", "--expect-size", "3").exit_code == 2


def test_a_setting_that_cannot_be_used_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETWARD_REPLICAS", "none")
    result = run("models")
    assert result.exit_code == 1
    assert "FLEETWARD_REPLICAS='none' cannot be used" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownModel("m"), 1),
        (Refused("this", "that"), 3),
        (Forbidden("this", "that"), 3),
        (Unproven("this", "that"), 4),
        (LedgerCorrupt(3, "bad"), 1),
        (SettingsError("store", "x", "y"), 1),
        (NotReachable("away"), 5),
        (LedgerLocked("sqlite:///x", "locked"), 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exit_code_says_what_kind_of_failure_it_was(error: FleetwardError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_of_several_lines_is_told_in_one() -> None:
    assert one_line(Refused("this", "first\n  second")) == "this refused: first second"


def test_an_error_from_an_actor_is_told_without_the_actors_traceback() -> None:
    class Crossed(UnknownModel):
        """As Ray raises it: the error's class, a text full of frames, and the error itself as its cause."""

        cause = UnknownModel("minutes-z")

        def __str__(self) -> str:
            return "ray::Governor.model() (pid=1)\n  File ..."

    assert one_line(Crossed("minutes-z")) == "no model is named 'minutes-z'"


@pytest.mark.parametrize("error", [SettingsError("cluster", "/x", "an actor"), ConnectionError("no Ray")])
def test_a_cluster_that_is_away_is_not_reachable(error: Exception) -> None:
    with pytest.raises(NotReachable), reaching():
        raise error


@pytest.mark.parametrize("error", [SettingsError("store", "/x", "a folder"), BrokenPipeError()])
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)), reaching():
        raise error
