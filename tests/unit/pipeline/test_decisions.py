"""Recorded decisions as rows to train on: each with its outcome and its own time, and what is no row is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from runtime.domain import events as e
from runtime.domain.erasure import SubjectErased, SubjectErasureOrdered
from runtime.domain.errors import DataError
from runtime.domain.keeping import BodiesDeleted
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from runtime.pipeline.decisions import Decided, Left, decided
from runtime.pipeline.dry_run import dry_run
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.framed import framed, process_here
from runtime.pipeline.grouping import Window
from runtime.pipeline.package import Origin, package
from runtime.pipeline.plan import Plan
from runtime.pipeline.prepare import gathered
from runtime.pipeline.production import Production
from runtime.pipeline.streamed import Wanted
from runtime.pipeline.train import train_model
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from tests.unit.console.fleets import OPERATOR, SCHEMA, Fleet, artifact, day, live_a_spring, open_for_business
from tests.unit.console.fleets import spec as air

OWN = "air-{route}"
NOON, MONTH = day(4, 29) + timedelta(hours=12), timedelta(days=30)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Two models, nothing asked of them yet."""
    fleet = Fleet(tmp_path)
    open_for_business(fleet)
    yield fleet
    fleet.close()


def a_spec(source: Any = None, **changes: Any) -> Spec:
    document = air().as_document()
    document["data"] |= {"source": source or {"decisions": OWN}} | changes.pop("data", {})
    return Spec.model_validate(document | changes)


def production(fleet: Fleet) -> Production:
    return Production(fleet.database_url, fleet.store)


def read(fleet: Fleet, spec: Spec | None = None, as_of: datetime | None = None) -> Decided:
    return decided(spec or a_spec(), production(fleet), as_of)


def left(found: Decided) -> dict[str, int]:
    return dict(found.document["left_out"])


def test_a_row_has_the_inputs_the_outcome_and_the_decisions_own_time(fleet: Fleet) -> None:
    live_a_spring(fleet)
    found = read(fleet)
    rows = found.frame.sort_values(["at", "x"]).to_dict("records")
    assert [(row["route"], row["at"].to_pydatetime(), row["x"], row["sky"], row["minutes"]) for row in rows] == [
        ("a", day(3, 5), 10.0, "cloudy", 12.0),
        ("a", day(3, 5), 20.0, "cloudy", 20.0),
        ("b", day(3, 6), 4.0, "cloudy", 8.0),
        ("b", day(4, 9), 3.0, "cloudy", 4.0),
        ("a", day(4, 9), 10.0, "cloudy", 19.0),
        ("a", day(5, 7), 3.0, "cloudy", 6.0),
    ]
    assert left(found) == {Left.SHADOW: 1, Left.REPEATED: 1, Left.UNKNOWN: 1}


def test_what_is_younger_than_its_outcome_may_be_is_left_out_though_it_is_told(fleet: Fleet) -> None:
    live_a_spring(fleet)
    found = read(fleet, a_spec({"decisions": OWN, "outcomes_after": "3d"}), day(4, 10))
    assert found.frame["at"].max().to_pydatetime() == day(3, 6)
    assert left(found)[Left.YOUNG] == 5, "April's two decisions and all of May's"
    assert found.document["until"] == day(4, 7).isoformat()
    assert read(fleet, as_of=day(4, 10)).frame["at"].max().to_pydatetime() == day(4, 9), "monitor.outcomes_after is 1d"


def test_an_outcome_that_came_late_is_there_the_next_time(fleet: Fleet) -> None:
    fleet.answer("one", "air-a", 1, day(3), [1.0, 2.0], [1.0, 2.0])
    fleet.tell("one", "air-a", [5.0])
    assert (len(read(fleet).frame), left(read(fleet))) == (1, {Left.UNKNOWN: 1})
    fleet.answer("two", "air-a", 1, day(3), [3.0], [3.0])
    fleet.tell("two", "air-a", [7.0])
    fleet.tell("one", "air-a", [99.0, 6.0])
    assert sorted(read(fleet).frame["minutes"]) == [5.0, 6.0, 7.0], "the first word about a row counts"


