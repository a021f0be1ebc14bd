"""The HTTP face of a replica: a plain ASGI application over a pool and a capture. Knows nothing of Ray.

    GET   /v2                                              server metadata
    GET   /v2/health/live, /v2/health/ready                the status decides
    GET   /v2/models/{m}[/versions/{v}]                    model metadata
    GET   /v2/models/{m}[/versions/{v}]/ready
    POST  /v2/models/{m}[/versions/{v}]/infer
    POST  /v2/models/{m}/outcomes
    POST  /v2/repository/index

Anything else is 404; what clients ask for that is not there (``/config``, ``/stats``, shared memory, binary tensors)
is 501. Bodies are read raw, since clients of this protocol send no Content-Type. Every error is a problem document
with an ``error`` beside.

Request headers: ``fleetward-caller`` (who asks), ``idempotency-key`` (a UUID: the decision id of a retry),
``traceparent``. Answers carry the decision id in ``fleetward-decision-id``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson

from runtime.domain.decision import Decision, Outcomes
from runtime.domain.errors import FleetwardError, RequestError, RequestTooLarge, UnknownVersion
from runtime.domain.spec import Capture as Policy
from runtime.serving.pool import Answer, Caller, Live, Pool
from runtime.serving.protocols import oip, outcomes
from runtime.serving.protocols.problem import MEDIA_TYPE, problem, problem_of

_log = logging.getLogger(__name__)

LARGEST_BODY = 16 << 20
ROWS_ON_LOOP = 256
"""Up to so many rows are predicted on the event loop; more would hold up the other requests too long."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

