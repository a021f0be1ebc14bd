"""The versions one replica holds, and which of them answers.

    apply(routes)      in a thread: check the grant, fetch, load beside the old version, switch, drop
    answer(...)        on the event loop: pick the variant, predict, say who predicts beside
    Answer.beside()    after the answer is out: the other side of a shadow or canary pair

A version that may not be loaded is refused and reported; the model's old route stays as it is. What failed for a
passing reason (the store is away) is kept and tried again by ``retry``. A route changes by one assignment, so a
request sees either the old or the new one, whole.

Grants are checked when a version is loaded and, for their time, at each answer: a replica that nobody reaches stops
serving a version when its grant ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from runtime.domain.decision import Decision, Variant
from runtime.domain.errors import (
    FleetwardError,
    GrantInvalid,
    IntegrityError,
    NotServable,
    UnknownModel,
    UnknownVersion,
)
from runtime.domain.events import LoadRefused, Stage
from runtime.domain.ids import new_id
from runtime.domain.routes import Route, Routes, Servable
from runtime.domain.schema import Schema
from runtime.domain.spec import Capture as Policy
from runtime.flavors import Predictor
from runtime.serving.protocols.oip import Reader
from runtime.serving.protocols.request import InferRequest
from runtime.serving.split import is_canary
from runtime.storage.subject_key import SubjectKey

_log = logging.getLogger(__name__)

Check = Callable[[Servable, str], None]
"""Raises ``GrantInvalid`` unless the servable's grant holds for this model, here and now."""
Fetch = Callable[[str], bytes]
"""An artifact by its digest. Raises ``DigestMismatch`` when its bytes changed."""
Load = Callable[[bytes], Predictor]

NAMED = "version_named"
"""The caller named the version: not a draw of the split, and no pair."""
NOT_FINITE = "not_finite"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version in memory, with what is needed to answer and to record."""

    version: int
    artifact: str
    grant_id: str
    valid_until: float
    schema: Schema
    reader: Reader
    predictor: Predictor
    size_bytes: int

    @property
    def output(self) -> str:
        """The output that predictions are of: the schema's first."""
        return self.schema.outputs[0].name


@dataclass(frozen=True, slots=True)
class Live:
    """A model's route as this replica serves it."""

    model: str
    champion: Loaded | None
    challenger: Loaded | None
    stage: Stage | None
    share: float
    reason: str
    capture: Policy
    """How surely its decisions are kept."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how the request is traced."""

    name: str
    trace_id: str
    started: float
    """``time.perf_counter()`` when the request arrived."""
    subject: SubjectKey | None = None
    """The key of whom the request is about; its decisions are recorded under it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, the decision that records it, and the prediction that is made beside it afterwards."""

    decision: Decision
    output: str
    capture: Policy
    beside: Callable[[], Decision | None]


