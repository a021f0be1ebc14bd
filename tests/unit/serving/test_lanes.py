"""A slow model waits on its own, many waiting requests share one load, and both queues end."""

import asyncio
import threading
from datetime import timedelta

import pytest

from runtime.domain.serving import Serving
from runtime.domain.spec import Capture
from runtime.serving.authentication.errors import TooSlow
from runtime.serving.cold import ColdLoads
from runtime.serving.lanes import Lanes
from runtime.serving.live import Key, Live, Overloaded

KEY = Key("m", 1, "sha256:" + "0" * 64)


def live(serving: Serving, model: str = "m") -> Live:
    return Live(model, None, None, None, 0.0, "", Capture(), serving)


def test_a_model_that_hangs_takes_its_own_permits_and_its_neighbour_answers() -> None:
    async def story() -> None:
        lanes, release = Lanes(), threading.Event()
        slow = live(Serving(blocking=True, concurrency=1))
        running = asyncio.create_task(lanes.run(slow, release.wait, is_long=False))
        waiting = asyncio.create_task(lanes.run(slow, lambda: "second", is_long=False))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="1 of its predictions run and 1 wait") as refused:
            await lanes.run(slow, lambda: "third", is_long=False)
        assert refused.value.headers == ((b"retry-after", b"1"),)
        assert await lanes.run(live(Serving(), "n"), lambda: "neighbour", is_long=False) == "neighbour"
        assert not running.done()
        release.set()
        assert (await running, await waiting) == (True, "second")
        lanes.close()

    asyncio.run(story())


def test_a_permit_comes_back_when_the_prediction_ends_not_when_its_caller_gives_up() -> None:
    async def story() -> None:
        lanes, release = Lanes(), threading.Event()
        slow = live(Serving(blocking=True, concurrency=1, timeout=timedelta(milliseconds=50)))
        for _ in range(2):  # the first runs on, the second waits in vain
            with pytest.raises(TooSlow):
                await lanes.run(slow, release.wait, is_long=False)
        release.set()
        patient = live(Serving(blocking=True, concurrency=1))
        assert await lanes.run(patient, lambda: "next", is_long=False) == "next"
        lanes.close()

    asyncio.run(story())


def test_a_quick_model_runs_on_the_loop_once_it_was_measured() -> None:
    async def story() -> list[bool]:
        lanes, model = Lanes(), live(Serving())
        here = threading.get_ident()
        where = [await lanes.run(model, threading.get_ident, is_long=False) for _ in range(5)]
        lanes.close()
        return [each == here for each in where]

    assert asyncio.run(story()) == [False, False, False, True, True]


def test_many_requests_share_one_load_and_one_too_many_is_refused() -> None:
    async def story() -> None:
        loads: list[Key] = []
        release = threading.Event()

        def load(key: Key) -> None:
            release.wait()
            loads.append(key)

        cold = ColdLoads(load, waiting=5)
        asking = [asyncio.create_task(cold.wait_for(KEY)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="5 requests wait"):
            await cold.wait_for(KEY)
        release.set()
        await asyncio.gather(*asking)
        assert loads == [KEY]
        cold.close()

    asyncio.run(story())
