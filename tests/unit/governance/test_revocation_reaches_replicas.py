"""A revocation reaches every replica by its long poll, well within a second: governor and replicas in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.replicas import Changes, Replicas
from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.pools import PoolOptions
from runtime.domain.routes import Routes
from runtime.domain.schema import Schema
from runtime.serving.authentication.denials import Denials
from runtime.serving.authentication.gate import Open
from runtime.serving.follower import Follower, Refusals
from runtime.serving.pool import Pool
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    SCHEMA,
    a_spec,
    applied,
    declared,
    evaluated,
    promoted,
    registered,
    started,
)
from tests.unit.governance.desk import Desk

REPLICAS = 4


class Constant:
    """A version that gives 1 for every row."""

    @property
    def schema(self) -> Schema:
        return SCHEMA

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        return np.ones(len(columns["hour"]))


class LongPoll:
    """A replica's line to the governor's own part that answers replicas."""

    def __init__(self, replicas: Replicas, name: str) -> None:
        self._replicas, self._name = replicas, name

    async def routes(self, size: int, flush: int) -> Routes:
        return await self._replicas.routes("default", self._name, size, flush)

    async def record(self, drafts: list[Draft]) -> None:
        raise AssertionError(f"nothing was refused: {drafts}")


class NothingToSeal:
    def adopt_orphans(self) -> None: ...
    def flush(self) -> None: ...


def a_follower(desk: Desk, replicas: Replicas, name: str) -> Follower:
    refusals = Refusals()
    pool = Pool(
        name,
        check=lambda servable, model: None,
        fetch=lambda digest: b"",
        load=lambda artifact: Constant(),
        on_refused=refusals.add,
        clock=lambda: desk.now,
    )
    denials = Denials(name, "service:replica", lambda: desk.now)
    return Follower(pool, LongPoll(replicas, name), NothingToSeal(), refusals, Open(), denials)


def test_every_replica_stops_a_revoked_version_within_a_second(desk: Desk) -> None:
    made: list[e.Event] = [applied(a_spec()), declared(), registered(), evaluated()]
    moves: list[e.Event] = [started(1, FULL), promoted()]
    for events, by in ((made, "job:train"), (moves, "service:operator")):
        for event in events:
            desk.record(event, by)
    desk.now += timedelta(minutes=1)

    async def measured() -> float:
        changes = Changes()
        replicas = Replicas(desk.writer, PoolOptions(), changes)
        followers = [a_follower(desk, replicas, f"replica-{number}") for number in range(REPLICAS)]
        applied_ = [asyncio.Event() for _ in followers]
        running = [asyncio.create_task(each.run(event)) for each, event in zip(followers, applied_, strict=True)]
        await asyncio.gather(*(event.wait() for event in applied_))
        assert all(each.pool.live(MODEL).champion is not None for each in followers)
        await asyncio.sleep(0)  # everybody waits in a long poll by now or in a moment
        began = time.perf_counter()
        desk.record(e.ApprovalRevoked(model=MODEL, version=1, reason="recalled"), "user:ada")
        changes.tell()
        async with asyncio.timeout(1.0):
            while any(each.pool.live(MODEL).champion is not None for each in followers):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
        took = time.perf_counter() - began
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return took

    took = asyncio.run(measured())
    print(f"{REPLICAS} replicas stopped after {took * 1000:.1f} ms")  # noqa: T201
