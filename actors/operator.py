"""The operator: compares what the ledger says should be with what is, and closes the difference.

It records the moves that ``runtime.policy.plan`` computes from state, and sees to it that each open
retraining batch has a job. Killed anywhere, it comes back, folds the ledger, and plans the same moves with
the same keys; a batch's job is found again by its submission id. The id names the ledger too, since a cluster that is
handed a new ledger still knows the jobs of the old one.
"""

from __future__ import annotations

import asyncio
import logging

import ray

from actors.follower import GovernorClient
from actors.names import RETRAIN_JOB
from runtime.domain.entry import Draft
from runtime.domain.events import RetrainingFinished
from runtime.domain.fold import fold
from runtime.domain.ids import derived_id
from runtime.domain.state import BatchState, FleetState
from runtime.policy.plan import OPERATOR, plan
from runtime.serving.jobs import JobRunner, JobState

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""A batch whose job failed so often is given up; its models stay as they are until a new finding."""


class Operator:
    """See the module's docstring."""

    async def __init__(self, runner: JobRunner, own_key: str | None) -> None:  # type: ignore[misc]  # Ray awaits it
        self._runner = runner
        self._state = FleetState()
        self._ledger = ""
        self._settled = 0
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._progress = asyncio.Condition()
        self._governor = GovernorClient(own_key)
        self._task = asyncio.create_task(self._follow())

    @ray.method
    async def settled(self, size: int) -> int:
        """Waits until nothing is left to do as of at least ``size`` entries: no move, no running job."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._settled >= size or self._task.done())
        if self._task.done():
            self._task.result()
        return self._settled

    async def _follow(self) -> None:
        try:
            while True:
                entries = await self._governor.entries(self._state.size)
                if entries and not self._ledger:
                    self._ledger = entries[0].event_id[-8:]  # the random end of a UUIDv7
                fold(entries, self._state)
                await self._act()
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _act(self) -> None:
        due = plan(self._state)
        if due.moves:
            await self._governor.record(due.moves)
        for batch in due.jobs:
            if batch.batch not in self._watched:
                self._watched[batch.batch] = asyncio.create_task(self._see_through(batch))
        if due.settled:
            async with self._progress:
                self._settled = self._state.size
                self._progress.notify_all()

    async def _see_through(self, batch: BatchState) -> None:
        """Runs the batch's job to its end, again if it fails, and records how it ended."""
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            job = f"retrain-{batch.batch}-{self._ledger}-{attempt}"
            ended = await self._runner.run(RETRAIN_JOB, job, ["--batch", batch.batch])
            if ended.state is JobState.SUCCEEDED:
                reason = f"job {ended.job} succeeded"
                break
            reason = f"job {ended.job} {ended.state.value}: {ended.message}"
            logger.warning("batch %s, attempt %d: %s", batch.batch, attempt, reason)
        succeeded = reason.endswith("succeeded")
        finished = RetrainingFinished(batch=batch.batch, succeeded=succeeded, reason=reason)
        await self._governor.record([Draft(finished, OPERATOR, derived_id("finished", batch.batch))])
        self._watched.pop(batch.batch, None)
