"""A judged model becomes a package: every digest that the ledger will hold names bytes in the store."""

import dataclasses
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from runtime.domain import canonical
from runtime.domain.ids import digest_of
from runtime.domain.reports import EvaluationReport
from runtime.domain.spec import Spec
from runtime.flavors import load
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.watch import Watch
from runtime.pipeline.card import model_card
from runtime.pipeline.dataset import Partition
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.grouping import Group, Window, Work, partition_of, process_group
from runtime.pipeline.package import Origin, Packaged, package
from runtime.pipeline.plan import Plan
from runtime.pipeline.provenance import LIBRARIES, OPTIONAL, REVISION, code_revision, environment
from runtime.pipeline.train import TrainedModel, folds_of
from runtime.storage.objects import ObjectStore
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import PARTITION, SPEC, a_spec, arrow, frame, fresh, layout, rows_of, trained

AS_OF = MONDAY + timedelta(days=25)
GATES = a_spec(
    gates=[
        {"metric": "mae", "max": 30},
        {"better_than": "baseline"},
        {"better_than": "champion"},
        {"slice": "origin", "metric": "mae", "max": 30, "min_rows": 10},
        {"latency_ms_p99": 50},
        {"artifact_bytes": 10_000_000},
        {"round_trip": True},
    ]
)


@cache
def gated() -> TrainedModel:
    return fresh(GATES, rows_of(frame(200), GATES))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def stored(store: ObjectStore) -> Partition:
    """The partition of the flights as a preparation stores it."""
    group = Group(MODEL, PARTITION, 200)
    return partition_of(
        group, process_group(arrow(frame(200)), group, Work(SPEC, layout(), Window(None, AS_OF), store))
    )


def packaged(store: ObjectStore, model: TrainedModel, report: EvaluationReport, spec: Spec = SPEC) -> Packaged:
    partition = stored(store)
    origin = Origin(spec, digest_of(b"dataset"), AS_OF, "batch-1", "abc", {"python": "3.11"})
    return package(model, report, origin=origin, partition=partition, version=2, parent=1, store=store)


# --- what is stored --------------------------------------------------------------------------------


def test_every_digest_of_a_registered_version_is_found_in_the_store(store: ObjectStore) -> None:
    registered, evaluated = packaged(store, trained(), evaluate(SPEC, trained(), None)).events
    for digest in (registered.artifact, registered.baseline, registered.package):
        assert digest_of(store.get(digest)) == digest
    assert len(store.get(registered.artifact)) == registered.artifact_bytes
    assert (evaluated.model, evaluated.version) == (registered.model, registered.version) == (MODEL, 2)


def test_the_registered_artifact_predicts_what_was_trained(store: ObjectStore) -> None:
    registered = packaged(store, trained(), evaluate(SPEC, trained(), None)).registered
    rows = rows_of(frame(200))
    again = load(store.get(registered.artifact))
    assert np.array_equal(again.predict(rows.columns), trained().predictor.predict(rows.columns))
    assert again.schema == registered.schema_


def test_the_record_says_where_a_version_comes_from(store: ObjectStore) -> None:
    registered = packaged(store, trained(), evaluate(SPEC, trained(), None)).registered
    assert (registered.parent, registered.batch, registered.code_revision) == (1, "batch-1", "abc")
    assert (registered.train_rows, registered.first_time, registered.as_of) == (200, MONDAY, AS_OF)
    assert (registered.estimator, registered.parameters) == (SPEC.train.estimator, trained().parameters)


def test_the_manifest_names_every_part_of_the_package(store: ObjectStore) -> None:
    partition = stored(store)
    found = packaged(store, trained(), evaluate(SPEC, trained(), None))
    content = store.get(found.registered.package)
    manifest = orjson.loads(content)
    assert canonical.encode(manifest) == content
    assert manifest["version"]["artifact"] == found.registered.artifact
    assert manifest["version"]["baseline"] == found.registered.baseline
    assert manifest["spec"] == {"name": SPEC.name, "digest": SPEC.digest}
    assert manifest["data"]["content"] == partition.content
    assert partition.load(store, layout()).target.tolist() == rows_of(frame(200)).target.tolist()
    assert store.get(manifest["card"]).startswith(b"---\nlanguage: en\n")


