import asyncio
from dataclasses import dataclass, field

import pytest

from runtime.domain.entry import Draft
from runtime.domain.routes import Routes
from runtime.serving.authentication.denials import Denials
from runtime.serving.authentication.gate import Open
from runtime.serving.follower import Follower, GovernorAway, Refusals
from tests.unit.serving.conftest import NOW, Shop, route, routes


@dataclass
class Script:
    """A governor that gives its answers in turn, and is away where one is None or when there is none left."""

    answers: list[Routes | None]
    asked: list[tuple[int, int]] = field(default_factory=list)
    recorded: list[Draft] = field(default_factory=list)
    deaf: bool = False

    async def routes(self, size: int, flush: int) -> Routes:
        self.asked.append((size, flush))
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            raise GovernorAway("away")
        return answer

    async def record(self, drafts: list[Draft]) -> None:
        if self.deaf:
            raise GovernorAway("away")
        self.recorded += drafts


@dataclass
class Sealing:
    """Says what was asked of it, and may fail a few times."""

    failures: int = 0
    calls: list[str] = field(default_factory=list)

    def adopt_orphans(self) -> None:
        self.calls.append("adopt")

    def flush(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.calls.append("flush")


def follow(shop: Shop, script: Script, sealing: Sealing | None = None) -> Follower:
    refusals = Refusals()
    pool = shop.pool()
    pool._on_refused = refusals.add
    return Follower(pool, script, sealing or Sealing(), refusals, Open(), Denials("r", "service:replica", lambda: NOW))


def test_a_size_is_acknowledged_only_after_its_routes_are_applied(shop: Shop) -> None:
    script = Script([routes(route(shop.servable(1, 10)), size=7)])
    follower = follow(shop, script)
    asyncio.run(follower.step())
    assert (follower.size, script.asked) == (7, [(0, 0)])
    assert follower.pool.live("m").champion is not None


def test_a_flush_is_acknowledged_only_after_orphans_and_own_records_are_sealed(shop: Shop) -> None:
    sealing = Sealing(failures=1)
    script = Script([routes(size=7, flush=3), routes(size=7, flush=3), routes(size=7, flush=3)])
    follower = follow(shop, script, sealing)
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(follower.step())
    assert (follower.size, follower.flush) == (7, 0)
    asyncio.run(follower.step())
    assert (follower.flush, sealing.calls) == (3, ["adopt", "adopt", "flush"])
    asyncio.run(follower.step())
    assert sealing.calls == ["adopt", "adopt", "flush"], "an old flush is not done again"


def test_a_refusal_is_reported_once_however_often_the_governor_was_away(shop: Shop) -> None:
    shop.forged.add("forged")
    script = Script([routes(route(shop.servable(1, 10, signature="forged")))] * 3, deaf=True)
    follower = follow(shop, script)
    with pytest.raises(GovernorAway):
        asyncio.run(follower.step())
    script.deaf = False
    asyncio.run(follower.step())
    asyncio.run(follower.step())
    [first, second] = script.recorded
    assert first == second, "the same refusal again has the same id, so it is one entry"
    assert first.principal == "service:replica"


def test_a_replica_serves_on_and_asks_ever_more_slowly_while_the_governor_is_away(shop: Shop) -> None:
    pauses: list[float] = []
    applied = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            raise asyncio.CancelledError

    script = Script([None, None, routes(route(shop.servable(1, 10)), size=5)])
    follower = follow(shop, script)
    follower.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(follower.run(applied))
    assert applied.is_set()
    assert pauses[:4] == [0.2, 0.4, 0.2, 0.4]
    assert pauses[-1] == 5
    assert script.asked[3:] == [(5, 0)] * 7
    assert follower.pool.live("m").champion is not None