def test_one_model_is_read_by_its_own_name_and_an_unknown_one_is_named(fleet: Fleet) -> None:
    live_a_spring(fleet)
    assert set(read(fleet, a_spec({"decisions": "air-b"})).frame["route"]) == {"b"}
    assert set(decided(a_spec(), production(fleet), None, {"air-b"}).frame["route"]) == {"b"}
    with pytest.raises(DataError, match=r"decisions rail: no spec and no model is named 'rail'; .* are air-\{route\}"):
        read(fleet, a_spec({"decisions": "rail"}))


def test_deleted_bodies_are_counted_and_lost_ones_stop_the_job(fleet: Fleet) -> None:
    live_a_spring(fleet)
    gone = fleet.sealed["march a"]
    fleet.record(
        OPERATOR,
        BodiesDeleted(digests=(gone.digest,), models=("air-a",), records=2, before=day(6), reason="kept long enough"),
    )
    fleet.object_of(gone.digest).unlink()
    found = read(fleet)
    assert left(found)[Left.DELETED] == 2
    assert gone.digest not in found.document["segments"]
    assert Left.DELETED not in left(read(fleet, a_spec({"decisions": "air-b"})))
    lost = fleet.sealed["april b"].digest
    fleet.object_of(lost).unlink()
    with pytest.raises(DataError, match=f"no object {lost} in .*, and no entry says that this segment of 1 decisions"):
        read(fleet)


def test_inputs_of_data_subjects_are_left_out_and_those_of_erased_ones_apart(fleet: Fleet, tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "subjects", lambda: day(1))
    kept, erased = keyring.key("air-a", "ada"), keyring.key("air-a", "grace")
    fleet.answer("of ada", "air-a", 1, day(3), [1.0, 2.0], [1.0, 2.0], key=kept)
    fleet.answer("of grace", "air-a", 1, day(3), [3.0], [3.0], key=erased)
    fleet.answer("of nobody", "air-a", 1, day(3), [4.0], [4.0])
    for name, actuals in (("of ada", [1.0, 2.0]), ("of grace", [3.0]), ("of nobody", [4.0])):
        fleet.tell(name, "air-a", actuals)
    part = {"model": "air-a", "pseudonym": erased.pseudonym, "records": 1}
    fleet.record("service:operator", SubjectErasureOrdered.model_validate({"parts": [part], "reason": "case 7"}))
    fleet.record("service:operator", SubjectErased.model_validate({**part, "reason": "case 7"}))
    found = read(fleet)
    assert found.frame["x"].tolist() == [4.0]
    assert left(found) == {Left.ERASED: 1, Left.SEALED: 2}


def test_versions_that_take_other_columns_are_left_out_and_counted(fleet: Fleet) -> None:
    fleet.answer("old", "air-a", 1, day(3), [1.0], [1.0])
    fleet.tell("old", "air-a", [1.0])
    wider = Schema(inputs=(*SCHEMA.inputs, Field(name="wind", kind=FieldKind.NUMBER)), outputs=SCHEMA.outputs)
    fleet.version("air-a", 2, artifact(1.0), schema=wider)
    with pytest.raises(DataError, match="no decision can be used: 1 of versions that take other columns"):
        read(fleet, a_spec(data={"features": ["x", "wind"]}))
    assert len(read(fleet).frame) == 1


def test_a_class_comes_by_its_name_and_an_outcome_that_is_none_is_counted(fleet: Fleet) -> None:
    outputs = (Field(name="probability", kind=FieldKind.NUMBER), Field(name="label", kind=FieldKind.NUMBER))
    fleet.version(
        "air-a", 2, artifact(1.0), schema=Schema(inputs=SCHEMA.inputs, outputs=outputs, classes=("no", "yes"))
    )
    fleet.answer("asked", "air-a", 2, day(3), [1.0, 2.0, 3.0], [0.1, 0.9, 0.5])
    fleet.tell("asked", "air-a", [0.0, 1.0, 7.0])
    found = read(fleet)
    assert found.frame["minutes"].tolist() == ["no", "yes"]
    assert left(found) == {Left.UNUSABLE: 1}


