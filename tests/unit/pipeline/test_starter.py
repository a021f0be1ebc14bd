"""A first spec for somebody's own table: what is inferred, what is left out, and what cannot be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from runtime.domain.errors import DataError
from runtime.domain.load import parse_spec
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.pipeline.dry_run import dry_run
from runtime.pipeline.starter import Starter, start

ROWS = 400


def customers(**changes: Any) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    age = chance.integers(18, 90, ROWS)
    return pd.DataFrame(
        {
            "customer": [f"c{number}" for number in range(ROWS)],
            "seen": pd.date_range("2026-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
            "country": chance.choice(["DE", "NO", "FR"], ROWS),
            "age": age,
            "always": 1,
            "spent": age * 2.0 + chance.normal(0, 5, ROWS),
            "left": np.where(chance.random(ROWS) < age / 100, "yes", "no"),
            **changes,
        }
    )


def with_times() -> pd.DataFrame:
    """As a file's rows are read."""
    frame = customers()
    return frame.assign(seen=pd.to_datetime(frame["seen"]))


def begun(tmp_path: Path, target: str, frame: pd.DataFrame | None = None, time: str | None = None) -> Starter:
    path = tmp_path / "customers.csv"
    (customers() if frame is None else frame).to_csv(path, index=False)
    return start(path, target, time, None, "care")


def read(starter: Starter) -> Spec:
    return parse_spec(starter.text())


def test_a_text_is_a_class_and_a_number_is_told_as_a_number(tmp_path: Path) -> None:
    left, spent = begun(tmp_path, "left"), begun(tmp_path, "spent")
    assert (read(left).task, read(left).classes) == (Task.CLASSIFICATION, ("no", "yes"))
    assert read(spent).task is Task.REGRESSION
    assert read(begun(tmp_path, "flag", customers(flag=[0, 1] * (ROWS // 2)))).task is Task.CLASSIFICATION


def test_keys_constants_and_times_are_no_features_and_it_says_so(tmp_path: Path) -> None:
    started = begun(
        tmp_path, "left", customers(empty=None, born="1999-01-01", until=["2027-01-01", "2028-01-01"] * 200)
    )
    assert started.features == ("country", "age", "spent")
    assert started.left_out == {
        "customer": "400 different texts in 400 rows",
        "always": "always the same",
        "empty": "never known",
        "born": "always the same",
        "until": "a time",
    }
    assert "# not a feature: customer, 400 different texts" in started.text()


def test_the_first_column_of_times_is_the_time_and_one_without_a_zone_is_said_to_be_utc(tmp_path: Path) -> None:
    started = begun(tmp_path, "left")
    assert started.time == "seen"
    assert read(started).data.time_zone == "UTC"
    zoned = begun(tmp_path, "left", customers(seen="2026-01-01T00:00:00+01:00"))
    assert read(zoned).data.time_zone is None


def test_names_that_yaml_would_read_as_something_else_are_quoted(tmp_path: Path) -> None:
    started = begun(tmp_path, "left", customers(**{"no": range(ROWS), "a: b": range(ROWS), "it's": range(ROWS)}))
    assert set(read(started).data.features) >= {"no", "a: b", "it's"}


@pytest.mark.parametrize(
    ("target", "frame", "reason"),
    [
        ("gone", customers(), "no column 'gone'; it has customer, seen, country"),
        ("always", customers(), "'always' is the same in all of the first 400 rows"),
        ("customer", customers(), "'customer' has 400 texts; expected at most 20 classes"),
        ("left", customers().drop(columns="seen"), "no column of times"),
        ("left", customers()[["seen", "left", "customer"]], "nothing to tell 'left' by"),
        ("left", customers().head(0), "no rows"),
        ("left", customers(seen="1 January"), "no column of times"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_told_why(
    tmp_path: Path, target: str, frame: pd.DataFrame, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        begun(tmp_path, target, frame)


def test_what_it_writes_trains(tmp_path: Path) -> None:
    """With the rows handed over, since files are read by Ray."""
    for target in ("left", "spent"):
        document = read(begun(tmp_path, target)).as_document()
        document["data"]["source"] = "tests.unit.pipeline.test_starter:with_times"
        document["train"]["trials"] = 1
        run = dry_run(Spec.model_validate(document), as_of=pd.Timestamp("2027-01-01", tz="UTC"), models=1)
        assert run.trains, run


def test_the_command_writes_a_spec_and_never_over_another(tmp_path: Path) -> None:
    customers().to_csv(tmp_path / "customers.csv", index=False)
    words = ["init", str(tmp_path / "customers.csv"), "--target", "left", "--spec", str(tmp_path / "spec.yaml")]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.stderr
    assert "left out customer" in first.stdout
    assert parse_spec((tmp_path / "spec.yaml").read_text()).name == "left"
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    unsaid = CliRunner().invoke(app, [*words[:2], "--spec", str(tmp_path / "other.yaml")])
    assert unsaid.exit_code == 1
    assert "--target is missing" in unsaid.stderr
