"""The gRPC face of a replica: ``inference.GRPCInferenceService`` over the handlers that HTTP has.

    message ─> decode ─> the same endpoint ─> authorise ─> handler ─> message, and the prediction beside

Each method stands for one endpoint of ``endpoints``; so who may call it, quotas, deadlines, the capture and the data
subject are decided where they are for HTTP. Metadata carries what headers do there: ``authorization`` (or, where
nobody is authenticated, ``fleetward-caller``), ``idempotency-key``, ``fleetward-subject``, ``fleetward-version`` and
``traceparent``.
An error's status follows from the HTTP one; its text is the same.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import grpc  # type: ignore[import-untyped]
import orjson

from runtime.domain.errors import RequestError, RequestTooLarge, UnknownModel
from runtime.serving.authentication.authorise import UNAUTHENTICATED
from runtime.serving.authentication.errors import NotAllowed
from runtime.serving.body import LARGEST_BODY, Message
from runtime.serving.call import Call
from runtime.serving.endpoints import ENDPOINTS
from runtime.serving.handlers import BODY_ON_LOOP, Authorise
from runtime.serving.http import Application, Service, trace_id
from runtime.serving.live import Answer
from runtime.serving.protocols.grpc import decoded, infer_request
from runtime.serving.protocols.grpc_messages import message
from runtime.serving.replies import Reply, failure
from runtime.serving.router import Router
from runtime.telemetry.traces import id_of

Metadata = Iterable[tuple[str, str | bytes]]

_READ: Final = frozenset(
    [
        "authorization",
        "fleetward-caller",
        "fleetward-version",
        "idempotency-key",
        "fleetward-subject",
        "traceparent",
        "tracestate",
    ]
)
_CODES: Final[Mapping[int, grpc.StatusCode]] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    410: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_BESIDE: Final = frozenset([b"fleetward-override", b"deprecation", b"sunset", b"link"])
"""Fields of an answer that go beside it as metadata."""
_LONGEST_TEXT: Final = 1024
"""Characters of an error's text: it travels in a trailer, where gRPC takes 8 KB, and each may become nine bytes."""


class Outcome(NamedTuple):
    """What a method gives back: the answer's bytes, or a status and its text."""

    content: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    def SerializeToString(self) -> bytes:  # noqa: N802 - Serve asks a protobuf message for its bytes by this name
        """The answer's bytes."""
        return self.content


class Peers:
    """Whose connections are taken. Everybody's, where callers prove who they are."""

    def check(self, peer: str) -> None:
        """Raises ``NotAllowed``. ``peer`` is as gRPC writes it: ``ipv4:127.0.0.1:5000``, ``ipv6:[::1]:5000``."""


class LoopbackPeers(Peers):
    """Only this machine's: Serve binds a replica's gRPC port to every interface, whatever host it was told."""

    def check(self, peer: str) -> None:
        """Raises ``NotAllowed`` for another machine's."""
        kind, _, rest = unquote(peer).partition(":")
        if kind == "unix":
            return
        host = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]"))
        if not ((getattr(host, "ipv4_mapped", None) or host).is_loopback):
            raise NotAllowed("", "without authentication, gRPC is for callers on the same machine")


LOOPBACK_ONLY: Final = LoopbackPeers()


