"""A version that answers from elsewhere is awaited on the loop: no thread stands still, its limits hold."""

import asyncio
from datetime import timedelta

import numpy as np
import orjson
import pytest

from runtime.domain.decision import Variant
from runtime.domain.events import Stage
from runtime.domain.serving import Serving
from runtime.flavors import Columns, Floats
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from tests.unit.serving.conftest import ROW, Kept, Shop, Times, route, routes

BODY = orjson.dumps({"inputs": [ROW]})


class Elsewhere(Times):
    """``y = factor * a``, told by somebody else when the gate is open."""

    def __init__(self, factor: float, gate: asyncio.Event, asked: list[float], all_ask: asyncio.Event) -> None:
        super().__init__(factor)
        self._gate, self._asked, self._all_ask = gate, asked, all_ask

    def predict(self, columns: Columns) -> Floats:
        raise AssertionError("it is awaited, in no thread")

    async def ask(self, columns: Columns) -> Floats:
        self._asked.append(self.factor)
        if len(self._asked) == 20:
            self._all_ask.set()
        await self._gate.wait()
        if self.factor == 0:
            raise ZeroDivisionError("broken model")
        return np.asarray(columns["a"] * self.factor)


class World:
    """An application whose versions above factor 10 answer from elsewhere."""

    def __init__(self, shop: Shop, kept: Kept) -> None:
        self.gate, self.all_ask, self.asked = asyncio.Event(), asyncio.Event(), list[float]()
        self.pool = Pool(
            "replica-1",
            check=shop.check,
            fetch=shop.fetch,
            load=self.load,
            on_refused=shop.refused.append,
            clock=lambda: shop.now,
        )
        self.application = Application(Service(self.pool, kept, lambda: shop.now, lambda: True, "0"), self._closed)

    async def _closed(self) -> None:
        """Nothing to close."""

    def load(self, artifact: bytes) -> Times:
        factor = float(artifact)
        return Times(factor) if factor == 10 else Elsewhere(factor, self.gate, self.asked, self.all_ask)

    async def infer(self, model: str = "m") -> tuple[int, dict[str, object]]:
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": BODY}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": f"/v2/models/{model}/infer", "headers": []}
        await self.application(scope, receive, send)  # type: ignore[arg-type]
        status, body = sent[0]["status"], sent[1]["body"]
        assert isinstance(status, int)
        assert isinstance(body, bytes)
        return status, orjson.loads(body)


@pytest.fixture
def world(shop: Shop, kept: Kept) -> World:
    return World(shop, kept)


def test_many_requests_wait_at_once_and_no_thread_waits_with_them(world: World, shop: Shop, kept: Kept) -> None:
    world.pool.apply(routes(route(shop.servable(1, 20)).model_copy(update={"serving": Serving(concurrency=20)})))

    async def story() -> list[tuple[int, dict[str, object]]]:
        asking = [asyncio.create_task(world.infer()) for _ in range(20)]
        async with asyncio.timeout(30):
            await world.all_ask.wait()
        world.gate.set()
        return await asyncio.gather(*asking)

    assert [status for status, _ in asyncio.run(story())] == [200] * 20
    assert {decision.outputs[0] for decision in kept.decisions} == {40.0}
    assert len({decision.decision_id for decision in kept.decisions}) == 20


def test_its_permits_hold_and_one_too_many_is_refused(world: World, shop: Shop) -> None:
    world.pool.apply(routes(route(shop.servable(1, 20)).model_copy(update={"serving": Serving(concurrency=1)})))

    async def story() -> list[int]:
        asking = [asyncio.create_task(world.infer()) for _ in range(4)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert done
        assert len(world.asked) <= 1
        world.gate.set()
        return sorted([(await each)[0] for each in asking])

    statuses = asyncio.run(story())
    assert statuses[0] == 200
    assert statuses[-1] == 503


def test_one_that_never_answers_ends_by_the_models_own_timeout(world: World, shop: Shop, kept: Kept) -> None:
    impatient = Serving(timeout=timedelta(milliseconds=50))
    world.pool.apply(routes(route(shop.servable(1, 20)).model_copy(update={"serving": impatient})))
    assert asyncio.run(world.infer())[0] == 504
    assert kept.decisions == []


def test_what_it_raises_is_told_as_of_any_version(world: World, shop: Shop) -> None:
    world.pool.apply(routes(route(shop.servable(1, 0))))
    world.gate.set()
    status, document = asyncio.run(world.infer())
    assert status == 503
    assert "version 1 failed: ZeroDivisionError: broken model" in str(document["error"])


def test_a_shadow_elsewhere_is_awaited_after_the_answer(world: World, shop: Shop, kept: Kept) -> None:
    world.pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    world.gate.set()
    assert asyncio.run(world.infer())[0] == 200
    assert [(each.variant, each.outputs) for each in kept.decisions] == [
        (Variant.CHAMPION, [20.0]),
        (Variant.SHADOW, [40.0]),
    ]
    assert len({each.decision_id for each in kept.decisions}) == 1
    assert world.asked == [20.0]


def test_a_request_stays_on_the_side_of_the_split_on_which_it_was_asked(world: World, shop: Shop, kept: Kept) -> None:
    world.pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.CANARY, 0.5)))
    world.gate.set()

    async def story() -> None:
        for _ in range(40):
            assert (await world.infer())[0] == 200

    asyncio.run(story())
    canary = [each for each in kept.decisions if each.variant is Variant.CANARY]
    beside = [each for each in kept.decisions if each.variant is Variant.SHADOW]
    assert 5 < len(canary) < 35
    assert len(beside) == len(canary)
    assert len(world.asked) == len(canary)
