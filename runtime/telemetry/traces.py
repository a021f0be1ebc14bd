"""Traces: a span for each request, in the caller's own trace. Off, and not even imported, unless a collector is named.

    OTEL_EXPORTER_OTLP_ENDPOINT           http://collector:4318
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT    the same with its whole path; goes first
    OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT  name=value,...; milliseconds (default 10000)
    OTEL_TRACES_SAMPLER, _ARG             as the SDK reads them (default: as the caller's trace, and all others)
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_*   likewise

A span names decision, model, version and variant, and holds the variant choice as a ``feature_flag.evaluation``
event. It holds neither inputs nor outputs, nor who asked: those stand in the decision record, which names the trace.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runtime.domain.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_TIMEOUT: Final = "OTEL_EXPORTER_OTLP_TIMEOUT"
_CANARY: Final = "canary"
_PARENT: Final = "TRACEPARENT"


class Traces:
    """Begins and ends spans of one process, and hands them on in the background."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("fleetward")
        self._extract = TraceContextTextMapPropagator().extract

    @classmethod
    def from_environment(cls, instance: str, environment: Mapping[str, str] = os.environ) -> Traces | None:
        """As the environment says; None where it names no collector. Raises ``SettingsError``."""
        url = _url(environment)
        if not url or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from runtime.telemetry.otlp import OtlpJson, parsed_headers

        named = {} if "OTEL_SERVICE_NAME" in environment else {"service.name": "fleetward"}
        provider = TracerProvider(resource=Resource.create({**named, "service.instance.id": instance}))
        headers = parsed_headers(environment.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
        provider.add_span_processor(BatchSpanProcessor(OtlpJson(url, headers, _timeout_seconds(environment))))
        return cls(provider)

    def begin(self, name: str, headers: Mapping[bytes, bytes]) -> Span:
        """A span of a request that just came, below the caller's if its headers name one."""
        from opentelemetry.trace import SpanKind

        carrier = {
            key: headers[key.encode()].decode("latin-1")
            for key in ("traceparent", "tracestate")
            if key.encode() in headers
        }
        return self._tracer.start_span(name, self._extract(carrier), SpanKind.SERVER, start_time=time.time_ns())

    @contextmanager
    def within(self, name: str, attributes: Mapping[str, str | int], parent: str) -> Iterator[str]:
        """A span around what is done here; its own ``traceparent``. ``parent`` may be empty."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = self._extract({"traceparent": parent} if parent else {})
        with self._tracer.start_as_current_span(name, context, attributes=dict(attributes)):
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
            yield carrier["traceparent"]

    def close(self) -> None:
        """Hands on what waits."""
        self._provider.shutdown()


@contextmanager
def traced(
    traces: Traces | None, name: str, attributes: Mapping[str, str | int], environment: Mapping[str, str] = os.environ
) -> Iterator[dict[str, str]]:
    """A span around what is done here, below the one that ``TRACEPARENT`` names; what a job begun in it must be told.

    An error that leaves it is told as the span's. Without ``traces`` there is nothing to tell.
    """
    if traces is None:
        yield {}
        return
    with traces.within(name, attributes, environment.get(_PARENT, "")) as parent:
        yield {_PARENT: parent}


@contextmanager
def traced_job(name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    """The span of a job of its own process, handed on before it ends."""
    traces = Traces.from_environment(name)
    try:
        with traced(traces, name, attributes):
            yield
    finally:
        if traces is not None:
            traces.close()


def id_of(span: Span) -> str:
    """The trace that a span belongs to, as decision records have it."""
    return format(span.get_span_context().trace_id, "032x")


def decided(span: Span, decision_id: str, served: tuple[str, int, str]) -> None:
    """Who answered: (model, version, variant)."""
    if not span.is_recording():
        return
    model, version, variant = served
    span.set_attributes(
        {
            "fleetward.decision_id": decision_id,
            "fleetward.model": model,
            "fleetward.version": version,
            "fleetward.variant": variant,
        }
    )
    span.add_event(
        "feature_flag.evaluation",
        {
            "feature_flag.key": model,
            "feature_flag.provider.name": "fleetward",
            "feature_flag.result.variant": variant,
            "feature_flag.result.value": str(version),
            "feature_flag.result.reason": "split" if variant == _CANARY else "default",
        },
    )


def end(span: Span, status: int) -> None:
    """The answer goes out, with this HTTP status."""
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR)
    span.end()


def _url(environment: Mapping[str, str]) -> str:
    whole, base = environment.get(_TRACES_ENDPOINT, ""), environment.get(_ENDPOINT, "")
    name, url = (_TRACES_ENDPOINT, whole) if whole else (_ENDPOINT, base and f"{base.rstrip('/')}/v1/traces")
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(name, whole or base, "an http:// or https:// URL, such as http://127.0.0.1:4318")
    return url


def _timeout_seconds(environment: Mapping[str, str]) -> float:
    text = environment.get(_TIMEOUT, "10000")
    try:
        return float(text) / 1000
    except ValueError as error:
        raise SettingsError(_TIMEOUT, text, "milliseconds, such as 10000") from error