def test_how_far_features_stray_is_packaged_if_the_spec_asks_for_it(store: ObjectStore) -> None:
    asking = a_spec(monitor={"delta0": "measured"})
    model = trained()
    registered = packaged(store, model, evaluate(SPEC, model, None), asking).registered
    baseline = Baseline.from_document(canonical.decode(store.get(registered.baseline)))
    assert set(baseline.delta0) == set(baseline.features.layout.names)
    watch = Watch(MODEL)
    watch.follow(2, baseline, asking)
    assert watch.features is not None
    assert watch.features.plan.tolerances.tolist() == list(baseline.delta0.values())
    watch.follow(2, baseline, SPEC)
    assert not watch.features.plan.tolerances.any()


def test_the_same_model_is_the_same_package(store: ObjectStore) -> None:
    report = evaluate(SPEC, trained(), None)
    assert packaged(store, trained(), report) == packaged(store, fresh(SPEC, rows_of(frame(200))), report)


def test_a_report_with_an_infinite_number_is_packaged_too(store: ObjectStore) -> None:
    report = EvaluationReport(metrics={"mae": np.inf, "rmse": np.inf}, rows=1)
    manifest = orjson.loads(store.get(packaged(store, trained(), report).registered.package))
    assert manifest["report"]["metrics"]["mae"] == "inf"


def test_the_monitor_reads_the_baseline_of_honest_errors(store: ObjectStore) -> None:
    registered = packaged(store, trained(), evaluate(SPEC, trained(), None)).registered
    baseline = Baseline.from_document(orjson.loads(store.get(registered.baseline)))
    rows, predictions = trained().honest
    errors = predictions - rows.target
    assert baseline.performance.rows == len(rows) == 200 - folds_of(160, SPEC.train.folds)[0][0]
    assert baseline.performance.mae == pytest.approx(np.abs(errors).mean())
    assert set(baseline.features.layout.names) == {"hour", "dest", "prediction"}


# --- the card --------------------------------------------------------------------------------------


def test_a_card_is_rendered_from_the_records_alone(store: ObjectStore) -> None:
    report = evaluate(GATES, gated(), None)
    registered = packaged(store, gated(), report, GATES).registered
    card = model_card(GATES, gated(), registered, report)
    assert card == model_card(GATES, gated(), registered, report)
    for expected in (
        f"# {MODEL}, version 2",
        "| Owner | network-planning, planning@example.com |",
        "| Partition | carrier UA |",
        "| Parent | version 1 |",
        f"| Artifact | `{registered.artifact}`, {registered.artifact_bytes} bytes |",
        "| hour | number | yes |",
        "On 40 rows held out, which the judged model was not trained on; the artifact was then\nfitted on all rows",
        "| better_than:champion | passed | there is no champion to beat |",
    ):
        assert expected in card
    assert card.count("| passed |") == len(GATES.gates)


def test_a_card_says_when_the_judged_model_is_the_one_that_is_served(store: ObjectStore) -> None:
    spec = a_spec(retrain={"refit": False})
    model = fresh(spec, rows_of(frame(200)))
    report = evaluate(spec, model, None)
    card = model_card(spec, model, packaged(store, model, report, spec).registered, report)
    assert "which the judged model was not trained on." in card


def test_a_card_shows_a_refusal(store: ObjectStore) -> None:
    spec = a_spec(gates=[{"metric": "mae", "max": 0.001}])
    report = evaluate(spec, trained(), None)
    card = model_card(spec, trained(), packaged(store, trained(), report, spec).registered, report)
    assert "| mae | **refused** |" in card


# --- the evaluation --------------------------------------------------------------------------------


def test_every_gate_of_the_spec_is_answered_in_order() -> None:
    report = evaluate(GATES, gated(), None)
    assert [gate.gate for gate in report.gates] == [
        "mae",
        "better_than:baseline",
        "better_than:champion",
        "slice:origin",
        "latency_ms_p99",
        "artifact_bytes",
        "round_trip",
    ]
    assert report.passed, report.failures
    assert report.comparison is None


