"""Examples go through ``fleetward check`` and are packaged: a table of rules, a classifier, a training function."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from examples.flavors.data import load as loans
from examples.late import data as late
from jobs.cli import app
from runtime.domain.errors import DataError, SpecError
from runtime.domain.ids import digest_of
from runtime.domain.load import load_spec, parse_spec
from runtime.flavors import load
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.grouping import Group, Window, Work, partition_of, process_group
from runtime.pipeline.package import Origin, package
from runtime.pipeline.plan import Plan
from runtime.pipeline.search import check_search
from runtime.pipeline.train import Candidate, train_model
from runtime.pipeline.trial import best_of, samples
from runtime.storage.objects import ObjectStore
from tests.unit.pipeline.flights import arrow
from tests.unit.pipeline.making import arranged, made_of

AS_OF = datetime(2013, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def january() -> pd.DataFrame:
    """Flights of one month: 26,268 of 327,346."""
    flown = late.load()
    return flown[flown["scheduled"] < pd.Timestamp(AS_OF)].reset_index(drop=True)


@pytest.fixture(autouse=True)
def in_the_job_folder(monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("FLEETWARD_HOME", str(tmp_path / "home"))


def checked(spec: str) -> dict[str, Any]:
    """What ``fleetward check`` says of the one model of a spec."""
    done = CliRunner().invoke(app, ["check", spec, "--as-of", "2027-01-01", "-o", "json"])
    assert done.exit_code == 0, done.output
    (tried,) = json.loads(done.stdout)["tried"]
    found: dict[str, Any] = tried
    return found


@pytest.mark.slow
@pytest.mark.parametrize("example", ["rules", "late"])
def test_real_flights_pass_the_gates_of_rules_and_of_a_learnt_classifier(
    example: str, january: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "load", lambda: january)
    tried = checked(f"examples/{example}/spec.yaml")
    gates = tried["report"]["gates"]
    assert tried["failed"] is None
    assert gates
    assert all(gate["passed"] for gate in gates), [gate for gate in gates if not gate["passed"]]


def test_rules_are_packaged_as_the_table_that_they_are(january: pd.DataFrame, tmp_path: Path) -> None:
    spec = load_spec(Path("examples/rules/spec.yaml"))
    frame = january.iloc[::20].reset_index(drop=True)
    made = made_of(spec, frame)
    store = ObjectStore.open(str(tmp_path))
    layout, _ = arranged(spec, frame)
    group = Group(spec.name, {}, len(frame))
    record = process_group(arrow(frame), group, Work(spec, layout, Window(None, None), store))
    done = package(
        made,
        evaluate(spec, made, None),
        origin=Origin(spec, digest_of(b"dataset"), AS_OF, "batch", "abc", {}),
        partition=partition_of(group, record),
        version=1,
        parent=None,
        store=store,
    )
    assert (done.registered.flavor, done.registered.estimator) == ("rules", "examples/rules/late.yaml")
    artifact = store.get(done.registered.artifact)
    assert Path("examples/rules/late.yaml").read_bytes() in artifact
    wet = {"hour": [9.0], "precip": [0.2], "late_before": [float("nan")]}
    assert load(artifact).predict(pd.DataFrame(wet).to_dict("series")).tolist() == [0.4]  # type: ignore[arg-type]


def test_a_training_function_of_ones_own_passes_its_gates() -> None:
    tried = checked("examples/own/spec.yaml")
    assert all(gate["passed"] for gate in tried["report"]["gates"]), tried["report"]["gates"]
    told = {gate["gate"]: gate["reason"] for gate in tried["report"]["gates"]}
    assert told["tests:examples/own/answers.py"] == "2 of 2 tests passed"
    assert told["rises_with:amount"].startswith("of 120 rows the answer falls somewhere as amount rises in 0%")


def test_a_search_tries_its_samples_with_the_function_and_the_same_seed_gives_the_same_artifact() -> None:
    spec = load_spec(Path("examples/own/spec.yaml"))
    layout, rows = arranged(spec, loans())
    plan = Plan.first(spec)
    assert len(samples(spec)) == 3
    best = best_of(spec, layout.schema, "m", rows, samples(spec), plan)
    assert isinstance(best, Candidate)
    first, second = (train_model(spec, layout.schema, "m", {}, rows, best, plan) for _ in range(2))
    assert first.artifact == second.artifact
    assert first.estimator == "examples.own.trainer:fit"


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("examples.own.trainer:fits", "expected a function in the code at hand"),
        ("examples.own.trainer:WAYS", "expected a function of matrix, target and given"),
        ("examples.flavors.data:load", "expected a function of matrix, target and given"),
    ],
)
def test_a_function_that_is_no_trainer_is_named_before_anything_runs(named: str, reason: str) -> None:
    text = Path("examples/own/spec.yaml").read_text().replace("examples.own.trainer:fit", named)
    with pytest.raises(SpecError) as refused:
        check_search(parse_spec(text))
    assert refused.value.path == "train.own.function"
    assert reason in str(refused.value)


def gives_nothing(matrix: object, target: object, given: object) -> object:
    return object()


def test_what_a_function_gives_must_be_a_model() -> None:
    named = "tests.unit.pipeline.test_examples:gives_nothing"
    text = Path("examples/own/spec.yaml").read_text().replace("examples.own.trainer:fit", named)
    spec = parse_spec(text.replace('"loguniform(0.05, 0.2)"', "0.1"))
    with pytest.raises(DataError, match="it gave a object, which has no predict"):
        made_of(spec, loans())
