"""Commands by the names of the API: lists, whole documents, what differs, and what comes; in three forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from tests.unit.cli.conftest import Installation
from tests.unit.cli.fleet import SPEC_TEXT

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def there(installation: Installation) -> Installation:
    return installation


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("models",), ["minutes-a", "minutes-b"]),
        (("versions", "minutes-a"), [1, 2, 3]),
        (("approvals",), ["minutes-a"]),
        (("approvals", "minutes-b"), []),
        (("rollouts",), []),
        (("findings", "minutes-a"), ["minutes-a"]),
        (("specs",), ["minutes-{route}"]),
    ],
)
def test_what_there_is_of_a_kind_is_listed(
    arguments: tuple[str, ...], names: list[Any], run: Run, answer: Callable[..., Any]
) -> None:
    found = answer("get", *arguments)
    key = {"versions": "number", "specs": "spec"}.get(arguments[0], "model")
    assert [each[key] for each in found] == names
    table = run("get", *arguments)
    assert table.exit_code == 0, table.stderr
    assert all(str(name) in table.stdout for name in names)


def test_yaml_is_the_same_document(run: Run, answer: Callable[..., Any]) -> None:
    assert yaml.safe_load(run("get", "models", "-o", "yaml").stdout) == answer("get", "models")
    assert yaml.safe_load(run("status", "-o", "yaml").stdout) == answer("status")
    assert json.loads(run("models", "-o", "json").stdout)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("model", "minutes-a"), ("champion", 2)),
        (("version", "minutes-a/2"), ("status", "champion")),
        (("spec", "minutes-{route}"), ("spec", "minutes-{route}")),
    ],
)
def test_one_thing_is_described_whole(arguments: tuple[str, ...], value: tuple[str, Any], run: Run) -> None:
    document = yaml.safe_load(run("describe", *arguments).stdout)
    assert document[value[0]] == value[1]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("get", "versions"), 2, "versions are of a model"),
        (("get", "things"), 2, "things"),
        (("describe", "version", "minutes-a"), 2, "names no version; expected MODEL/NUMBER"),
        (("describe", "model", "nobody"), 1, "no model is named 'nobody'"),
        (("diff",), 2, "expected a model with two versions, or --file"),
        (("diff", "minutes-b"), 1, "minutes-b has no champion to compare with"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: tuple[str, ...], code: int, told: str, run: Run) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_a_specs_file_is_compared_with_what_is_applied(run: Run, tmp_path: Path, answer: Callable[..., Any]) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC_TEXT)
    assert run("diff", "-f", str(file)).stdout == "no difference\n"
    file.write_text(SPEC_TEXT.replace("medium", "low"))
    lines = run("diff", "-f", str(file)).stdout.splitlines()
    assert {"-risk_tier: medium", "+risk_tier: low"} <= set(lines)
    assert answer("diff", "-f", str(file)) == [{"at": "risk_tier", "before": "medium", "after": "low"}]


def test_two_versions_are_compared(run: Run, answer: Callable[..., Any]) -> None:
    changed = {each["at"]: (each["before"], each["after"]) for each in answer("diff", "minutes-a")}
    assert changed["status"] == ("champion", "awaiting_approval")
    assert changed["metrics.mae"] == (8.5, 8.75)
    assert answer("diff", "minutes-a", "1", "1") == []
    assert "+status: awaiting_approval" in run("diff", "minutes-a", "2", "3").stdout


def test_what_comes_is_told_a_line_an_entry(run: Run) -> None:
    result = run("watch", "minutes-a", "--since", "0", "--kind", "version_promoted", "--limit", "2")
    assert result.exit_code == 0, result.stderr
    assert [line.split("  ")[-1].split(":")[0] for line in result.stdout.splitlines()] == ["minutes-a", "minutes-a"]
    told = run("watch", "--since", "3", "--limit", "1", "-o", "json")
    assert json.loads(told.stdout)["seq"] == 3
