"""What a replica needs to answer: for each model its champion's grant, and a challenger's while one is rolled out."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.events import Stage
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import Digest, ModelName
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.overrides import Override
from runtime.domain.pools import DEFAULT, application_of, is_dedicated, prefix_of
from runtime.domain.schema import Schema
from runtime.domain.serving import Serving
from runtime.domain.spec import Capture, Spec
from runtime.domain.state import FleetState
from runtime.domain.tokens import Key


class Servable(Document):
    """One version a replica may load, with the schema its requests are checked against."""

    signed: SignedGrant
    schema_: Schema = Field(alias="schema", serialization_alias="schema")
    baseline: Digest | None = None
    """What its answers are explained against."""


class Sunset(Document):
    """A model's callers are told since when, and until when, it goes on; and what answers after it."""

    since: Moment
    until: Moment
    successor: ModelName | None = None


class Route(Document):
    """How one model's traffic is answered.

    Without a champion nothing answers and ``reason`` says why. In stage ``shadow`` the champion answers and the
    challenger predicts beside it; in ``canary`` the challenger answers ``share`` of the requests, and the champion
    predicts beside it there, so that every judged row was predicted by both.
    """

    model: ModelName
    champion: Servable | None = None
    challenger: Servable | None = None
    stage: Stage | None = None
    share: float = 0.0
    reason: str = ""
    capture: Capture = Capture()
    serving: Serving = Serving()
    overrides: tuple[Override, ...] = ()
    sunset: Sunset | None = None
    retired: bool = False


class Routes(Document):
    """The routes of a pool that changed after the ledger size a replica named, and the size they stand for.

    ``flush`` is a number that only grows: a replica that sees a higher one seals what it has captured before it
    asks again. ``applied`` sizes and flushes come back with the next question. ``erased`` are pseudonyms of data
    subjects whose keys were destroyed after that size.
    """

    size: int
    flush: int
    routes: tuple[Route, ...]
    erased: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    """API keys that were made or revoked after that size."""


def routes_after(state: FleetState, pool: str, size: int, flush: int) -> Routes:
    """The pool's routes that changed after ledger size ``size``, as of the state."""
    return Routes(
        size=state.size,
        flush=flush,
        routes=tuple(_route(model, state.spec_of(model), pool) for model in _changed(state, pool, size)),
        erased=tuple(state.erased_since(size)),
        keys=tuple(state.keys_since(size)),
    )


def is_news(state: FleetState, pool: str, size: int) -> bool:
    """Whether ``routes_after`` would have anything to tell."""
    if state.size <= size:
        return False
    return any(_changed(state, pool, size)) or bool(state.keys_since(size) or state.erased_since(size))


def _changed(state: FleetState, pool: str, size: int) -> Iterator[ModelState]:
    """Models that the pool must hear of and whose newest entry is number ``size`` or later; no others are looked at.

    Those that are, were or will be in it; and in the default pool all, since a request that nobody else takes gets
    there and is told why nobody does.
    """
    for model in state.newest_first():
        if model.seq < size:
            return
        if pool in (DEFAULT, state.pool_wanted(model)) or pool in model.pools:
            yield model


def _route(model: ModelState, spec: Spec, pool: str) -> Route:
    """The route, and what its callers are told of its end."""
    route, retiring = _served(model, spec, pool), model.retiring
    if retiring is None and not model.retired:
        return route
    told = None
    if retiring is not None:
        told = Sunset(since=retiring.since, until=retiring.until, successor=retiring.successor)
    return route.model_copy(update={"sunset": told, "retired": model.retired})


def _served(model: ModelState, spec: Spec, pool: str) -> Route:
    name, capture, serving = model.name, spec.capture, spec.serving
    champion = _servable(model.serving, pool)
    reason = _why_not(model)
    if reason or champion is None:
        reason = reason or _elsewhere(model, spec, pool)
        return Route(model=name, reason=reason, capture=capture, serving=serving)
    overrides = spec.overrides or ()
    if model.rollout is None or model.rollout.current.stage is Stage.FULL:
        return Route(model=name, champion=champion, capture=capture, serving=serving, overrides=overrides)
    step = model.rollout.current
    return Route(
        model=name,
        champion=champion,
        challenger=_servable(model.version(model.rollout.version), pool),
        # Of all traffic: a canary that everybody gets, with the champion predicting beside it.
        stage=Stage.CANARY if step.stage is Stage.BLUE_GREEN else step.stage,
        share=step.share,
        capture=capture,
        serving=serving,
        overrides=overrides,
    )


def _why_not(model: ModelState) -> str:
    if model.retired:
        return "it is retired"
    if model.suspended:
        return "it is suspended"
    return "" if model.champion is not None else "no version of it has been promoted yet"


def _elsewhere(model: ModelState, spec: Spec, pool: str) -> str:
    """Why a model that may be served is not, here."""
    home = model.pool or spec.serving.pool_of(model.name)
    if home == pool:
        return "its champion holds no live grant"
    if is_dedicated(home):
        asked = f"over gRPC it is asked with the metadata application: {application_of(home)}"
        return f"it has an application of its own, which is not up, or was not reached; {asked}"
    return f"pool {home} answers it, under {prefix_of(home)}"


def _servable(version: VersionState | None, pool: str) -> Servable | None:
    signed = None if version is None else version.grant_in(pool)
    if version is None or signed is None:
        return None
    return Servable(signed=signed, schema=version.registered.schema_, baseline=version.registered.baseline)
