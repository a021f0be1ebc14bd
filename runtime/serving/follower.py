"""A replica's side of the long poll: learns routes, reports refusals, acknowledges what it has applied and sealed.

    ask(size, flush) ─> Routes ─> apply ─> flush grew? adopt orphans, seal ─> publish refusals ─> ask(size', flush')

``size`` and ``flush`` go up only when everything they stand for is done, so the governor may rely on them. When the
governor is away the replica serves what it has and asks again, ever more slowly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from runtime.domain.entry import Draft
from runtime.domain.events import LoadRefused
from runtime.domain.ids import derived_id
from runtime.domain.routes import Routes
from runtime.domain.tokens import Key
from runtime.serving.authentication.denials import Denials
from runtime.serving.pool import Pool

_log = logging.getLogger(__name__)

PRINCIPAL = "service:replica"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.2), timedelta(seconds=5)


class GovernorAway(Exception):
    """The governor did not answer; whatever was asked may be asked again."""


class Governor(Protocol):
    """What a replica needs of the governor. Both raise ``GovernorAway``."""

    def routes(self, size: int, flush: int) -> Awaitable[Routes]:
        """Waits for something new after ``size`` or above ``flush``, a few seconds at most."""
        ...

    def record(self, drafts: list[Draft]) -> Awaitable[None]:
        """Returns when every draft stands in the ledger, or was refused for good."""
        ...


class Seal(Protocol):
    """What a flush asks of the capture."""

    def adopt_orphans(self) -> object: ...
    def flush(self) -> object: ...


class Refusals:
    """Refused loads on their way to the ledger; ``add`` may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, Draft] = {}

    def add(self, event: LoadRefused) -> None:
        """Keep until published; the same refusal has the same id."""
        key = derived_id("load_refused", event.replica, event.model, event.version, event.reason)
        self._waiting[key] = Draft(event, PRINCIPAL, key)

    async def publish(self, governor: Governor) -> None:
        """Hand in what waits. Raises ``GovernorAway``; then it waits on."""
        drafts = list(self._waiting.values())
        if drafts:
            await governor.record(drafts)
            for draft in drafts:
                self._waiting.pop(draft.event_id, None)


class Admission(Protocol):
    """What of a gate follows the governor."""

    def follow(self, keys: Iterable[Key]) -> None: ...
    def tend(self) -> None: ...


@dataclass(slots=True)
class Follower:
    """Keeps a pool on the governor's routes. ``run`` never ends by itself."""

    pool: Pool
    governor: Governor
    seal: Seal
    refusals: Refusals
    gate: Admission
    denials: Denials
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    size: int = 0
    flush: int = 0
    forget: Callable[[tuple[str, ...]], None] = lambda _: None
    """Drops the keys of data subjects that were erased, by their pseudonyms."""

    async def run(self, applied: asyncio.Event) -> None:
        """Follow for ever; sets ``applied`` when the first routes are in place."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the replica goes on serving and asks again
                _log.warning("replica does not follow: %s: %s", type(error).__name__, error)
                await self.sleep(pause.total_seconds())
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                applied.set()

    async def step(self) -> None:
        """One question, and all that its answer asks for. Safe to repeat after it failed anywhere."""
        routes = await self.governor.routes(self.size, self.flush)
        self.forget(routes.erased)
        self.gate.follow(routes.keys)  # first of all: a revoked key waits for nothing
        await asyncio.to_thread(self.pool.apply, routes)
        await asyncio.to_thread(self.pool.retry)
        self.size = routes.size
        if routes.flush > self.flush:
            await asyncio.to_thread(self.seal.adopt_orphans)
            await asyncio.to_thread(self.seal.flush)
            self.flush = routes.flush
        await asyncio.to_thread(self.gate.tend)
        await self.refusals.publish(self.governor)
        if denied := self.denials.due():
            await self.governor.record(denied)
            self.denials.published()