def live_two_months(fleet: Fleet) -> None:
    """Enough to train on: the outcome is 3 x and a little chance, where version 1 answers x."""
    for number in range(60):
        chance = np.random.default_rng(number)
        for model in ("air-a", "air-b"):
            xs = chance.normal(20, 5, 8).tolist()
            fleet.answer(f"{model} {number}", model, 1, day(3) + timedelta(days=number), xs, xs)
            fleet.tell(f"{model} {number}", model, [3 * x + chance.normal() for x in xs])


def test_a_model_retrains_on_what_production_saw(fleet: Fleet, tmp_path: Path) -> None:
    live_two_months(fleet)
    spec = a_spec("a.b:load", retrain={"source": {"decisions": OWN}, "data": "30d"})
    store, rows, window = ObjectStore.open(str(tmp_path / "made")), spec.for_retraining, Window(NOON - MONTH, NOON)
    found = framed(rows, Wanted(1, frozenset({"air-a"})), window, (), store, production(fleet))
    dataset = gathered(rows, found.work.layout, process_here(found, {"air-a"}), found.skipped, store, found.read)
    (partition,) = dataset.partitions
    assert (partition.rows, dataset.source) == (8 * 29, "decisions air-{route}"), "the newest day waits for outcomes"
    assert set(found.frame["route"]) == {"a"}, "of other models nothing is read"
    prepared = dataset.events[0]
    assert isinstance(prepared, e.DatasetPrepared)
    assert prepared.decisions is not None
    told = json.loads(store.get(prepared.decisions.read))
    assert told["ledger"] == {"entries": fleet.log.size, "root": fleet.log.root}
    assert {fleet.sealed["air-a 0"].digest, fleet.sealed["outcome of air-a 0"].digest} <= set(told["segments"])
    assert fleet.sealed["air-b 0"].digest not in told["segments"]

    given, plan = partition.load(store, dataset.layout), Plan.challenger(spec, NOON)
    trained = train_model(spec, dataset.schema, "air-a", partition.key, given, {}, plan)
    report = evaluate(spec, trained, None)
    assert report.metrics["mae"] < 2, "version 1 is 40 off"
    origin = Origin(spec, dataset.digest, NOON, "batch-2", "none", {}, dataset.source)
    made = package(trained, report, origin=origin, partition=partition, version=2, parent=1, store=store)
    assert json.loads(store.get(made.registered.package))["data"]["source"] == "decisions air-{route}"


def test_a_dry_run_of_decisions_needs_no_ray(fleet: Fleet) -> None:
    live_two_months(fleet)
    run = dry_run(a_spec(), as_of=NOON, models=2, production=production(fleet))
    assert [(each.model, each.failed) for each in run.tried] == [("air-a", None), ("air-b", None)]
    assert run.dataset.read is not None
    assert run.dataset.read.left_out == {Left.YOUNG.value: 8 * 2}
    with pytest.raises(DataError, match="decisions are read where a ledger is known, and here none is"):
        dry_run(a_spec(), as_of=NOON, models=2)


def test_the_command_tries_a_retraining_on_decisions_and_says_what_is_no_row(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_two_months(fleet)
    spec, file = a_spec("a.b:load", retrain={"source": {"decisions": OWN}, "data": "30d"}), tmp_path / "spec.json"
    file.write_text(json.dumps(spec.as_document()))
    monkeypatch.setenv("FLEETWARD_DATABASE", fleet.database_url)
    monkeypatch.setenv("FLEETWARD_STORE", fleet.store_url)
    tried = ["check", str(file), "--as-of", NOON.isoformat(), "--retraining"]
    told = CliRunner().invoke(app, [*tried, "--output", "json"])
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["models"] == 2
    assert document["decisions"]["left_out"] == {Left.YOUNG.value: 8 * 2}
    shown = CliRunner().invoke(app, tried)
    assert "too young for an outcome" in shown.output
