"""What each endpoint does: parse, decide, render. Who may call it was decided before (``http``)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import orjson

from runtime.domain.decision import Decision, Outcomes
from runtime.domain.erasure import checked_subject
from runtime.domain.errors import RequestError, UnknownVersion, Unsupported, UnsupportedMedia
from runtime.domain.spec import Capture as Policy
from runtime.explaining.explanation import Explanation
from runtime.flavors import Predictor
from runtime.serving.authentication.identity import Identity
from runtime.serving.awaited import MOST, Awaited, Waits
from runtime.serving.body import Headers, read_body
from runtime.serving.call import Call
from runtime.serving.cold import ColdLoads
from runtime.serving.endpoints import ENDPOINTS
from runtime.serving.explanations import Explainer
from runtime.serving.lanes import Lanes
from runtime.serving.live import Answer, Caller, Live, NotInMemory, Offered, Overloaded, nothing
from runtime.serving.naming import named
from runtime.serving.pool import Pool
from runtime.serving.protocols import arrow, grpc, kserve, metadata, mlflow, oip, openapi, outcomes
from runtime.serving.protocols.document import decision_id
from runtime.serving.protocols.oip import Reader
from runtime.serving.protocols.request import Asked, InferRequest, Prediction
from runtime.serving.recorded import AnotherVersion, Recorded
from runtime.serving.replies import Reply, answered
from runtime.serving.router import Action
from runtime.serving.subjects import Subjects
from runtime.telemetry.requests import Requests
from runtime.telemetry.traces import Traces

_log = logging.getLogger(__name__)

ROWS_ON_LOOP = 256
"""Up to so many rows are predicted on the event loop; more would hold up the other requests too long."""
LOADS_A_REQUEST = 3
"""So often a request waits for its version, which may be evicted again before its turn."""
BODY_ON_LOOP = 1 << 20
"""Up to so many bytes are read there."""

_JSON_MEDIA = frozenset(
    [
        "",  # Triton's client sends none
        "application/json",
        "text/json",
        "text/plain",
        "application/octet-stream",  # with raw tensors
        "application/x-www-form-urlencoded",  # what curl -d says, whatever it sends
    ]
)


class Keep(Protocol):
    """Where decisions and outcomes go: a ``Capture``."""

    def record(self, decision: Decision, policy: Policy) -> None: ...
    def outcomes(self, outcomes: Outcomes, policy: Policy) -> None: ...


class Authorise(Protocol):
    """Who asks, and whether this caller may do this with this model (None: with no one model)."""

    async def __call__(self, headers: Headers, action: Action, model: str | None) -> Identity:
        """Raises a ``FleetwardError`` that refuses."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """What a replica serves with: versions, the capture, its own version, and whether routes are known yet."""

    pool: Pool
    keep: Keep
    clock: Callable[[], datetime]
    is_ready: Callable[[], bool]
    software: str
    within_seconds: float = 30.0
    """How long a request may take to arrive and be answered."""
    subjects: Subjects = field(default_factory=Subjects)
    recorded: Recorded | None = None
    """Where decisions that were answered before are found."""
    requests: Requests = field(default_factory=Requests)
    """Counts what was answered."""
    traces: Traces | None = None
    """Where requests are traced; None where no collector is named."""


class Handlers:
    """One method an endpoint's name; ``handle`` calls it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pool, self._keep, self._subjects = service.pool, service.keep, service.subjects
        self._lanes, self._cold = Lanes(), ColdLoads(service.pool.load_now)
        self._explainer = Explainer(service.pool.fetch)
        self._description = openapi.document(ENDPOINTS, service.software)
        self._by_name: dict[str, Callable[[Call], Awaitable[Reply]]] = {
            endpoint.name: getattr(self, endpoint.name) for endpoint in ENDPOINTS
        }

    def handle(self, call: Call) -> Awaitable[Reply]:
        """The reply. Raises what the pool, the protocols and the capture raise."""
        return self._by_name[call.found.endpoint.name](call)

    def close(self) -> None:
        """Begins no further load or prediction in a thread."""
        self._lanes.close()
        self._cold.close()
        self._explainer.close()

    # --- what is here ------------------------------------------------------------------------------

    async def description(self, _: Call) -> Reply:
        return Reply(self._description)

    async def server_metadata(self, _: Call) -> Reply:
        return Reply(metadata.server_metadata(self._service.software))

    async def server_live(self, _: Call) -> Reply:
        return Reply(metadata.server_state("live", holds=True))

    async def server_ready(self, _: Call) -> Reply:
        ready = self._service.is_ready()
        return Reply(metadata.server_state("ready", holds=ready), 200 if ready else 503)

    async def model_names(self, call: Call) -> Reply:
        return Reply(metadata.model_names([live.model for live in self._shown(call)]))

    async def model_metadata(self, call: Call) -> Reply:
        live = self._pool.live(call.model)
        held = live.offered
        if call.version is not None:
            held = [each for each in held if str(each.version) == call.version]
            if not held and not live.retired:
                raise UnknownVersion(call.model, call.version)
        if not held:
            raise live.unserved
        return Reply(metadata.model_metadata(call.model, [each.version for each in held], held[0].schema))

    async def model_ready(self, call: Call) -> Reply:
        live = self._pool.live(call.model)
        versions = [str(each.version) for each in live.offered]
        ready = live.champion is not None if call.version is None else call.version in versions
        return Reply(metadata.model_ready(call.model, ready=ready), 200 if ready else 503)

    async def repository_index(self, call: Call) -> Reply:
        wants = await read_body(call.headers, call.receive)
        only_ready = bool(wants.strip()) and metadata.only_ready(wants)
        entries = [_index_entry(live) for live in self._shown(call)]
        return Reply(metadata.repository_index([each for each in entries if each[1] is not None or not only_ready]))

    def _shown(self, call: Call) -> list[Live]:
        """The models that the caller may know of."""
        return [live for live in self._pool.models() if call.who.reads(live.model)]

    async def unsupported(self, call: Call) -> Reply:
        raise Unsupported(f"{call.method} {call.path}")

    # --- predictions -------------------------------------------------------------------------------

    async def infer(self, call: Call) -> Reply:
        return await self._predict(call, _read_infer)

    async def kserve_predict(self, call: Call) -> Reply:
        return await self._predict(call, _read_kserve)

    async def mlflow_invocations(self, call: Call) -> Reply:
        return await self._predict(call, _read_mlflow)

    async def grpc_infer(self, call: Call, request: Any) -> Reply:
        """``infer``, asked for with a ``ModelInferRequest``."""
        return await self._predict(call, lambda reader, _body, _headers: grpc.read(reader, request))

    async def kserve_explain(self, call: Call) -> Reply:
        call = named(call, self._pool)
        asked = await self._asked(call, self._pool.reader(call.model, call.version), _read_kserve)
        answer, explanation = await self._explained(call, asked)
        return answered(kserve.explanations(explanation, answer.decision.version, answer.decision.decision_id), answer)

    async def explain(self, call: Call) -> Reply:
        call = named(call, self._pool)
        reader = self._pool.reader(call.model, call.version)
        asked = await self._asked(call, reader, _read_infer)
        answer, explanation = await self._explained(call, asked)
        return answered(oip.explanation(_prediction(answer, reader), explanation, asked.request.id), answer)

    async def _explained(self, call: Call, asked: Asked) -> tuple[Answer, Explanation]:
        """Predicts first: what is explained is an answer that was decided and kept like any other."""
        request = _with_headers(asked.request, call.headers)
        answer = await self._decided(call, request)
        offered, predictor = await self._loaded(answer.decision.model, answer.decision.version)
        return answer, await self._explainer.explain(offered, predictor, request, answer.decision)

    async def decision_explanation(self, call: Call) -> Reply:
        """For who asked for the decision, and for auditors."""
        name = decision_id(call.found.values["decision"], "path decision")
        recorded = self._service.recorded
        if recorded is None:
            raise Unsupported("explanations of recorded decisions")
        self._pool.live(call.model)
        found = await self._explainer.find(call.model, name, recorded)
        call.who.check_sees(found.caller)
        try:
            offered, predictor = await self._loaded(call.model, found.version)
        except UnknownVersion as error:
            raise AnotherVersion(name, call.model, found.version) from error
        if offered.artifact != found.artifact:
            raise AnotherVersion(name, call.model, found.version)
        explained = await self._explainer.explain_recorded(offered, predictor, found, recorded)
        return Reply(orjson.dumps(explained.as_document()))

    async def _loaded(self, model: str, version: int) -> tuple[Offered, Predictor]:
        """Raises ``UnknownVersion`` where a route has changed since."""
        offered = self._pool.offered(model, version)
        for _ in range(LOADS_A_REQUEST):
            try:
                return offered, self._pool.memory.peek(offered.key)
            except NotInMemory as cold:
                await self._cold.wait_for(cold.key)
        raise Overloaded(model, "its version is evicted as soon as it is loaded")

    async def _asked(self, call: Call, reader: Reader, read: Callable[[Reader, bytes, Headers], Asked]) -> Asked:
        body = await read_body(call.headers, call.receive)
        if len(body) <= BODY_ON_LOOP:
            return read(reader, body, call.headers)
        return await asyncio.to_thread(read, reader, body, call.headers)

    async def _predict(self, call: Call, read: Callable[[Reader, bytes, Headers], Asked]) -> Reply:
        call = named(call, self._pool)
        reader = self._pool.reader(call.model, call.version)
        asked = await self._asked(call, reader, read)
        answer = await self._decided(call, _with_headers(asked.request, call.headers))
        return answered(asked.render(_prediction(answer, reader)), answer)

    async def _decided(self, call: Call, request: InferRequest) -> Answer:
        """The answer, and the decision kept before it goes out."""
        key = None if request.subject is None else await self._subjects.key(call.model, request.subject)
        caller = Caller(call.caller, call.trace_id, call.started, key, call.is_test, Awaited())
        answer = await self._answered(call, request, caller)
        await _kept(self._keep.record, answer.decision, answer.capture)
        for other in answer.others:
            await _kept(self._keep.record, other.decision, other.capture)
        return answer

    async def _answered(self, call: Call, request: InferRequest, caller: Caller) -> Answer:
        """The pool's answer, after its version was loaded if it was not in memory."""
        live, is_long = self._pool.live(call.model), request.rows > ROWS_ON_LOOP
        answer = partial(self._pool.answer, call.model, call.version, request, caller)
        for _ in range(LOADS_A_REQUEST):
            try:
                return await self._here(live, answer, caller.awaited, is_long=is_long)
            except NotInMemory as cold:
                await self._cold.wait_for(cold.key)
        raise Overloaded(call.model, "its version is evicted as soon as it is loaded")

    async def _here(
        self, live: Live, decide: Callable[[], _Decided], awaited: Awaited | None, *, is_long: bool
    ) -> _Decided:
        """What is decided, when all has come that it waits for from elsewhere."""
        for _ in range(MOST):
            try:
                return await self._lanes.run(live, decide, is_long=is_long)
            except Waits as waits:
                assert awaited is not None  # noqa: S101 - who has none is never told to wait
                awaited.add(waits.key, await self._lanes.wait(self._pool.live(waits.key.model), waits.ask))
        raise Overloaded(live.model, "its routes change as soon as it is answered")

    async def beside(self, answer: Answer) -> None:
        """The other half of a pair, after the answer is out: nothing that fails here is seen outside."""
        if answer.beside is nothing:
            return
        try:
            live, is_long = self._pool.live(answer.decision.model), answer.decision.rows > ROWS_ON_LOOP
            awaited = Awaited()
            decision = await self._here(live, partial(answer.beside, awaited), awaited, is_long=is_long)
            if decision is not None:
                await _kept(self._keep.record, decision, answer.capture)
        except Exception:  # noqa: BLE001 - the caller has the answer already
            _log.exception("%s: the prediction beside was not recorded", answer.decision.model)

    # --- outcomes ----------------------------------------------------------------------------------

    async def outcomes(self, call: Call) -> Reply:
        live = self._pool.live(call.model)
        policy, truth = live.capture, outcomes.truth_of(live.offered[0].schema if live.offered else None)
        body = await read_body(call.headers, call.receive)
        read = outcomes.read_arrow if _media_type(call.headers, arrow.MEDIA_TYPE) else outcomes.read
        found = read(body, model=call.model, caller=call.caller, at=self._service.clock(), truth=truth)
        for each in found:
            await _kept(self._keep.outcomes, each, policy)
        return Reply(orjson.dumps({"model_name": call.model, "accepted": sum(len(each.rows) for each in found)}))