class Pool:
    """Loaded versions by model. ``apply`` and ``retry`` belong to one thread at a time, the rest to any."""

    def __init__(
        self,
        replica: str,
        *,
        check: Check,
        fetch: Fetch,
        load: Load,
        on_refused: Callable[[LoadRefused], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._replica = replica
        self._check, self._fetch, self._load = check, fetch, load
        self._on_refused, self._clock = on_refused, clock
        self._live: dict[str, Live] = {}
        self._loaded: dict[tuple[str, int, str], Loaded] = {}
        self._waiting: dict[str, Route] = {}
        self._applying = threading.Lock()

    # --- routes ------------------------------------------------------------------------------------

    def apply(self, routes: Routes) -> None:
        """Follow changed routes; models that are not in them stay as they are."""
        with self._applying:
            self._follow(routes.routes)

    def retry(self) -> None:
        """Try again what failed for a passing reason."""
        with self._applying:
            self._follow(list(self._waiting.values()))

    def _follow(self, routes: Iterable[Route]) -> None:
        for route in routes:
            self._waiting.pop(route.model, None)
            self._switch(route)
        self._drop()

    def _switch(self, route: Route) -> None:
        champion = self._hold(route, route.champion)
        if route.champion is not None and champion is None and route.model in self._live:
            return  # refused: what is served now goes on
        challenger = self._hold(route, route.challenger)
        stage = route.stage if challenger is not None else None
        reason = route.reason or ("" if champion is not None else "its version was refused by this replica")
        self._live[route.model] = Live(route.model, champion, challenger, stage, route.share, reason, route.capture)

    def _hold(self, route: Route, servable: Servable | None) -> Loaded | None:
        """The version in memory, loaded if it is not yet; None when there is none or it is refused."""
        if servable is None:
            return None
        try:
            return self._load_once(route.model, servable)
        except Exception as error:  # noqa: BLE001 - an artifact's loader may raise anything, and nothing may end the others
            self._refuse(route, servable, error)
            return None

    def _load_once(self, model: str, servable: Servable) -> Loaded:
        self._check(servable, model)
        grant = servable.signed.grant
        key = (grant.model, grant.version, grant.artifact)
        held = self._loaded.get(key)
        if held is None:
            content = self._fetch(grant.artifact)
            predictor, size_bytes = self._load(content), len(content)
            if predictor.schema != servable.schema_:
                raise GrantInvalid(model, grant.version, "its artifact has another schema than was registered")
        else:
            predictor, size_bytes = held.predictor, held.size_bytes
        self._loaded[key] = loaded = Loaded(
            version=grant.version,
            artifact=grant.artifact,
            grant_id=grant.grant_id,
            valid_until=grant.valid_until.timestamp(),
            schema=servable.schema_,
            reader=Reader(servable.schema_),
            predictor=predictor,
            size_bytes=size_bytes,
        )
        return loaded

    def _refuse(self, route: Route, servable: Servable, error: Exception) -> None:
        grant = servable.signed.grant
        _log.warning("%s version %s is not loaded: %s", route.model, grant.version, error)
        if _is_passing(error):
            self._waiting[route.model] = route
        reason = f"{type(error).__name__}: {error}"
        self._on_refused(LoadRefused(model=grant.model, version=grant.version, replica=self._replica, reason=reason))

    def _drop(self) -> None:
        """Forget what no route uses: requests in flight hold their own reference."""
        used = {
            (live.model, loaded.version, loaded.artifact)
            for live in self._live.values()
            for loaded in (live.champion, live.challenger)
            if loaded is not None
        }
        for key in self._loaded.keys() - used:
            del self._loaded[key]

    # --- what is served ----------------------------------------------------------------------------

    def live(self, model: str) -> Live:
        """The model's route. Raises ``UnknownModel``."""
        live = self._live.get(model)
        if live is None:
            raise UnknownModel(model)
        return live

    def models(self) -> list[Live]:
        """Every route, by model."""
        return [live for _, live in sorted(self._live.items())]

    def size_bytes(self) -> int:
        """Artifacts' bytes of everything held."""
        return sum(loaded.size_bytes for loaded in list(self._loaded.values()))

    def reader(self, model: str, version: str | None) -> Reader:
        """How a request to the model (or to this version of it) is read.

        Raises ``UnknownModel``, ``UnknownVersion`` (not champion or challenger here) or ``NotServable``.
        """
        live = self.live(model)
        return (self._champion(live) if version is None else self._named(live, version)).reader

    def answer(self, model: str, version: str | None, request: InferRequest, caller: Caller) -> Answer:
        """Predict. Raises as ``reader``, and ``NotServable`` when the grant has ended or the version fails."""
        live = self.live(model)
        decision_id = request.decision_id or new_id()
        if version is not None:
            chosen = self._named(live, version)
            variant = Variant.CHAMPION if chosen is live.champion else Variant.CANARY
            flags: tuple[str, ...] = (NAMED,)
            other = None
        else:
            chosen, variant, other = self._draw(live, request.sticky_key or decision_id)
            flags = ()
        decision = self._predict(live, chosen, variant, decision_id, request, caller, flags)

        def beside() -> Decision | None:
            if other is None:
                return None
            started = replace(caller, started=time.perf_counter())
            try:
                return self._predict(live, other, Variant.SHADOW, decision_id, request, started, ())
            except FleetwardError as error:
                # A model's own words may repeat its inputs, and those of a data subject belong in no log.
                why = error if caller.subject is None else type(error).__name__
                _log.warning("%s version %s failed beside: %s", model, other.version, why)
                return None

        return Answer(decision, chosen.output, live.capture, beside)

    def _draw(self, live: Live, unit: str) -> tuple[Loaded, Variant, Loaded | None]:
        """Who answers, as what, and who predicts beside."""
        champion, challenger = self._champion(live), live.challenger
        if challenger is None:
            return champion, Variant.CHAMPION, None
        if live.stage is Stage.CANARY and is_canary(live.model, unit, live.share):
            return challenger, Variant.CANARY, champion
        return champion, Variant.CHAMPION, challenger if live.stage is Stage.SHADOW else None

    def _champion(self, live: Live) -> Loaded:
        if live.champion is None:
            raise NotServable(live.model, live.reason)
        return live.champion

    def _named(self, live: Live, version: str) -> Loaded:
        for loaded in (live.champion, live.challenger):
            if loaded is not None and str(loaded.version) == version:
                return loaded
        raise UnknownVersion(live.model, version)

    def _predict(
        self,
        live: Live,
        loaded: Loaded,
        variant: Variant,
        decision_id: str,
        request: InferRequest,
        caller: Caller,
        flags: tuple[str, ...],
    ) -> Decision:
        now = self._clock()
        if now.timestamp() >= loaded.valid_until:
            raise NotServable(live.model, f"the grant of version {loaded.version} has ended")
        try:
            outputs = loaded.predictor.predict(request.columns).tolist()
        except FleetwardError:
            raise
        except Exception as error:
            raise NotServable(
                live.model, f"version {loaded.version} failed: {type(error).__name__}: {error}"
            ) from error
        if len(outputs) != request.rows:
            raise NotServable(live.model, f"version {loaded.version} gave {len(outputs)} rows for {request.rows}")
        total = sum(outputs)
        if total - total != 0:  # NaN or infinite somewhere
            flags = (*flags, NOT_FINITE)
        decision = Decision(
            decision_id=decision_id,
            time=now,
            event_time=request.event_time or now,
            model=live.model,
            version=loaded.version,
            artifact=loaded.artifact,
            grant_id=loaded.grant_id,
            variant=variant,
            caller=caller.name,
            trace_id=caller.trace_id,
            latency_us=round((time.perf_counter() - caller.started) * 1e6),
            numbers=request.numbers,
            texts=request.texts,
            outputs=outputs,
            flags=flags,
        )
        return decision if caller.subject is None else caller.subject.protect(decision)


def _is_passing(error: Exception) -> bool:
    """Whether waiting may help: the store was away, as opposed to wrong bytes or a wrong grant."""
    if isinstance(error, IntegrityError):
        return False
    return isinstance(error, OSError) or (isinstance(error, FleetwardError) and error.status in {404, 503})
