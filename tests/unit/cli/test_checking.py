"""``fleetward check`` says what a spec would train, with an exit code for scripts, and needs no fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from tests.unit.pipeline.flights import a_spec


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a spec with these changes; the source travels with the tests."""
    monkeypatch.setenv("FLEETWARD_HOME", str(tmp_path / "home"))

    def write(**changes: Any) -> str:
        base = {
            "train": {"estimator": "Ridge", "search": {"alpha": [1.0]}},
            "for_each": {"by": ["carrier"], "min_rows": 40},
        }
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(a_spec(**{**base, **changes}).as_document()))
        return str(path)

    return write


def test_it_shows_models_inputs_gates_and_what_was_left_out(spec: Any) -> None:
    done = CliRunner().invoke(app, ["check", spec(), "--as-of", "2027-01-01", "--models", "2"])
    assert done.exit_code == 0, done.output
    assert "6 with enough rows; 1 without" in done.stdout
    assert "hour (number), dest (text)" in done.stdout
    assert "OO: 3 rows, fewer than the 40 required" in done.stdout
    assert "flight-time-AA" in done.stdout


def test_its_json_holds_the_reports(spec: Any) -> None:
    done = CliRunner().invoke(app, ["check", spec(), "--as-of", "2027-01-01", "--models", "1", "-o", "json"])
    document = json.loads(done.stdout)
    assert [each["model"] for each in document["tried"]] == ["flight-time-AA"]
    assert document["tried"][0]["report"]["gates"]
    assert document["models"] == 6


def test_a_model_that_cannot_be_trained_is_exit_code_1(spec: Any) -> None:
    bad = spec(train={"estimator": "Ridge", "search": {"solver": ["svd"], "positive": True}})
    done = CliRunner().invoke(app, ["check", bad, "--as-of", "2027-01-01", "--models", "1"])
    assert done.exit_code == 1
    assert "failed" in done.stdout


def test_a_wrong_spec_is_one_line_that_says_where(spec: Any) -> None:
    path = spec()
    Path(path).write_text(Path(path).read_text().replace("Ridge", "Rigde"))
    done = CliRunner().invoke(app, ["check", path])
    assert done.exit_code == 1
    assert "Rigde" in done.stderr
    assert not Path(path).with_name("home").exists()
