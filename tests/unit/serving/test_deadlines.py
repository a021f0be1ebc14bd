import asyncio

import pytest

from runtime.serving.authentication.errors import TooSlow
from runtime.serving.deadlines import Deadlines


async def takes(seconds: float, answer: str = "done") -> str:
    await asyncio.sleep(seconds)
    return answer


def test_what_is_in_time_is_answered_and_what_is_late_is_ended() -> None:
    async def both() -> list[object]:
        deadlines = Deadlines(0.1)
        work = [deadlines.keep(takes(seconds)) for seconds in (0.0, 30.0, 0.01, 30.0)]
        return await asyncio.gather(*work, return_exceptions=True)

    first, second, third, fourth = asyncio.run(both())
    assert [first, third] == ["done", "done"]
    assert [type(second), type(fourth)] == [TooSlow, TooSlow]


def test_a_task_goes_on_after_work_of_its_was_ended() -> None:
    async def on() -> str:
        deadlines = Deadlines(0.05)
        with pytest.raises(TooSlow):
            await deadlines.keep(takes(30.0))
        return await deadlines.keep(takes(0.01, "after"))

    assert asyncio.run(on()) == "after"


def test_who_is_cancelled_from_outside_is_not_told_that_it_was_slow() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(Deadlines(10.0).keep(takes(30.0)))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_nothing_is_watched_once_all_is_done() -> None:
    async def run() -> Deadlines:
        deadlines = Deadlines(0.02)
        for _ in range(3):
            await deadlines.keep(takes(0.0))
        await asyncio.sleep(0.1)
        return deadlines

    deadlines = asyncio.run(run())
    assert not deadlines._is_watching
    assert not deadlines._since
