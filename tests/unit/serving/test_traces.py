"""A request is a span of its caller's trace at an OTLP collector, and nothing at all where no collector is named."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runtime.domain.errors import SettingsError
from runtime.domain.events import Stage
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from runtime.telemetry.traces import Traces, traced_job
from runtime.telemetry.traces import traced as traced_step
from tests.unit.serving.conftest import Client, Kept, Shop, route, routes

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class Collector:
    """An OTLP/HTTP collector that keeps what it is sent."""

    status: int = 200
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    @property
    def spans(self) -> list[dict[str, Any]]:
        resources = [resource for _, _, body in self.requests for resource in body["resourceSpans"]]
        return [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.requests.append((self.path, headers, body))
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield collector
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Traced:
    """A replica that traces, and its client. ``finish`` hands all spans on."""

    client: Client
    traces: Traces

    def finish(self) -> None:
        self.traces.close()


@pytest.fixture
def traced(pool: Pool, kept: Kept, shop: Shop, collector: Collector) -> Iterator[Traced]:
    async def on_shutdown() -> None:
        return None

    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b, x-other=c"}
    traces = Traces.from_environment("replica-1", environment)
    assert traces is not None
    service = Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0", traces=traces)
    client = Client(Application(service, on_shutdown))
    yield Traced(client, traces)
    client.close()
    traces.close()


def attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in of["attributes"]}


def test_a_prediction_is_a_span_below_its_callers_with_who_answered(
    traced: Traced, kept: Kept, collector: Collector
) -> None:
    response = traced.client.infer(headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    traced.finish()
    [span] = collector.spans
    [decision] = kept.decisions
    assert (span["traceId"], span["parentSpanId"], decision.trace_id) == (TRACE, PARENT, TRACE)
    assert (span["name"], span["kind"]) == ("infer", 2)
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    assert attributes(span) == {
        "fleetward.decision_id": response.headers["fleetward-decision-id"],
        "fleetward.model": "m",
        "fleetward.version": "1",
        "fleetward.variant": "champion",
        "http.response.status_code": "200",
    }
    [event] = span["events"]
    assert event["name"] == "feature_flag.evaluation"
    assert attributes(event)["feature_flag.result.variant"] == "champion"


def test_the_choice_of_a_canary_is_told_as_a_split(
    traced: Traced, pool: Pool, shop: Shop, collector: Collector
) -> None:
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.CANARY, 1.0), size=2))
    traced.client.infer()
    traced.finish()
    told = attributes(collector.spans[0]["events"][0])
    assert told["feature_flag.result.reason"] == "split"
    assert (told["feature_flag.key"], told["feature_flag.result.value"]) == ("m", "2")


def test_a_request_without_a_trace_begins_one_that_its_decision_names(
    traced: Traced, kept: Kept, collector: Collector
) -> None:
    traced.client.infer()
    traced.finish()
    [span] = collector.spans
    assert kept.decisions[0].trace_id == span["traceId"]
    assert len(span["traceId"]) == 32
    assert "parentSpanId" not in span


def test_a_caller_that_does_not_sample_is_followed_and_its_trace_still_recorded(
    traced: Traced, kept: Kept, collector: Collector
) -> None:
    traced.client.infer(headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    traced.finish()
    assert collector.spans == []
    assert kept.decisions[0].trace_id == TRACE


def test_errors_are_spans_with_their_status(traced: Traced, collector: Collector) -> None:
    traced.client.infer("/v2/models/nobody")
    traced.client.infer("/v2/models/off")
    traced.finish()
    statuses = [(attributes(span)["http.response.status_code"], span["status"]["code"]) for span in collector.spans]
    assert statuses == [("404", 0), ("503", 2)]


def test_what_is_sent_is_an_export_request_of_the_protocol(traced: Traced, collector: Collector) -> None:
    traced.client.infer()
    traced.finish()
    [(path, headers, body)] = collector.requests
    assert (path, headers["content-type"]) == ("/v1/traces", "application/json")
    assert (headers["x-key"], headers["x-other"]) == ("a b", "c")
    read = ParseDict(body, ExportTraceServiceRequest())  # it refuses fields and enums that there are not
    resource = {each.key: each.value.string_value for each in read.resource_spans[0].resource.attributes}
    assert (resource["service.name"], resource["service.instance.id"]) == ("fleetward", "replica-1")
    assert read.resource_spans[0].scope_spans[0].spans[0].name == "infer"


def test_inputs_and_callers_are_in_no_span(traced: Traced, collector: Collector) -> None:
    traced.client.infer(headers={"fleetward-caller": "crew-planning"}, id="secret-request")
    traced.finish()
    sent = json.dumps(collector.requests[0][2])
    assert "crew-planning" not in sent
    assert "secret-request" not in sent


def test_a_collector_that_refuses_harms_no_request(
    traced: Traced, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    assert traced.client.infer().status_code == 200
    traced.finish()
    assert "1 spans were not taken" in caplog.text


def test_without_a_collector_nothing_is_traced_and_nothing_imported() -> None:
    assert Traces.from_environment("r", {}) is None
    assert (
        Traces.from_environment("r", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "true"}) is None
    )
    code = (
        "import sys, runtime.serving.http; from runtime.telemetry.traces import Traces; "
        "assert Traces.from_environment('r', {}) is None; "
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_job_is_a_span_below_the_step_that_began_it_and_tells_how_it_failed(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    operator = Traces.from_environment("operator")
    with traced_step(operator, "retrain", {"fleetward.batch": "batch-1", "fleetward.attempt": 1}) as told:
        monkeypatch.setenv("TRACEPARENT", told["TRACEPARENT"])
        with pytest.raises(ZeroDivisionError), traced_job("retrain job", {"fleetward.batch": "batch-1"}):
            raise ZeroDivisionError
    assert operator is not None
    operator.close()
    job, step = collector.spans
    assert (job["traceId"], job["parentSpanId"]) == (step["traceId"], step["spanId"])
    assert (job["name"], job["status"]["code"], job["events"][0]["name"]) == ("retrain job", 2, "exception")
    assert attributes(step) == {"fleetward.batch": "batch-1", "fleetward.attempt": "1"}


def test_without_a_collector_a_step_tells_nothing() -> None:
    with traced_step(None, "retrain", {}) as told:
        assert told == {}
    with traced_job("retrain job", {}):
        pass


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]
)
def test_a_setting_that_means_nothing_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Traces.from_environment("r", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", name: value})
