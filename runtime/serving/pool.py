"""The versions that one replica may answer with, and which of them does.

    apply(routes)      in a thread: check the grants, load what is news beside the old version, switch, drop
    load_now(key)      in a thread: load a version that was asked for and is not in memory
    answer(...)        pick the variant, predict, say who predicts beside; raises ``NotInMemory`` for a cold version
    Answer.beside()    after the answer is out: the other side of a shadow or canary pair

Memory is bounded in bytes (``memory``). A route that changes a served version, or begins a rollout, is loaded before it
is followed, so that a version which cannot be loaded replaces nothing. A model that is new here is loaded at once while
there is room, and else at its first request.

A version that may not be loaded is refused and reported; the model's old route stays as it is. What failed for a
passing reason (the store is away) is kept and tried again by ``retry``. A route changes by one assignment, so a
request sees either the old or the new one, whole.

Grants are checked when a route is followed and, for their time, at each answer: a replica that nobody reaches stops
serving a version when its grant ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

from runtime.domain import flags as flag
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
from runtime.domain.ids import beside_id, new_id
from runtime.domain.routes import Route, Routes, Servable
from runtime.flavors import Predictor
from runtime.policy.overrides import Watch
from runtime.serving.awaited import Awaited
from runtime.serving.live import Answer, Caller, Key, Live, Offered, nothing
from runtime.serving.memory import Memory
from runtime.serving.overriding import overridden, part_for, watch_of
from runtime.serving.predicting import NAMED, predict
from runtime.serving.protocols.oip import Reader
from runtime.serving.protocols.request import InferRequest
from runtime.serving.sizes import measured
from runtime.serving.split import is_canary
from runtime.serving.sunset import NOTHING, Told, told

_log = logging.getLogger(__name__)

Check = Callable[[Servable, str], None]
"""Raises ``GrantInvalid`` unless the servable's grant holds for this model, here and now."""
Fetch = Callable[[str], bytes]
"""An artifact by its digest. Raises ``DigestMismatch`` when its bytes changed."""
Load = Callable[[bytes], Predictor]
Vet = Callable[[bytes], None]
"""Tries an artifact where it can do no harm. Raises why it may not be loaded here; may take long the first time."""

LIMIT_BYTES = 2 << 30
"""Of loaded versions, where nothing else is said."""


