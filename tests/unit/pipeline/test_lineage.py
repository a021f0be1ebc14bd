"""Lineage: what a collector is told of runs, by OpenLineage's own definitions, and that no collector can stop a job."""

from __future__ import annotations

import importlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.errors import SettingsError
from runtime.domain.events import TrainingFailed
from runtime.domain.ids import digest_of
from runtime.domain.spec import Spec
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.lineage.events import source_of
from runtime.pipeline.lineage.sinks import FileSink, HttpSink, opened
from runtime.pipeline.lineage.telling import Lineage
from runtime.settings import Settings
from tests.unit.domain.lives import MODEL, MONDAY, registered
from tests.unit.pipeline.flights import PARTITION, SPEC, a_spec, layout

GENERATED = {
    "version": "dataset_version_dataset",
    "schema": "schema_dataset",
    "inputStatistics": "input_statistics_input_dataset",
    "outputStatistics": "output_statistics_output_dataset",
    "jobType": "job_type_job",
    "documentation": "documentation_job",
    "ownership": "ownership_job",
    "sourceCode": "source_code_job",
    "processing_engine": "processing_engine_run",
    "errorMessage": "error_message_run",
}
"""Facets by their key, and the module of openlineage-python that is generated from each one's schema."""


def dataset() -> PreparedDataset:
    part = Partition(MODEL, PARTITION, 200, digest_of(b"c"), digest_of(b"p"), MONDAY, MONDAY + timedelta(days=25))
    return PreparedDataset(SPEC.name, digest_of(b"dataset"), layout(), (part,), ())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lineage.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def lineage(path: Path) -> Lineage:
    times = iter(MONDAY + timedelta(seconds=count) for count in range(100))
    return Lineage(FileSink(path), clock=lambda: next(times))


def whole_story(path: Path) -> list[dict[str, Any]]:
    """A preparation, a training with a failure in it, a retraining of which nothing comes, one that breaks."""
    told, failure = lineage(path), TrainingFailed(model="other", batch="b", reason="too few rows")
    with told.run("prepare", SPEC) as run:
        run.gave(dataset())
    with told.run("train", SPEC, batch="b", dataset=dataset()) as run:
        run.registered(registered(2))
        run.failed(failure)
    with told.run("retrain", SPEC, batch="b") as run:
        run.failed(failure)
    with pytest.raises(RuntimeError), told.run("train", SPEC, dataset=dataset()):
        raise RuntimeError("the worker\ndied")
    assert told.close().lost == {}
    return read(path)


# --- what is told ------------------------------------------------------------------------------------


def test_a_run_starts_once_and_ends_once(path: Path) -> None:
    events = whole_story(path)
    assert [(each["job"]["name"].rpartition(".")[2], each["eventType"]) for each in events] == [
        ("prepare", "START"),
        ("prepare", "COMPLETE"),
        ("train", "START"),
        ("train", "COMPLETE"),
        ("retrain", "START"),
        ("retrain", "FAIL"),
        ("train", "START"),
        ("train", "FAIL"),
    ]
    runs = [each["run"]["runId"] for each in events]
    assert runs[::2] == runs[1::2]
    assert len(set(runs)) == 4


def test_what_a_preparation_made_is_what_a_training_takes(path: Path) -> None:
    events = whole_story(path)
    (made,), (taken,) = events[1]["outputs"], events[2]["inputs"]
    assert (made["namespace"], made["name"], made["facets"]) == (taken["namespace"], taken["name"], taken["facets"])
    assert made["facets"]["version"]["datasetVersion"] == dataset().digest
    assert [each["name"] for each in made["facets"]["schema"]["fields"]] == list(layout().types)
    assert events[0]["inputs"] == [source_of(SPEC)]


def test_a_version_keeps_its_model_s_name_and_tells_its_number_and_digest(path: Path) -> None:
    (version,) = whole_story(path)[3]["outputs"]
    assert version["name"] == f"models/{MODEL}"
    assert version["facets"]["version"]["datasetVersion"] == f"2 {registered(2).artifact}"