def test_a_report_measures_the_sibling_on_the_holdout() -> None:
    report = evaluate(SPEC, trained(), None)
    held = trained().holdout
    errors = held.predictions - held.rows.target
    assert report.rows == 40
    assert (report.first_time, report.last_time) == (held.rows.first_time, held.rows.last_time)
    assert report.metrics["mae"] == pytest.approx(np.abs(errors).mean())
    assert report.metrics["bias"] == pytest.approx(errors.mean())
    assert report.metrics["baseline_mae"] == pytest.approx(np.abs(held.naive - held.rows.target).mean())
    assert report.metrics["cross_validation_mae"] == trained().candidate.score


def test_a_champion_is_compared_on_the_same_rows() -> None:
    held = trained().holdout
    report = evaluate(SPEC, trained(), trained().predictor)
    assert report.comparison is not None
    assert report.comparison.rows == 40
    served = np.abs(trained().predictor.predict(held.rows.columns) - held.rows.target).mean()
    assert report.comparison.champion == pytest.approx(served)
    assert report.comparison.challenger == pytest.approx(report.metrics["mae"])
    assert report == evaluate(SPEC, trained(), trained().predictor).model_copy(update={"metrics": report.metrics})


def test_stored_bytes_that_predict_otherwise_are_refused() -> None:
    other = fresh(SPEC, rows_of(frame(150)))
    report = evaluate(GATES, dataclasses.replace(gated(), artifact=other.artifact), None)
    assert [gate.gate for gate in report.failures] == ["round_trip"]
    assert report.failures[0].reason.startswith("loaded again it differs by ")


# --- one partition ---------------------------------------------------------------------------------


def prepared(given: pd.DataFrame, store: ObjectStore, window: Window | None = None) -> dict[str, object]:
    group = Group(MODEL, PARTITION, len(given))
    return process_group(arrow(given), group, Work(SPEC, layout(), window or Window(None, None), store))


def test_a_partition_is_the_rows_of_its_window(store: ObjectStore) -> None:
    window = Window(MONDAY + timedelta(days=5), MONDAY + timedelta(days=10))
    record = prepared(frame(200), store, window)
    group = Group(MODEL, PARTITION, 200)
    partition = partition_of(group, record)
    assert (partition.rows, partition.first_time) == (40, window.since)
    assert partition.last_time == MONDAY + timedelta(days=9, hours=21)


def test_a_partition_that_cannot_be_used_says_why_and_stores_nothing(store: ObjectStore, tmp_path: Path) -> None:
    given = frame(20)
    given.loc[3, "air_time"] = np.nan
    assert prepared(given, store) == {"reason": "target 'air_time' is missing or not finite in 1 of 20 rows"}
    given = frame(20).assign(dest=None)
    assert prepared(given, store) == {"reason": "feature 'dest' is missing in all 20 rows"}
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


# --- provenance ------------------------------------------------------------------------------------


def test_the_environment_names_the_libraries_that_decide_the_bytes() -> None:
    assert set(environment()) - set(OPTIONAL) == {"python", "platform", *LIBRARIES}
    assert environment()["numpy"] == np.__version__


def test_a_job_is_told_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REVISION, "abc123")
    assert code_revision() == "abc123"


def test_the_revision_is_a_commit_of_this_code(root: Path) -> None:
    commit = code_revision().removesuffix("+changed")
    assert len(commit) == 40 if (root / ".git").exists() else commit == "unknown"


def test_a_challenger_is_packaged_as_a_first_version_is(store: ObjectStore) -> None:
    spec = a_spec(retrain={"holdout": {"every": 2, "of_last": "10d"}, "half_life": "10d"})
    model = fresh(spec, rows_of(frame(200)), Plan.challenger(spec, AS_OF))
    registered = packaged(store, model, evaluate(spec, model, trained().predictor), spec).registered
    assert (registered.train_rows, registered.first_time) == (200, MONDAY)
    assert registered.last_time == MONDAY + timedelta(days=24, hours=21)