class Pool:
    """Versions by model. ``apply`` and ``retry`` belong to one thread at a time, the rest to any."""

    def __init__(
        self,
        replica: str,
        *,
        check: Check,
        fetch: Fetch,
        load: Load,
        on_refused: Callable[[LoadRefused], None],
        clock: Callable[[], datetime],
        limit_bytes: int = LIMIT_BYTES,
        vet: Vet = lambda _: None,
    ) -> None:
        self._replica = replica
        self._check, self._fetch, self._vet, self._load = check, fetch, vet, load
        self._on_refused, self._clock = on_refused, clock
        self.memory = Memory(limit_bytes)
        self._live: dict[str, Live] = {}
        self._waiting: dict[str, Route] = {}
        self._readers: WeakValueDictionary[str, Reader] = WeakValueDictionary()
        self._applying = threading.Lock()
        self._loading = threading.Lock()

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

    def _switch(self, route: Route) -> None:
        before = self._live.get(route.model)
        champion = self._offer(route, route.champion, before)
        if route.champion is not None and champion is None and before is not None:
            return  # refused: what is served now goes on
        challenger = self._offer(route, route.challenger, before)
        stage = route.stage if challenger is not None else None
        reason = route.reason or ("" if champion is not None else "its version was refused by this replica")
        live = Live(
            route.model,
            champion,
            challenger,
            stage,
            route.share,
            reason,
            route.capture,
            route.serving,
            told(route.sunset),
            route.retired,
        )
        self._live[route.model] = live
        self._forget(before, live)

    def _offer(self, route: Route, servable: Servable | None, before: Live | None) -> Offered | None:
        """The version, loaded where that must not wait; None when there is none or it is refused."""
        if servable is None:
            return None
        try:
            offered = self._checked(route, servable)
            is_kept = route.serving.pinned or route.challenger is not None
            if is_kept:  # before the other half of the pair is loaded, which must not drive this one out
                self.memory.keep({offered.key}, {offered.key})
            if is_kept or _is_swap(before) or self.memory.has_room():
                self._bring(offered)
        except Exception as error:  # noqa: BLE001 - an artifact's loader may raise anything, and nothing may end the others
            self._refuse(servable, error)
            if is_passing(error):
                self._waiting[route.model] = route
            return None
        return offered

    def _checked(self, route: Route, servable: Servable) -> Offered:
        self._check(servable, route.model)
        grant = servable.signed.grant
        return Offered(
            key=Key.of(grant),
            grant_id=grant.grant_id,
            valid_until=grant.valid_until.timestamp(),
            schema=servable.schema_,
            reader=self._reader_of(servable),
            servable=servable,
            watch=watch_of(route.overrides, servable, self._fetch),
        )

    def _reader_of(self, servable: Servable) -> Reader:
        """Models of one fleet share a schema, and so what is built of it."""
        text = servable.schema_.model_dump_json()
        found = self._readers.get(text)
        if found is None:
            found = self._readers[text] = Reader(servable.schema_)
        return found

    def _bring(self, offered: Offered) -> None:
        """Into memory, if it is not there. Raises what fetch, vet and load raise, and ``GrantInvalid``."""
        if offered.key in self.memory:
            return
        artifact = self._fetch(offered.artifact)
        self._vet(artifact)  # before its turn: an artifact that never ends must not keep others from being loaded
        with self._loading:
            if offered.key in self.memory:
                return
            predictor, size_bytes = measured(self._load, artifact)
            if predictor.schema != offered.schema:
                reason = "its artifact has another schema than was registered"
                raise GrantInvalid(offered.key.model, offered.version, reason)
            self.memory.put(offered.key, predictor, size_bytes)

    def _refuse(self, servable: Servable, error: Exception) -> None:
        grant = servable.signed.grant
        _log.warning("%s version %s is not loaded: %s", grant.model, grant.version, error)
        reason = f"{type(error).__name__}: {error}"
        self._on_refused(LoadRefused(model=grant.model, version=grant.version, replica=self._replica, reason=reason))

    def _forget(self, before: Live | None, live: Live) -> None:
        """What no route names goes; requests in flight hold their own reference."""
        named = {offered.key for offered in live.offered}
        old = set() if before is None else {offered.key for offered in before.offered}
        self.memory.keep(named if live.keeps_in_memory else set(), old | named)
        for key in old - named:
            self.memory.drop(key)

    # --- on demand ---------------------------------------------------------------------------------

    def load_now(self, key: Key) -> None:
        """Bring a version that a route names into memory. Raises ``NotServable`` when it cannot be."""
        offered = self._offered(key)
        try:
            self._bring(offered)
        except Exception as error:  # as in ``_offer``
            self._refuse(offered.servable, error)
            if not is_passing(error):
                self._withdraw(key)
            raise NotServable(key.model, f"version {key.version} could not be loaded: {error}") from error
        if key not in {each.key for each in self.live(key.model).offered}:
            self.memory.drop(key)  # the route changed while it was loaded

    def _offered(self, key: Key) -> Offered:
        for offered in self.live(key.model).offered:
            if offered.key == key:
                return offered
        raise UnknownVersion(key.model, str(key.version))

    def _withdraw(self, key: Key) -> None:
        """Its bytes are not what was granted: it is not tried at each request."""
        with self._applying:
            live = self._live[key.model]
            if live.champion is not None and live.champion.key == key:
                reason = "its version was refused by this replica"
                self._live[key.model] = replace(live, champion=None, challenger=None, stage=None, reason=reason)

    # --- what is served ----------------------------------------------------------------------------

    def live(self, model: str) -> Live:
        """The model's route. Raises ``UnknownModel``."""
        live = self._live.get(model)
        if live is None:
            raise UnknownModel(model)
        return live

    def told(self, model: str) -> Told:
        """Header fields of every answer about the model; none for a model that is not known here."""
        live = self._live.get(model)
        return NOTHING if live is None else live.told

    def models(self) -> list[Live]:
        """Every route, by model."""
        return [live for _, live in sorted(self._live.items())]

    def size_bytes(self) -> int:
        """Measured bytes of everything in memory."""
        return self.memory.size_bytes

    def reader(self, model: str, version: str | None) -> Reader:
        """How a request to the model (or to this version of it) is read.

        Raises ``UnknownModel``, ``UnknownVersion`` (not champion or challenger here) or ``NotServable``.
        """
        live = self.live(model)
        return (self._champion(live) if version is None else self._named(live, version)).reader

    def offered(self, model: str, version: int) -> Offered:
        """A version that the model's route names now. Raises ``UnknownModel``, ``UnknownVersion``."""
        return self._named(self.live(model), str(version))

    def fetch(self, digest: str) -> bytes:
        """An object of the store, such as a version's baseline. Raises what the store raises."""
        return self._fetch(digest)

    def answer(self, model: str, version: str | None, request: InferRequest, caller: Caller) -> Answer:
        """Predict.

        Raises as ``reader``, ``NotServable`` when the grant has ended or the version fails, and ``NotInMemory``.
        """
        live = self.live(model)
        awaited = caller.awaited
        if awaited is None:
            decision_id = request.decision_id or new_id()
        else:
            awaited.begin()
            decision_id = request.decision_id or awaited.decision_id
        if version is not None:
            chosen = self._named(live, version)
            variant = Variant.CHAMPION if chosen is live.champion else Variant.CANARY
            flags: tuple[str, ...] = (NAMED, flag.TESTED) if caller.is_tester else (NAMED,)
            other = None
        else:
            chosen, variant, other = self._draw(live, request.sticky_key or decision_id)
            flags = ()
        # A pair is kept in memory while its route is there, and by this request when the route changes meanwhile.
        twin = None if other is None else self.memory.peek(other.key)
        now = self._clock()
        with self.memory.use(chosen.key) as held:
            predictor = held if awaited is None else awaited.ready(held, chosen.key, request.columns)
            decision = predict(predictor, chosen, variant, decision_id, request, caller, flags, now)

        beside = nothing
        if other is not None and twin is not None:
            beside = partial(self._beside, twin, other, decision_id, request, caller)
        answer = Answer(decision, chosen.output, live.capture, beside)
        return answer if chosen.watch is None else self._ruled(answer, chosen.watch, request, (model,), caller)

    def _beside(
        self,
        twin: Predictor,
        other: Offered,
        decision_id: str,
        request: InferRequest,
        caller: Caller,
        awaited: Awaited | None = None,
    ) -> Decision | None:
        """The other half of a pair; None when it fails."""
        if awaited is not None:
            awaited.begin()
            twin = awaited.ready(twin, other.key, request.columns)
        started = replace(caller, started=time.perf_counter())
        try:
            return predict(twin, other, Variant.SHADOW, decision_id, request, started, (), self._clock())
        except FleetwardError as error:
            # A model's own words may repeat its inputs, and those of a data subject belong in no log.
            why = error if caller.subject is None else type(error).__name__
            _log.warning("%s version %s failed beside: %s", other.key.model, other.version, why)
            return None

    def _ruled(self, answer: Answer, watch: Watch, asked: InferRequest, way: tuple[str, ...], caller: Caller) -> Answer:
        """The answer as its model's overrides let it out; ``way`` and what is raised: as ``_instead``."""
        fired = watch.fired(asked, answer.decision.outputs)
        return overridden(answer, fired, asked, partial(self._instead, way, caller)) if fired else answer

    def _instead(
        self,
        way: tuple[str, ...],
        caller: Caller,
        model: str,
        request: InferRequest,
        rows: Sequence[int],
        asked_by: Decision,
    ) -> Answer:
        """Another model's champion answers these rows, as its own grant and overrides let it.

        ``way`` leads from the model that was asked to the one whose rule fired. Raises ``NotServable`` and
        ``NotInMemory``.
        """
        asked, by = way[0], way[-1]
        if model in way:
            raise NotServable(asked, f"its fallbacks lead in a circle: {' -> '.join((*way, model))}")
        try:
            live = self.live(model)
            chosen = self._champion(live)
        except (UnknownModel, NotServable) as error:
            raise NotServable(asked, f"a fallback is not to be had in its pool: {error}") from error
        part = part_for(chosen.schema, request, rows, by, model)
        flags = (flag.answers_for(by, asked_by.decision_id),)
        awaited = caller.awaited
        with self.memory.use(chosen.key) as held:
            predictor = held if awaited is None else awaited.ready(held, chosen.key, part.columns)
            now = self._clock()
            own_id = beside_id(asked_by.decision_id, model)  # a request sent again is the same decision here too
            decision = predict(predictor, chosen, Variant.CHAMPION, own_id, part, caller, flags, now)
        answer = Answer(decision, chosen.output, live.capture, nothing)
        return answer if chosen.watch is None else self._ruled(answer, chosen.watch, part, (*way, model), caller)

    def _draw(self, live: Live, unit: str) -> tuple[Offered, Variant, Offered | None]:
        """Who answers, as what, and who predicts beside."""
        champion, challenger = self._champion(live), live.challenger
        if challenger is None:
            return champion, Variant.CHAMPION, None
        if live.stage is Stage.CANARY and is_canary(live.model, unit, live.share):
            return challenger, Variant.CANARY, champion
        return champion, Variant.CHAMPION, challenger if live.stage is Stage.SHADOW else None

    def _champion(self, live: Live) -> Offered:
        if live.champion is None:
            raise live.unserved
        return live.champion

    def _named(self, live: Live, version: str) -> Offered:
        for offered in live.offered:
            if str(offered.version) == version:
                return offered
        raise live.unserved if live.retired else UnknownVersion(live.model, version)


def _is_swap(before: Live | None) -> bool:
    """Whether something is served that a version which cannot be loaded must not replace."""
    return before is not None and before.champion is not None


def is_passing(error: Exception) -> bool:
    """Whether waiting may help: the store was away, as opposed to wrong bytes or a wrong grant."""
    if isinstance(error, IntegrityError):
        return False
    return isinstance(error, OSError) or (isinstance(error, FleetwardError) and error.status in {404, 503})
