"""Where a prediction runs, so that one slow model does not hold up its neighbours.

    quick model                        on the event loop: a thread would cost more than the prediction
    slow, or ``serving.blocking``,     in a thread, at most ``serving.concurrency`` at a time for one model;
    or many rows                       as many again may wait, the next is refused with 503 and Retry-After
    answered from elsewhere            awaited on the event loop, under the same permits

A model is slow when its predictions of late took longer than ``SLOW_SECONDS``; the first few run in a thread, since
nobody knows yet. A permit comes back when the prediction ends, not when its caller gives up: a model that hangs takes
its own permits and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from runtime.serving.authentication.errors import TooSlow
from runtime.serving.awaited import Waits
from runtime.serving.live import Live, NotInMemory, Offered, Overloaded

SLOW_SECONDS = 0.005
"""A prediction that is longer belongs in a thread."""
UNKNOWN = 3
"""So many predictions are measured in a thread before a model may run on the loop."""
THREADS = 64
SMOOTHING = 0.2
"""What the newest prediction counts in a model's mean."""

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Lane:
    champion: Offered | None = None
    measured: int = 0
    mean_seconds: float = 0.0
    running: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def is_slow(self) -> bool:
        return self.measured < UNKNOWN or self.mean_seconds > SLOW_SECONDS

    def note(self, seconds: float) -> None:
        newest = SMOOTHING if self.measured else 1.0
        self.mean_seconds += newest * (seconds - self.mean_seconds)
        self.measured += 1


class Lanes:
    """Belongs to one event loop."""

    def __init__(self, threads: int = THREADS) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="predict")

    async def run(self, live: Live, predict: Callable[[], _Result], *, is_long: bool) -> _Result:
        """What ``predict`` gives for the model; ``is_long``: it has many rows, which tell nothing of one.

        Raises ``Overloaded``, ``TooSlow`` after the model's own timeout, or what ``predict`` raises.
        """
        lane = self._lanes.get(live.model)
        if lane is None or lane.champion is not live.champion:
            lane = self._begin(live, lane)
        if not (is_long or live.serving.blocking or lane.is_slow):
            return _timed(predict, lane)
        seconds = live.serving.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await self._enter(live.model, lane, live.serving.concurrency)
                return await self._in_thread(predict if is_long else lambda: _timed(predict, lane), lane)
        except TimeoutError as error:
            raise TooSlow(seconds) from error

    async def wait(self, live: Live, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """What comes from elsewhere, with the model's permits and timeout and in no thread.

        Raises as ``run``; a permit comes back when nobody waits for the answer any more, since that ends the question.
        """
        lane = self._lanes.get(live.model) or self._begin(live, None)
        seconds = live.serving.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await self._enter(live.model, lane, live.serving.concurrency)
                try:
                    return await ask()
                finally:
                    self._leave(lane)
        except TimeoutError as error:
            raise TooSlow(seconds) from error

    async def _in_thread(self, predict: Callable[[], _Result], lane: _Lane) -> _Result:
        loop = asyncio.get_running_loop()

        def ended(_: Future[_Result]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._leave, lane)

        running = self._threads.submit(predict)
        running.add_done_callback(ended)
        return await asyncio.wrap_future(running)

    def _begin(self, live: Live, lane: _Lane | None) -> _Lane:
        """What was measured of another champion is not known of this one; its permits stay as they are."""
        lane = self._lanes[live.model] = lane or _Lane()
        lane.champion, lane.measured = live.champion, 0
        return lane

    def close(self) -> None:
        """Starts nothing further."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, model: str, lane: _Lane, limit: int) -> None:
        if lane.running < limit:
            lane.running += 1
            return
        if len(lane.waiting) >= limit:
            raise Overloaded(model, f"{lane.running} of its predictions run and {len(lane.waiting)} wait")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(lane)  # the turn came in the same moment as the end of its caller's patience
            elif turn in lane.waiting:
                lane.waiting.remove(turn)
            raise

    def _leave(self, lane: _Lane) -> None:
        """The permit goes to who waits longest, or back."""
        while lane.waiting:
            turn = lane.waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        lane.running -= 1


def _timed(predict: Callable[[], _Result], lane: _Lane) -> _Result:
    """Measured where it runs: what it waited for a thread is not its own."""
    started = time.perf_counter()
    try:
        answer = predict()
    except (NotInMemory, Waits):
        raise  # it did not predict
    except Exception:
        lane.note(time.perf_counter() - started)
        raise
    lane.note(time.perf_counter() - started)
    return answer
