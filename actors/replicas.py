"""The replicas as the governor knows them: from the questions they ask, and for as long as they ask."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from runtime.domain.pools import EVERY, PoolOptions
from runtime.domain.routes import Routes, is_news, routes_after
from runtime.governance.writer import Writer
from runtime.policy.pools import options_of, wanted

POLL_SECONDS = 5.0
"""How long a long poll is held before it is answered with nothing new."""
GONE_AFTER_SECONDS = 2 * POLL_SECONDS
"""A replica that has not asked for so long is not waited for any more."""


class Changes:
    """What long polls wait on."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Wakes everybody who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, holds: Callable[[], bool]) -> bool:
        """Waits for a condition, at most ``POLL_SECONDS``; whether it holds."""
        ends = time.monotonic() + POLL_SECONDS
        while not holds():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        return True


@dataclass(slots=True)
class _Follower:
    """A replica as its last question showed it."""

    pool: str
    size: int
    flush: int
    asked_at: float


class Replicas:
    """Tells replicas their routes, and others how far the replicas are."""

    def __init__(self, writer: Writer, usual: PoolOptions, changes: Changes) -> None:
        self._writer, self._usual, self._changes = writer, usual, changes
        self._followers: dict[str, _Follower] = {}
        self._started_at = time.monotonic()
        self._flush = time.time_ns()

    async def routes(self, pool: str, replica: str, size: int, flush: int) -> Routes:
        """Routes that changed after ``size``; says at the same time what the replica has applied and flushed."""
        self._followers[replica] = _Follower(pool, size, flush, time.monotonic())
        self._changes.tell()
        await self._changes.until(lambda: self._flush > flush or self._changed_after(pool, size))
        if replica in self._followers:
            self._followers[replica].asked_at = time.monotonic()
        with self._writer.lock:
            return routes_after(self._writer.state, pool, size, self._flush)

    async def flush(self, pool: str) -> None:
        """Every live replica seals what it captured.

        Of one that died meanwhile the others adopt the records, so they are asked once more.
        """
        while await self._flush_lost_a_replica(pool):
            pass

    async def _flush_lost_a_replica(self, pool: str) -> bool:
        self._flush = max(self._flush + 1, time.time_ns())
        wanted, asked = self._flush, set(self._asking(pool))
        self._changes.tell()
        await self._all_asked(pool)
        while any(each.flush < wanted for each in self._live(pool)):
            await self._changes.until(lambda: all(each.flush >= wanted for each in self._live(pool)))
        return any(self._followers[name].flush < wanted for name in asked - set(self._asking(pool)))

    async def applied(self, pool: str) -> None:
        """Waits until every live replica of the pool follows the present routes."""
        while any(self._changed_after(each.pool, each.size) for each in self._live(pool)):
            await self._changes.until(
                lambda: not any(self._changed_after(each.pool, each.size) for each in self._live(pool))
            )

    def following(self, pool: str) -> int:
        """How many live replicas of the pool follow the present routes."""
        return sum(not self._changed_after(pool, each.size) for each in self._live(pool))

    def by_pool(self) -> Counter[str]:
        """How many live replicas each pool has."""
        return Counter(each.pool for each in self._live(EVERY))

    async def _all_asked(self, pool: str) -> None:
        """Waits until all replicas asked since this start: a governor that came back knows none of them at first.

        One that is gone for good is waited for only as long as a live one may keep silent.
        """
        ends = self._started_at + GONE_AFTER_SECONDS
        while not self._is_complete(pool) and time.monotonic() < ends:
            await self._changes.until(lambda: self._is_complete(pool))

    def _is_complete(self, pool: str) -> bool:
        with self._writer.lock:
            state = self._writer.state
            least = {each: options_of(state, each, self._usual).replicas.least for each in wanted(state) | {pool}}
        return all(len(self._live(each)) >= least[each] for each in least if pool in (EVERY, each) and each != EVERY)

    def _live(self, pool: str) -> list[_Follower]:
        return list(self._asking(pool).values())

    def _asking(self, pool: str) -> dict[str, _Follower]:
        """The replicas that asked lately, by name."""
        fresh = time.monotonic() - GONE_AFTER_SECONDS
        followers = list(self._followers.items())
        return {name: each for name, each in followers if pool in (EVERY, each.pool) and each.asked_at > fresh}

    def _changed_after(self, pool: str, size: int) -> bool:
        with self._writer.lock:
            return is_news(self._writer.state, pool, size)