def test_a_failure_says_why(path: Path) -> None:
    events = whole_story(path)
    assert "errorMessage" not in events[3]["run"]["facets"]
    assert events[3]["run"]["facets"]["fleetward_run"]["modelsFailed"] == [{"model": "other", "reason": "too few rows"}]
    assert events[5]["run"]["facets"]["errorMessage"]["message"] == "none of 1 models could be made"
    assert events[7]["run"]["facets"]["errorMessage"]["message"] == "RuntimeError: the worker died"


def test_a_run_tells_the_code_and_the_spec_it_ran(path: Path) -> None:
    start = whole_story(path)[2]
    assert "purpose: " in start["job"]["facets"]["sourceCode"]["sourceCode"]
    about = start["run"]["facets"]["fleetward_run"]
    assert (about["specDigest"], about["batch"]) == (SPEC.digest, "b")
    assert re.fullmatch(r"[0-9a-f]{40}(\+changed)?|unknown", about["codeRevision"])


def test_every_event_has_the_fields_that_the_specification_requires(path: Path) -> None:
    for event in whole_story(path):
        assert {"eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
        assert datetime.fromisoformat(event["eventTime"]).tzinfo == UTC
        assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
        for facet in facets(event):
            assert {"_producer", "_schemaURL"} <= set(facet[1])


def test_every_event_is_one_by_openlineage_s_own_classes(path: Path) -> None:
    """Generated from the published schemas: they refuse a field they do not know, and one that is missing."""
    told = pytest.importorskip("openlineage.client.event_v2", reason="openlineage-python is not installed")
    for event in whole_story(path):
        kind = told.RunState(event["eventType"])
        made = told.RunEvent(
            eventType=kind,
            eventTime=event["eventTime"],
            producer=event["producer"],
            run=told.Run(**event["run"]),
            job=told.Job(**event["job"]),
            inputs=[told.InputDataset(**each) for each in event["inputs"]],
            outputs=[told.OutputDataset(**each) for each in event["outputs"]],
        )
        assert made.schemaURL == event["schemaURL"]


def test_every_facet_is_one_by_openlineage_s_own_classes(path: Path) -> None:
    pytest.importorskip("openlineage.client.event_v2", reason="openlineage-python is not installed")
    seen = set()
    for event in whole_story(path):
        for key, facet in facets(event):
            if key == "fleetward_run":
                continue
            name = facet["_schemaURL"].rpartition("/")[2]
            module = importlib.import_module(f"openlineage.client.generated.{GENERATED[key]}")
            fields = {field: value for field, value in facet.items() if not field.startswith("_")}
            getattr(module, name)(**fields)
            assert getattr(module, name)._get_schema() == facet["_schemaURL"]
            seen.add(key)
    assert seen == set(GENERATED)


def facets(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from part.get(kind, {}).items()


@pytest.mark.parametrize(
    ("source", "namespace", "name"),
    [
        ("examples.flights.data:load", "python", "examples.flights.data:load"),
        ({"parquet": "s3://bucket/flights/2013"}, "s3://bucket", "flights/2013"),
        ({"csv": ["data/a.csv", "data/b.csv"]}, "file", "data/a.csv"),
        ({"sql": "SELECT secret", "connection": "WAREHOUSE"}, "sql", "WAREHOUSE"),
        ({"iceberg": "flights.departures", "catalog": {"token": "hidden"}}, "iceberg", "flights.departures"),
    ],
    ids=["callable", "s3", "csv", "sql", "iceberg"],
)
def test_a_source_is_named_by_where_it_lies(source: Any, namespace: str, name: str, path: Path) -> None:
    data = SPEC.data.as_document() | {"source": source}
    spec = Spec.model_validate(a_spec().as_document() | {"data": data})
    assert source_of(spec) == {"namespace": namespace, "name": name}
    with lineage(path).run("prepare", spec):
        pass
    assert "hidden" not in path.read_text()


# --- where it goes -----------------------------------------------------------------------------------


@contextmanager
def collector(answer: int, asked: Callable[[], object] = lambda: None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An endpoint that answers every post with this status, and what it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"path": self.path, "event": json.loads(body)})
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_collector_gets_events_in_their_order() -> None:
    with collector(201) as (url, got):
        told = Lineage(opened(url))
        with told.run("prepare", SPEC) as run:
            run.gave(dataset())
        delivered = told.close()
    assert (delivered.taken, str(delivered)) == (2, "")
    assert [(each["path"], each["event"]["eventType"]) for each in got] == [
        ("/api/v1/lineage", "START"),
        ("/api/v1/lineage", "COMPLETE"),
    ]


def test_a_path_in_the_address_is_where_events_go() -> None:
    with collector(200) as (url, got):
        told = Lineage(opened(f"{url}/collect"))
        with told.run("prepare", SPEC):
            pass
        told.close()
    assert {each["path"] for each in got} == {"/collect"}


def test_a_collector_that_refuses_is_counted() -> None:
    with collector(500) as (url, _):
        told = Lineage(opened(url))
        with told.run("prepare", SPEC):
            pass
        said = str(told.close())
    assert said == "lineage: 2 of 2 events were not delivered: 2 by http://127.0.0.1: status 500"


def test_a_dead_endpoint_stops_no_job() -> None:
    with collector(200) as (url, _):
        pass  # its port is closed from here on
    told = Lineage(opened(url))
    with told.run("prepare", SPEC) as run:
        run.gave(dataset())
    assert str(told.close()) == "lineage: 2 of 2 events were not delivered: 2 by http://127.0.0.1: ConnectError"


def test_a_collector_that_does_not_answer_is_not_waited_for() -> None:
    release = threading.Event()
    with collector(200, lambda: release.wait(30)) as (url, _):
        told = Lineage(HttpSink(url, timeout=30, patience=0.1))
        with told.run("prepare", SPEC):
            pass
        delivered = told.close()
        release.set()
    assert delivered.taken == 0
    assert delivered.lost == {"by http://127.0.0.1: no answer within 0.1 s": 2}


def test_an_event_that_cannot_be_written_stops_no_job(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runtime.pipeline.lineage.telling as module

    def broken(*args: object) -> dict[str, Any]:
        raise TypeError("no such facet")

    monkeypatch.setattr(module, "dataset_made", broken)
    told = lineage(path)
    with told.run("prepare", SPEC) as run:
        run.gave(dataset())
    monkeypatch.setattr(module, "run_event", broken)
    with pytest.raises(ZeroDivisionError), told.run("train", SPEC):
        raise ZeroDivisionError  # the job's own error is what comes out
    assert [event["eventType"] for event in read(path)] == ["START", "COMPLETE"]
    said = str(told.close())
    assert "1 for an output that could not be written (TypeError: no such facet)" in said
    assert "1 for the FAIL that could not be written" in said


def test_a_file_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    told = Lineage(FileSink(tmp_path / "none" / "lineage.jsonl"))
    with told.run("prepare", SPEC):
        pass
    assert "2 of 2 events were not delivered: 2 by " in (said := str(told.close()))
    assert "No such file or directory" in said


def test_a_file_is_appended_to(path: Path) -> None:
    for _ in range(2):
        with Lineage(opened(f"file://{path}")).run("prepare", SPEC):
            pass
    assert len(read(path)) == 4


def test_nobody_is_told_unless_somebody_is_named() -> None:
    told = Lineage(opened(Settings.from_environment({}).lineage))
    with told.run("prepare", SPEC) as run:
        run.gave(dataset())
    assert told.close().taken == 0


@pytest.mark.parametrize("url", ["ftp://x/y", "lineage.jsonl", "file://host/x"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="FLEETWARD_LINEAGE"):
        opened(url)


def test_the_setting_reaches_other_processes() -> None:
    settings = Settings.from_environment({"FLEETWARD_LINEAGE": "file:///tmp/lineage.jsonl"})
    assert settings.as_environment()["FLEETWARD_LINEAGE"] == "file:///tmp/lineage.jsonl"
    with pytest.raises(SettingsError, match="FLEETWARD_LINEAGE"):
        Settings.from_environment({"FLEETWARD_LINEAGE": "kafka://x"})
