"""Group commit: many asyncio callers share one commit, and each is answered only after it returned.

    caller  --submit-->  queue  --at most 512-->  worker thread: commit(batch)  --answers-->  callers

There is no linger: the worker takes what is queued as soon as it is free, so a lone caller waits for one
commit and a crowd shares the next. The commit function runs on one thread only, and so may hold state.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from runtime.ledger.errors import CommitQueueClosed, CommitQueueFull

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BATCH = 512
MAX_QUEUED = 16_384


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    answer: asyncio.Future[Result]
    loop: asyncio.AbstractEventLoop


class GroupCommit(Generic[Item, Result]):
    """Takes items one by one and commits them in batches, in the order of their submission.

    ``commit`` gets 1 to ``max_batch`` items and returns for each, in order, a result or an exception: an
    exception goes to that item's caller alone. If it raises, all callers of that batch get the exception,
    and the next batch is tried as if nothing had happened.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Sequence[Result | Exception]],
        *,
        max_batch: int = MAX_BATCH,
        max_queued: int = MAX_QUEUED,
        name: str = "group-commit",
    ) -> None:
        if max_batch < 1 or max_queued < 1:
            raise ValueError(f"a batch and a queue hold at least 1; got {max_batch} and {max_queued}")
        self._commit = commit
        self._max_batch = max_batch
        self._max_queued = max_queued
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        # A daemon: a process that ends without close() has acknowledged nothing of what is queued.
        self._worker = threading.Thread(target=self._run, name=name, daemon=True)
        self._worker.start()

    async def submit(self, item: Item) -> Result:
        """The item's result, once its batch is committed.

        Raises what the commit function gave or raised, ``CommitQueueFull`` and ``CommitQueueClosed``
        (nothing was queued then). Cancelling the caller does not withdraw the item.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        waiting = _Waiting(item, answer, loop)
        with self._changed:
            if self._closing:
                raise CommitQueueClosed
            if len(self._queue) >= self._max_queued:
                raise CommitQueueFull(len(self._queue))
            self._queue.append(waiting)
            self._changed.notify()
        return await answer

    async def close(self) -> None:
        """Take nothing more, commit and answer what is queued, end the worker. May be called again."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._worker.join)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _run(self) -> None:
        while batch := self._take():
            _deliver(batch, self._outcomes([waiting.item for waiting in batch]))

    def _take(self) -> list[_Waiting[Item, Result]]:
        """What is queued, at most one batch; empty only when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]

    def _outcomes(self, items: list[Item]) -> Sequence[Result | Exception]:
        try:
            outcomes = self._commit(items)
        except Exception as error:  # noqa: BLE001 - not swallowed: it is the answer to every caller of the batch
            return [error] * len(items)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a thread would leave the callers waiting
            failure = RuntimeError("the commit function ended its thread")
            failure.__cause__ = error
            return [failure] * len(items)
        if len(outcomes) != len(items):
            return [RuntimeError(f"the commit function gave {len(outcomes)} results for {len(items)} items")] * len(
                items
            )
        return outcomes


def _deliver(batch: Sequence[_Waiting[Item, Result]], outcomes: Sequence[Result | Exception]) -> None:
    """Wake each event loop once with all its answers. A loop that was closed has nobody left to answer."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Result], Result | Exception]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.answer, outcome))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, answers)
        except RuntimeError:
            if not loop.is_closed():
                raise


def _settle(answers: Sequence[tuple[asyncio.Future[Result], Result | Exception]]) -> None:
    for future, outcome in answers:
        if future.cancelled():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