class GrpcFace(Application):
    """The HTTP face, and the same over gRPC: one set of handlers, deadlines and lanes for both."""

    _router_of_methods: Final = Router(ENDPOINTS)

    def __init__(
        self,
        service: Service,
        on_shutdown: Callable[[], Awaitable[None]],
        authorise: Authorise = UNAUTHENTICATED,
        peers: Peers = LOOPBACK_ONLY,
    ) -> None:
        super().__init__(service, on_shutdown, authorise)
        self._peers = peers
        self._beside: set[asyncio.Task[None]] = set()
        self._by_method: dict[str, Callable[[bytes, dict[bytes, bytes], float], Awaitable[Outcome]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "RepositoryIndex": self._repository_index,
            "ModelInfer": self._model_infer,
        }

    async def grpc(self, method: str, content: bytes, metadata: Metadata, peer: str) -> Outcome:
        """Answer one call. Raises nothing that a caller could bring about."""
        started = time.perf_counter()
        try:
            self._peers.check(peer)
            _check_size(content)
            return await self._by_method[method](content, _headers(metadata), started)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the caller gets a status with a text
            return _failed(failure(error, f"gRPC {method}"))

    # --- what is here ------------------------------------------------------------------------------

    async def _server_live(self, _: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        reply = await self._asked("GET", "/v2/health/live", headers, started)
        return _said("ServerLiveResponse", orjson.loads(reply.body))

    async def _server_ready(self, _: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        reply = await self._asked("GET", "/v2/health/ready", headers, started)
        return _said("ServerReadyResponse", orjson.loads(reply.body))

    async def _server_metadata(self, _: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        reply = await self._asked("GET", "/v2", headers, started)
        return _said("ServerMetadataResponse", orjson.loads(reply.body))

    async def _model_ready(self, content: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        asked = decoded(message("ModelReadyRequest"), content)
        reply = await self._asked("GET", f"{_path(asked.name, asked.version)}/ready", headers, started)
        return _said("ModelReadyResponse", {"ready": reply.status == 200})

    async def _model_metadata(self, content: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        asked = decoded(message("ModelMetadataRequest"), content)
        reply = await self._asked("GET", _path(asked.name, asked.version), headers, started)
        return _said("ModelMetadataResponse", orjson.loads(reply.body))

    async def _repository_index(self, content: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        asked = decoded(message("RepositoryIndexRequest"), content)
        body = orjson.dumps({"ready": asked.ready})
        reply = await self._asked("POST", "/v2/repository/index", headers, started, body)
        return _said("RepositoryIndexResponse", {"models": orjson.loads(reply.body)})

    # --- predictions -------------------------------------------------------------------------------

    async def _model_infer(self, content: bytes, headers: dict[bytes, bytes], started: float) -> Outcome:
        if len(content) <= BODY_ON_LOOP:
            request = infer_request(content)
        else:
            request = await asyncio.to_thread(infer_request, content)
        span = None if self._traces is None else self._traces.begin("infer", headers)
        try:
            path = f"{_path(request.model_name, request.model_version)}/infer"
            call = await self._call("POST", path, headers, started, content)
            call = call if span is None else call._replace(trace_id=id_of(span))
            reply = await self._deadlines.keep(self._handlers.grpc_infer(call, request))
        except Exception as error:  # noqa: BLE001 - as ``grpc``, which knows no model
            failed = self._noticed(failure(error, "gRPC ModelInfer"), request.model_name)
            return _failed(self._told(failed, request.model_name, started, span))
        reply = self._noticed(reply, request.model_name)
        self._told(reply, request.model_name, started, span)
        assert reply.answer is not None  # noqa: S101 - a prediction's reply has one
        self._predict_beside(reply.answer)
        named = ("fleetward-decision-id", reply.answer.decision.decision_id)
        if reply.status != 200:  # its own overrides let none go out
            refused = _failed(reply)
            return refused._replace(metadata=(*refused.metadata, named))
        beside = [(name.decode(), value.decode()) for name, value in reply.headers if name in _BESIDE]
        return Outcome(reply.body, metadata=(named, *beside))

    def _predict_beside(self, answer: Answer) -> None:
        """After the answer is out, since the loop sends it first."""
        task = asyncio.create_task(self._handlers.beside(answer))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _asked(
        self, method: str, path: str, headers: dict[bytes, bytes], started: float, body: bytes = b""
    ) -> Reply:
        call = await self._call(method, path, headers, started, body)
        return await self._deadlines.keep(self._handlers.handle(call))

    async def _call(self, method: str, path: str, headers: dict[bytes, bytes], started: float, body: bytes) -> Call:
        """The call that HTTP would make of it, authorised."""
        found = self._router_of_methods.find(method, path)
        who = await self._authorise(headers, found.endpoint.action, found.values.get("model"))

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        return Call(found, method, path, headers, receive, started, who, trace_id(headers))


def _check_size(content: bytes) -> None:
    if len(content) > LARGEST_BODY:
        raise RequestTooLarge("message", f"{len(content)} bytes", f"at most {LARGEST_BODY}")


def _headers(metadata: Metadata) -> dict[bytes, bytes]:
    """What a handler may read of it; a body's length or encoding is none of gRPC's metadata."""
    return {
        name.encode(): value if isinstance(value, bytes) else value.encode()
        for name, value in metadata
        if name in _READ
    }


def _path(model: str, version: str) -> str:
    if not model:
        raise RequestError("the model's name", "empty text", "a name")
    if "/" in model:
        raise UnknownModel(model)
    if "/" in version:
        raise RequestError("the version", repr(version[:40]), "a number")
    return f"/v2/models/{model}/versions/{version}" if version else f"/v2/models/{model}"


def _said(name: str, document: dict[str, Any]) -> Outcome:
    answer = message(name)(**document)
    return Outcome(answer.SerializeToString())


def _failed(reply: Reply) -> Outcome:
    text = orjson.loads(reply.body)["error"]
    beside = tuple([(name.decode(), value.decode("latin-1")) for name, value in reply.headers])
    code = _CODES.get(reply.status, grpc.StatusCode.INTERNAL)
    return Outcome(code=code, details=text[:_LONGEST_TEXT], metadata=beside)