_Record = TypeVar("_Record")
_Decided = TypeVar("_Decided")


async def _kept(keep: Callable[[_Record, Policy], None], record: _Record, policy: Policy) -> None:
    """Keep it, off the event loop where this waits for the disk."""
    if policy.policy == "strict":
        await asyncio.to_thread(keep, record, policy)
    else:
        keep(record, policy)


def _index_entry(live: Live) -> tuple[str, int | None, str]:
    return live.model, None if live.champion is None else live.champion.version, live.reason


def _with_headers(request: InferRequest, headers: Headers) -> InferRequest:
    """The request with what its headers say of it; the body's own word goes first."""
    key = headers.get(b"idempotency-key")
    if key is not None and request.decision_id is None:
        request = request._replace(decision_id=decision_id(key.decode("latin-1"), "header idempotency-key"))
    subject = headers.get(b"fleetward-subject")
    if subject is not None and request.subject is None:
        request = request._replace(subject=_named_subject(subject))
    return request


def _named_subject(value: bytes) -> str:
    """Whom the header names, in UTF-8. Raises ``RequestError``, which does not say whom."""
    where = "header fleetward-subject"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise RequestError(where, "bytes that are no UTF-8", "text in UTF-8") from None
    return checked_subject(text, where)


def _prediction(answer: Answer, reader: Reader) -> Prediction:
    decision = answer.decision
    outputs = reader.table.answered(answer.output, answer.outputs)
    override = "" if answer.overridden is None else ", ".join(answer.overridden.said)
    return Prediction(decision.model, decision.version, decision.decision_id, decision.variant.value, outputs, override)


