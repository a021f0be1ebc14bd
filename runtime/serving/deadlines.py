"""Requests that take too long are ended, at the price of two dictionary operations for those that do not.

A timer for each request (``asyncio.timeout``) costs several microseconds; here one timer looks at all requests under
way, four times in the time that they have. So a request may take a quarter longer than it should.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from runtime.serving.authentication.errors import TooSlow

T = TypeVar("T")


class Deadlines:
    """Belongs to one event loop."""

    def __init__(self, within_seconds: float) -> None:
        self._within = within_seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._is_watching = False

    async def keep(self, work: Awaitable[T]) -> T:
        """What the work gives. Raises ``TooSlow`` when it takes too long; it is cancelled then."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._since[task] = loop.time()
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(self._within / 4, self._look, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise TooSlow(self._within) from None
        finally:
            del self._since[task]
            self._late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends what is late; tasks stand in the order in which they began."""
        now = loop.time()
        for task, since in self._since.items():
            if now - since < self._within:
                break
            if task not in self._late:
                self._late.add(task)
                task.cancel()
        self._is_watching = bool(self._since)
        if self._is_watching:
            loop.call_later(self._within / 4, self._look, loop)
