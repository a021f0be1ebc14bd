"""The operator: compares what the ledger says should be with what is, and closes the difference.

It records the moves that ``runtime.policy.plan`` computes from state, and ``deadlines`` from state and time, sees to it
that each open retraining batch has a job, and takes the steps of ``runtime.policy.pools`` from the applications that
Serve has to those there should be.
Killed anywhere, it comes back, folds the ledger, and plans the same moves with the same keys; a batch's job is found
again by its submission id. The id names the ledger too, since a cluster that is handed a new ledger still knows the
jobs of the old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

import ray

from actors.follower import GovernorClient
from actors.names import RETRAIN_JOB
from actors.pools import Pools
from runtime.domain.entry import Draft
from runtime.domain.events import RetrainingFinished
from runtime.domain.fold import fold
from runtime.domain.ids import derived_id
from runtime.domain.state import BatchState, FleetState
from runtime.policy import deadlines
from runtime.policy.plan import OPERATOR, plan
from runtime.policy.pools import Deploy, PoolPlan, Remove, arriving, plan_pools, wanted
from runtime.serving.jobs import JobRunner, JobState
from runtime.telemetry.traces import Traces, traced

logger = logging.getLogger(__name__)

LOOK_SECONDS, STEP_SECONDS = 5.0, 0.5
"""How often applications are looked at: when all is as it should be, and while something is on its way."""
STUCK_SECONDS = 300.0
PAGE = 1_000
"""So many entries the governor gives at once; with fewer the ledger is told to its end."""
DUE_SECONDS = 1.0
"""How often it is looked for what time brought about, at most."""
ATTEMPTS = 3
"""A batch whose job failed so often is given up; its models stay as they are until a new finding."""


class Operator:
    """See the module's docstring."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, runner: JobRunner, own_key: str | None, pools: Pools
    ) -> None:
        self._runner = runner
        self._traces = Traces.from_environment("operator")
        self._pools = pools
        self._state = FleetState()
        self._ledger = ""
        self._settled = self._served = 0
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._progress = asyncio.Condition()
        self._governor = GovernorClient(own_key)
        self._news = asyncio.Event()
        self._seen, self._stepped = 0, time.monotonic()
        self._looked, self._behind = 0.0, True
        self._task = asyncio.create_task(self._follow())
        self._keeping = asyncio.create_task(self._keep_pools())

    @ray.method
    async def settled(self, size: int) -> int:
        """Waits until nothing is left to do as of ``size`` entries: no move, no job, no application on its way."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= size or self._task.done() or self._keeping.done())
        for task in (self._task, self._keeping):
            if task.done():
                task.result()
        return self._done

    @property
    def _done(self) -> int:
        return min(self._settled, self._served)

    async def _follow(self) -> None:
        try:
            while True:
                entries = await self._governor.entries(self._state.size)
                if entries and not self._ledger:
                    self._ledger = entries[0].event_id[-8:]  # the random end of a UUIDv7
                fold(entries, self._state)
                self._behind = len(entries) >= PAGE  # of a past moment nothing is due
                if entries:
                    self._news.set()
                await self._act()
        finally:
            await self._tell()

    async def _act(self) -> None:
        due = plan(self._state)
        if due.moves:
            await self._governor.record(due.moves)
        if overdue := self._overdue():
            await self._governor.record(overdue)
        for batch in due.jobs:
            if batch.batch not in self._watched:
                self._watched[batch.batch] = asyncio.create_task(self._see_through(batch))
        if due.settled:
            self._settled = self._state.size
            await self._tell()

    def _overdue(self) -> list[Draft]:
        """What time brought about. Nobody waits for it to settle: what this clock calls over may not be so yet."""
        if self._behind or time.monotonic() - self._looked < DUE_SECONDS:
            return []
        self._looked = time.monotonic()
        return deadlines.due(self._state, datetime.now(UTC))

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    # --- pools -------------------------------------------------------------------------------------

    async def _keep_pools(self) -> None:
        try:
            while True:
                settled = await self._step()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK_SECONDS if settled else STEP_SECONDS)
        finally:
            await self._tell()

    async def _step(self) -> bool:
        """One look at what is there, and the steps that follow; whether all is as it should be."""
        self._news.clear()
        size = self._state.size
        if not size:
            return False
        try:
            planned = await self._planned()
            for step in planned.steps:
                logger.warning("pools: %s", step)
                await asyncio.to_thread(self._take, step)
        except Exception:  # Serve has no error of its own for what goes wrong, and the next look may find it mended
            logger.exception("pools are looked at again")
            planned = PoolPlan(waits=True)
        if planned.moves:
            await self._governor.record(planned.moves)
        if planned.steps or planned.moves or size > self._seen:
            self._seen, self._stepped = size, time.monotonic()
        if planned.settled or self._is_stuck(planned):
            self._served = size
            await self._tell()
        return planned.settled

    def _is_stuck(self, planned: PoolPlan) -> bool:
        """Whether nothing has come of waiting for so long that nobody else need wait for it."""
        if not planned.waits or time.monotonic() - self._stepped < STUCK_SECONDS:
            return False
        logger.warning("pools: what was asked of Serve has not come for %.0f s; see serve status", STUCK_SECONDS)
        return True

    async def _planned(self) -> PoolPlan:
        following = {pool: await self._governor.following(pool) for pool in sorted(wanted(self._state))}
        for pool, models in arriving(self._state).items():
            if following[pool] and not await self._pools.answer_for(pool, models):
                following[pool] = 0
        found = await asyncio.to_thread(self._pools.found, following)
        return plan_pools(self._state, found, self._pools.usual, datetime.now(UTC), self._pools.quiet_after)

    def _take(self, step: Deploy | Remove) -> None:
        if isinstance(step, Deploy):
            self._pools.deploy(step.application)
        else:
            self._pools.remove(step.pool)

    # --- retraining --------------------------------------------------------------------------------

    async def _see_through(self, batch: BatchState) -> None:
        """Runs the batch's job to its end, again if it fails, and records how it ended."""
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            job = f"retrain-{batch.batch}-{self._ledger}-{attempt}"
            about: dict[str, str | int] = {"fleetward.batch": batch.batch, "fleetward.attempt": attempt}
            with traced(self._traces, "retrain", about) as parent:
                runner = replace(self._runner, environment={**self._runner.environment, **parent})
                ended = await runner.run(RETRAIN_JOB, job, ["--batch", batch.batch])
            if ended.state is JobState.SUCCEEDED:
                reason = f"job {ended.job} succeeded"
                break
            reason = f"job {ended.job} {ended.state.value}: {ended.message}"
            logger.warning("batch %s, attempt %d: %s", batch.batch, attempt, reason)
        succeeded = reason.endswith("succeeded")
        finished = RetrainingFinished(batch=batch.batch, succeeded=succeeded, reason=reason)
        await self._governor.record([Draft(finished, OPERATOR, derived_id("finished", batch.batch))])
        self._watched.pop(batch.batch, None)
