"""The HTTP face of a replica: a plain ASGI application over a pool and a capture. Knows nothing of Ray.

    find the endpoint ─> authorise ─> handler: parse, decide, render ─> send ─> the prediction beside

``endpoints`` lists what it answers, ``/openapi.json`` describes it. Bodies are read raw, since clients of these
protocols send no Content-Type, or one that is not true. Every error is a problem document with an ``error`` beside.

Request headers: ``authorization`` (or, where nobody is authenticated, ``fleetward-caller``: who asks),
``fleetward-version`` (which live version answers a tester), ``idempotency-key`` (a UUID: the decision id of a retry),
``fleetward-subject`` (whom the data are about), and ``traceparent``. Answers carry the decision id in
``fleetward-decision-id``; those of a model whose end was announced say so (``sunset``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from runtime.serving.authentication.authorise import UNAUTHENTICATED
from runtime.serving.body import Headers, Message, Receive
from runtime.serving.call import Call
from runtime.serving.deadlines import Deadlines
from runtime.serving.endpoints import ENDPOINTS
from runtime.serving.handlers import Authorise, Handlers, Keep, Service
from runtime.serving.replies import Reply, failure
from runtime.serving.router import Router
from runtime.telemetry.traces import decided, end, id_of

if TYPE_CHECKING:  # imported by who is told of a collector
    from opentelemetry.trace import Span

__all__ = ["Application", "Authorise", "Keep", "Service"]

Send = Callable[[Message], Awaitable[None]]

_OF_CALLERS = frozenset({401, 403, 429})

_TRACE = re.compile(rb"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Application:
    """ASGI 3, HTTP only. ``on_shutdown`` runs when the server ends its lifespan."""

    def __init__(
        self, service: Service, on_shutdown: Callable[[], Awaitable[None]], authorise: Authorise = UNAUTHENTICATED
    ) -> None:
        self._handlers = Handlers(service)
        self._deadlines = Deadlines(service.within_seconds)
        self._router = Router(ENDPOINTS)
        self._on_shutdown = on_shutdown
        self._authorise = authorise
        self._requests, self._traces = service.requests, service.traces
        self._told_of = service.pool.told

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                self._handlers.close()
                await self._on_shutdown()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _respond(self, scope: Message, receive: Receive, send: Send) -> None:
        reply = await self._reply(scope, receive)
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", b"%d" % len(reply.body)),
            *reply.headers,
        ]
        if reply.answer is not None:
            headers.append((b"fleetward-decision-id", reply.answer.decision.decision_id.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body if scope["method"] != "HEAD" else b""})
        if reply.answer is not None:
            await self._handlers.beside(reply.answer)

    async def _reply(self, scope: Message, receive: Receive) -> Reply:
        started = time.perf_counter()
        method, path, model, span = scope["method"], scope["path"], "", None
        try:
            found = self._router.find(method, path)
            headers: Headers = dict(scope["headers"])
            model = found.values.get("model", "")
            span = None if self._traces is None else self._traces.begin(found.endpoint.name, headers)
            who = await self._authorise(headers, found.endpoint.action, model or None)
            call = Call(
                found, method, path, headers, receive, started, who, trace_id(headers) if span is None else id_of(span)
            )
            reply = await self._deadlines.keep(self._handlers.handle(call))
        except Exception as error:  # noqa: BLE001 - the protocol wants an error document, whatever went wrong
            reply = failure(error, f"{method} {path}")
        return self._told(self._noticed(reply, model), model, started, span)

    def _noticed(self, reply: Reply, model: str) -> Reply:
        """The reply, with what the model's callers are told of its end."""
        told = self._told_of(model)
        if not told or reply.status in _OF_CALLERS:  # whoever may not ask is told nothing of the model
            return reply
        return reply._replace(headers=(*reply.headers, *told))

    def _told(self, reply: Reply, model: str, started: float, span: Span | None) -> Reply:
        """The reply, which goes out now, counted and traced."""
        answer = reply.answer
        if answer is not None:
            decision, seconds = answer.decision, time.perf_counter() - started
            served = (decision.model, decision.version, decision.variant.value)
            self._requests.answered(served, seconds, decision.rows, overridden=answer.overridden is not None)
            if span is not None:
                decided(span, decision.decision_id, served)
        elif reply.status >= 400:
            self._requests.failed(model, reply.status)
        if span is not None:
            end(span, reply.status)
        return reply


def trace_id(headers: Headers) -> str:
    """The trace that a request belongs to; empty for none."""
    parent = headers.get(b"traceparent")
    match = None if parent is None else _TRACE.match(parent)
    return "" if match is None else match[1].decode()
