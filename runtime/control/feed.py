"""New entries as they come: one look at the ledger for all who wait, a few times a second while anybody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import ClassVar

from starlette.concurrency import run_in_threadpool

from runtime.control.standing import Standing
from runtime.domain.entry import Entry
from runtime.domain.errors import FleetwardError

LOOK_SECONDS = 0.2
PAGE = 500
MOST_WATCHERS = 64


class TooManyWatch(FleetwardError):
    """As many watch as this process lets."""

    status: ClassVar[int] = 503

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"{self.most} watch already; expected fewer: read pages of entries, or try again later"


class Feed:
    """Belongs to one event loop. ``look_seconds`` is how late an entry may be told of."""

    def __init__(self, standing: Standing, *, look_seconds: float = LOOK_SECONDS, most: int = MOST_WATCHERS) -> None:
        self._standing, self._look_seconds, self._most = standing, look_seconds, most
        self._watchers = 0
        self._size = 0
        self._grown = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def check_room(self) -> None:
        """Raises ``TooManyWatch``."""
        if self._watchers >= self._most:
            raise TooManyWatch(self._most)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Somebody watches until the block ends. Raises ``TooManyWatch``."""
        self.check_room()
        self._watchers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._watchers -= 1

    async def after(self, since: int, within_seconds: float) -> list[Entry]:
        """At most ``PAGE`` entries from number ``since`` on; empty when none came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._size <= since:
                    await self._grown.wait()
        if self._size <= since:
            return []
        return await run_in_threadpool(lambda: list(self._standing.log().entries(since, PAGE)))

    async def size(self) -> int:
        """How many entries there are."""
        return await run_in_threadpool(self._standing.size)

    async def _look(self) -> None:
        while self._watchers:
            with contextlib.suppress(FleetwardError):  # the ledger is away: who waits goes on waiting
                size = await run_in_threadpool(self._standing.size)
                if size != self._size:
                    self._size = size
                    self._grown.set()
                    self._grown = asyncio.Event()
            await asyncio.sleep(self._look_seconds)
