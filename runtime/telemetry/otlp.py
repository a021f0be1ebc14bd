"""Spans to a collector over OTLP/HTTP in JSON, which every collector takes on the same port and path as protobuf.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hexadecimal, 64-bit integers as text, enums as
numbers. The exporters of the OpenTelemetry project bring protobuf and gRPC stubs; this is what of them is needed here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

_log = logging.getLogger(__name__)

_KINDS: Final = 1
"""OTLP counts span kinds from 1 (internal), the API from 0."""


class OtlpJson(SpanExporter):
    """Sends spans as they are handed over; what a collector does not take is dropped and logged."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self.url = url
        self._client = httpx.Client(headers={**headers, "content-type": "application/json"}, timeout=timeout_seconds)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """One POST."""
        try:
            self._client.post(self.url, json=document(spans)).raise_for_status()
        except httpx.HTTPError as error:
            _log.warning("%d spans were not taken by %s: %s", len(spans), self.url, error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Closes the connection."""
        self._client.close()


def parsed_headers(text: str) -> dict[str, str]:
    """``OTEL_EXPORTER_OTLP_HEADERS``: ``name=value,name=value``, percent-encoded."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def document(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """An ``ExportTraceServiceRequest``. All spans are of one process, so of one resource."""
    resource = {"attributes": _attributes(spans[0].resource.attributes) if spans else []}
    scope = {"scope": {"name": "fleetward"}, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None  # noqa: S101 - a span that ended has one
    return {
        "traceId": format_trace_id(context.trace_id),
        "spanId": format_span_id(context.span_id),
        **({} if span.parent is None else {"parentSpanId": format_span_id(span.parent.span_id)}),
        "name": span.name,
        "kind": span.kind.value + _KINDS,
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": _attributes(span.attributes),
        "events": [
            {"timeUnixNano": str(event.timestamp), "name": event.name, "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        "status": {"code": span.status.status_code.value, "message": span.status.description or ""},
    }


def _attributes(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