# --- media types -----------------------------------------------------------------------------------------


def _media_type(headers: Headers, *others: str) -> str:
    """Which of the other media types the body is; empty for JSON. Raises ``UnsupportedMedia``."""
    value = headers.get(b"content-type")
    if value is None or value == b"application/json":
        return ""
    media = value.decode("latin-1").partition(";")[0].strip().lower()
    if media in others:
        return media
    if media in _JSON_MEDIA or media.endswith("+json"):
        return ""
    expected = " or ".join(("application/json", *others))
    raise UnsupportedMedia("header content-type", repr(media[:60]), expected)


def _read_infer(reader: Reader, body: bytes, headers: Headers) -> Asked:
    is_arrow = bool(_media_type(headers, arrow.MEDIA_TYPE))
    if is_arrow:
        if oip.JSON_LENGTH in headers:
            raise RequestError("header inference-header-content-length", "an Arrow stream", "JSON and raw tensors")
        asked = arrow.read(reader.table, body)
    else:
        asked = reader.asked(body, oip.json_length(headers, body))
    accept = headers.get(b"accept", b"*/*")
    if accept == b"*/*":
        return asked
    if arrow.MEDIA_TYPE.encode() in accept:
        return asked._replace(render=arrow.answer)
    if is_arrow and b"application/json" in accept:
        return asked._replace(render=oip.json_answer)
    return asked


def _read_kserve(reader: Reader, body: bytes, headers: Headers) -> Asked:
    _media_type(headers)
    return kserve.read(reader.table, body)


def _read_mlflow(reader: Reader, body: bytes, headers: Headers) -> Asked:
    if _media_type(headers, mlflow.CSV):
        return mlflow.read_csv(reader.table, body)
    return mlflow.read(reader.table, body)
