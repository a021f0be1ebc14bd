"""Loads on demand: requests to a version that is not in memory wait for one load, which all of them share.

The load runs in a thread of its own, so that the event loop goes on. The queue is bounded: so many requests may wait in
all, and each of them so long; beyond that the answer is a 503 with Retry-After. A load that nobody waits for any more
goes on, since whoever asks again wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from runtime.serving.live import Key, Overloaded


class ColdLoads:
    """Belongs to one event loop."""

    def __init__(self, load: Callable[[Key], None], *, waiting: int = 256, within_seconds: float = 15.0) -> None:
        """``load`` brings a version into memory, and raises why it cannot."""
        self._load, self._most, self._within = load, waiting, within_seconds
        self._loads: dict[Key, asyncio.Future[None]] = {}
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cold")

    async def wait_for(self, key: Key) -> None:
        """Returns when the version was loaded. Raises ``Overloaded``, or what ``load`` raised."""
        if self._waiting >= self._most:
            raise Overloaded(key.model, f"{self._waiting} requests wait for versions to be loaded")
        load = self._loads.get(key)
        if load is None:
            load = asyncio.get_running_loop().run_in_executor(self._thread, self._load, key)
            self._loads[key] = load
            load.add_done_callback(lambda done: self._done(key, done))
        self._waiting += 1
        try:
            await asyncio.wait_for(asyncio.shield(load), self._within)
        except TimeoutError:
            raise Overloaded(key.model, f"version {key.version} was not loaded within {self._within:g} s") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Starts no further load."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _done(self, key: Key, load: asyncio.Future[None]) -> None:
        del self._loads[key]
        if not load.cancelled():
            load.exception()  # whoever waited has raised it; if nobody did any more, nothing is to be said