_JSON = b"application/json"
_PROBLEM = MEDIA_TYPE.encode()
_CALLER = re.compile(r"^[\x21-\x7e]{1,128}$")
_TRACE = re.compile(rb"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Keep(Protocol):
    """Where decisions and outcomes go: a ``Capture``."""

    def record(self, decision: Decision, policy: Policy) -> None: ...
    def outcomes(self, outcomes: Outcomes, policy: Policy) -> None: ...


class Reply(NamedTuple):
    """What is sent, and what is done after it was."""

    body: bytes
    status: int = 200
    media_type: bytes = _JSON
    answer: Answer | None = None


class _Unsupported(Exception):
    """Asked for something of the protocol that is not here."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a replica serves with: versions, the capture, its own version, and whether routes are known yet."""

    pool: Pool
    keep: Keep
    clock: Callable[[], datetime]
    is_ready: Callable[[], bool]
    software: str


class Application:
    """ASGI 3, HTTP only. ``on_shutdown`` runs when the server ends its lifespan."""

    def __init__(self, service: Service, on_shutdown: Callable[[], Awaitable[None]]) -> None:
        self._service = service
        self._pool, self._keep = service.pool, service.keep
        self._on_shutdown = on_shutdown

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
                await self._on_shutdown()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _respond(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        reply = await self._guarded(scope, receive, started)
        headers = [(b"content-type", reply.media_type), (b"content-length", b"%d" % len(reply.body))]
        if reply.answer is not None:
            headers.append((b"fleetward-decision-id", reply.answer.decision.decision_id.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        if reply.answer is not None:
            await self._beside(reply.answer)

    async def _guarded(self, scope: Message, receive: Receive, started: float) -> Reply:
        try:
            return await self._dispatch(scope, receive, started)
        except FleetwardError as error:
            return Reply(problem_of(error), error.status, _PROBLEM)
        except _Unsupported as error:
            return Reply(problem(501, f"not supported: {error}"), 501, _PROBLEM)
        except Exception:  # noqa: BLE001 - the protocol wants an error document, whatever went wrong
            _log.exception("%s %s failed", scope["method"], scope["path"])
            return Reply(problem(500, "an error of the server; its log has it"), 500, _PROBLEM)

    # --- routes ------------------------------------------------------------------------------------

    async def _dispatch(self, scope: Message, receive: Receive, started: float) -> Reply:
        method: str = scope["method"]
        path: str = scope["path"]
        match path.strip("/").split("/"):
            case ["v2", "models", model, "infer"] if method == "POST":
                return await self._infer(model, None, scope, receive, started)
            case ["v2", "models", model, "versions", version, "infer"] if method == "POST":
                return await self._infer(model, version, scope, receive, started)
            case ["v2", "models", model, "outcomes"] if method == "POST":
                return await self._outcomes(model, scope, receive)
            case ["v2", "repository", "index"] if method == "POST":
                return Reply(oip.repository_index([_index_entry(live) for live in self._pool.models()]))
            case ["v2", *rest] if method == "GET":
                return self._describe(rest, path)
            case ["v2", *rest]:
                return _absent(method, path, rest)
        return _absent(method, path, [])

    def _describe(self, rest: list[str], path: str) -> Reply:
        match rest:
            case []:
                return Reply(oip.server_metadata(self._service.software))
            case ["health", "live"]:
                return Reply(oip.server_state("live", holds=True))
            case ["health", "ready"]:
                ready = self._service.is_ready()
                return Reply(oip.server_state("ready", holds=ready), 200 if ready else 503)
            case ["models", model]:
                return self._metadata(model, None)
            case ["models", model, "versions", version]:
                return self._metadata(model, version)
            case ["models", model, "ready"]:
                return self._ready(model, None)
            case ["models", model, "versions", version, "ready"]:
                return self._ready(model, version)
        return _absent("GET", path, rest)

    def _metadata(self, model: str, version: str | None) -> Reply:
        live = self._pool.live(model)
        held = [loaded for loaded in (live.champion, live.challenger) if loaded is not None]
        if version is not None:
            held = [loaded for loaded in held if str(loaded.version) == version]
            if not held:
                raise UnknownVersion(model, version)
        if not held:
            return Reply(problem(503, f"model {model!r} cannot be served: {live.reason}"), 503, _PROBLEM)
        return Reply(oip.model_metadata(model, [loaded.version for loaded in held], held[0].schema))

    def _ready(self, model: str, version: str | None) -> Reply:
        live = self._pool.live(model)
        held = [str(loaded.version) for loaded in (live.champion, live.challenger) if loaded is not None]
        ready = live.champion is not None if version is None else version in held
        return Reply(oip.model_ready(model, ready=ready), 200 if ready else 503)

    async def _infer(self, model: str, version: str | None, scope: Message, receive: Receive, started: float) -> Reply:
        headers: Headers = dict(scope["headers"])
        reader = self._pool.reader(model, version)
        if b"inference-header-content-length" in headers:
            raise _Unsupported("the binary tensor extension; send JSON data")
        request = reader.read(await _body(headers, receive))
        key = headers.get(b"idempotency-key")
        if key is not None and request.decision_id is None:
            request = replace(request, decision_id=oip.decision_id(key.decode("latin-1"), "header idempotency-key"))
        caller = Caller(_caller(headers), _trace_id(headers), started)
        if request.rows <= ROWS_ON_LOOP:
            answer = self._pool.answer(model, version, request, caller)
        else:
            answer = await asyncio.to_thread(self._pool.answer, model, version, request, caller)
        decision = answer.decision
        await _kept(self._keep.record, decision, answer.capture)
        prediction = oip.Prediction(
            model=model,
            version=decision.version,
            output=answer.output,
            decision_id=decision.decision_id,
            variant=decision.variant.value,
            values=decision.outputs,
            request_id=request.id,
        )
        return Reply(oip.answer(prediction), answer=answer)

    async def _beside(self, answer: Answer) -> None:
        """The other half of a pair, after the answer is out: nothing that fails here is seen outside."""
        try:
            if answer.decision.rows <= ROWS_ON_LOOP:
                decision = answer.beside()
            else:
                decision = await asyncio.to_thread(answer.beside)
            if decision is not None:
                await _kept(self._keep.record, decision, answer.capture)
        except Exception:  # noqa: BLE001 - the caller has the answer already
            _log.exception("%s: the prediction beside was not recorded", answer.decision.model)

    async def _outcomes(self, model: str, scope: Message, receive: Receive) -> Reply:
        headers: Headers = dict(scope["headers"])
        policy = self._pool.live(model).capture
        body = await _body(headers, receive)
        found = outcomes.read(body, model=model, caller=_caller(headers), at=self._service.clock())
        for each in found:
            await _kept(self._keep.outcomes, each, policy)
        return Reply(orjson.dumps({"model_name": model, "accepted": sum(len(each.rows) for each in found)}))


_Record = TypeVar("_Record")


async def _kept(keep: Callable[[_Record, Policy], None], record: _Record, policy: Policy) -> None:
    """Keep it, off the event loop where this waits for the disk."""
    if policy.policy == "strict":
        await asyncio.to_thread(keep, record, policy)
    else:
        keep(record, policy)


def _index_entry(live: Live) -> tuple[str, int | None, str]:
    return live.model, None if live.champion is None else live.champion.version, live.reason


def _absent(method: str, path: str, rest: list[str]) -> Reply:
    """501 for parts of the protocol that are not here, 404 for everything else."""
    match rest:
        case ["systemsharedmemory" | "cudasharedmemory" | "trace" | "logging", *_]:
            raise _Unsupported(f"{method} {path}")
        case ["models", _, "config" | "stats" | "generate" | "generate_stream" | "trace", *_]:
            raise _Unsupported(f"{method} {path}")
        case ["repository", "models", *_] | ["models", _, "versions", _, "config" | "stats"]:
            raise _Unsupported(f"{method} {path}")
    return Reply(problem(404, f"nothing is at {method} {path}"), 404, _PROBLEM)


async def _body(headers: Headers, receive: Receive) -> bytes:
    """The raw body. Raises ``RequestTooLarge`` before it is read whole."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise _Unsupported("compressed bodies; send the body as it is")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise RequestTooLarge("body", f"{int(length)} bytes", f"at most {LARGEST_BODY}")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY:
                raise RequestTooLarge("body", f"more than {LARGEST_BODY} bytes", f"at most {LARGEST_BODY}")
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise RequestError("body", "the end of the connection", "the rest of the body")
    return body


def _caller(headers: Headers) -> str:
    value = headers.get(b"fleetward-caller")
    if value is None:
        return "anonymous"
    caller = value.decode("latin-1")
    if _CALLER.match(caller) is None:
        raise RequestError("header fleetward-caller", repr(caller[:40]), "1 to 128 visible ASCII characters")
    return caller


def _trace_id(headers: Headers) -> str:
    match = _TRACE.match(headers.get(b"traceparent", b""))
    return "" if match is None else match[1].decode()
