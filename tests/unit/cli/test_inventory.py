"""``fleetward inventory``: every model in a line, in a sheet, and with every field; now and at a past moment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli.inventory import _cell
from runtime.proof.pack.inventory import FIELDS
from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def there(installation: Installation) -> Installation:
    return installation


def rows(run: Run, *options: str) -> dict[str, Any]:
    result = run("inventory", "-o", "json", *options)
    assert result.exit_code == 0, result.stderr
    return {each["model"]: each for each in json.loads(result.stdout)["models"]}


def test_a_table_has_a_line_a_model(run: Run) -> None:
    result = run("inventory")
    assert result.exit_code == 0, result.stderr
    serving = next(line for line in result.stdout.splitlines() if "minutes-a" in line)
    assert serving.split()[:7] == ["minutes-a", "planning", "medium", "prod", "serving", "version", "2"]
    assert "no champion" in result.stdout


def test_json_has_every_field_with_a_value_or_a_gap(run: Run) -> None:
    found = rows(run)["minutes-a"]
    assert tuple(each["field"] for each in found["fields"]) == FIELDS
    assert all(("value" in each) != ("gap" in each) for each in found["fields"])
    said = {each["field"]: each.get("value") for each in found["fields"]}
    assert said["champion version"]["now"] == 2
    assert said["developer"] == ["user:dora"]
    assert said["owner"] == {"team": "planning", "contact": "planning@example.com"}
    assert said["actual use"]["records"] == 0
    assert said["status"]["now"] == "serving"


def test_csv_has_a_column_a_field_and_names_gaps(run: Run) -> None:
    result = run("inventory", "-o", "csv")
    header, *lines = csv.reader(io.StringIO(result.stdout))
    assert header[0] == "model"
    assert tuple(header[-len(FIELDS) :]) == FIELDS
    assert [line[0] for line in lines] == ["minutes-a", "minutes-b"]
    assert lines[1][header.index("limitations")] == "gap: not recorded: the spec leaves limitations out"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"


def test_what_was_live_when_is_asked_with_as_of(run: Run, there: Installation) -> None:
    from runtime.ledger.log import Log

    with Log.open_read_only(there.url) as log:
        promoted = [entry.seq for entry in log.entries(kinds=["version_promoted"])]
    before, first, second = (
        rows(run, "--as-of", str(size)) for size in (promoted[0], promoted[0] + 1, promoted[1] + 1)
    )
    assert [each["minutes-a"]["champion"] for each in (before, first, second)] == [None, 1, 2]
