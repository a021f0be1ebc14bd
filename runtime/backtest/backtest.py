"""The back-test: a ledger from its first entry on, under the policies in force; from ``since`` on under another, too.

    entry 0 ... | the first watermark after ``since`` ................ the newest entry
    history     | history, checked against what is recorded
                | the policy, challengers nobody trained help
                | the policy, challengers nobody trained fail

Everything is read and nothing recorded: no cluster is needed, and the governor may write on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.backtest.course import Assumption
from runtime.backtest.degradations import Degradations
from runtime.backtest.report import Costs, Report
from runtime.backtest.reproduced import Reproduced
from runtime.backtest.run import Run
from runtime.backtest.worlds import Chosen, Recorded, World
from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import FleetwardError, IntegrityError
from runtime.domain.policy_document import PolicyDocument
from runtime.storage.objects import ObjectMissing

logger = logging.getLogger(__name__)


class NothingRecorded(FleetwardError):
    """The ledger holds no past that a policy could be tried on."""

    status = 409

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"there is nothing to try the policy on: {self.reason}"


@dataclass(frozen=True, slots=True)
class Past:
    """A ledger to read: its entries from the first on, and how many and which they are."""

    entries: Callable[[], Iterator[Entry]]
    size: int
    root: str
    until: datetime
    """The newest watermark: data time ends there."""
    records: int = 0
    """Decisions and outcomes in its segments."""


def backtest(
    past: Past,
    recorded: Recorded,
    policy: PolicyDocument,
    since: timedelta,
    chosen: Chosen = Chosen(),  # noqa: B008 - frozen
) -> Report:
    """How the fleet would have fared under the policy in the last ``since`` of data time.

    Raises ``NothingRecorded``, and ``Refused`` for a ledger that contradicts itself.
    """
    begins = past.until - since
    trial = _Trial(World.recorded(recorded, chosen))
    for entry in past.entries():
        if trial.proposed is None and isinstance(entry.event, e.WatermarkAdvanced) and entry.event.until >= begins:
            trial.begin(policy, recorded)
        trial.take(entry)
    if trial.proposed is None:
        raise NothingRecorded(f"no tick was closed in the {since.days} days before {past.until:%Y-%m-%d}")
    return trial.finish(past, policy, max(begins, trial.began))


@dataclass(slots=True)
class _Trial:
    """The worlds side by side."""

    world: World
    proposed: tuple[World, Run, Run] | None = None
    current: Run = field(init=False)
    reproduced: Reproduced = field(init=False)
    degradations: Degradations = field(default_factory=Degradations)
    began: datetime = field(init=False)
    skipped: int = 0
    batches: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    seconds: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.current = Run(self.world, Assumption.FAILS)
        self.reproduced = Reproduced(self.world.owns)

    def begin(self, policy: PolicyDocument, recorded: Recorded) -> None:
        """From here on the policy is tried, and history is counted."""
        tried = self.world.under(policy, recorded)
        self.began = self.world.state.watermark
        self.current = Run(self.world, Assumption.FAILS)
        self.proposed = (tried, Run(tried, Assumption.HELPS), Run(tried, Assumption.FAILS))
        if self.world.monitor is not None:
            list(self.world.monitor.heard())  # of before

    def take(self, entry: Entry) -> None:
        """The next entry, in all worlds."""
        self._cost(entry)
        if self.proposed is None:
            self._found(self.world, entry)
            return
        tried, *runs = self.proposed
        self.reproduced.before(self.world.state, entry)
        for run in (self.current, *runs):
            run.before(entry)
        found = self._found(self.world, entry)
        self.reproduced.after(self.world.state, entry, found)
        self.current.after(entry, found)
        others = self._found(tried, entry)
        others = found if tried.monitor is None else others
        for run in runs:
            run.after(entry, others)
        self._hear(runs)

    def _found(self, world: World, entry: Entry) -> list[e.FindingOpened]:
        try:
            return world.take(entry)
        except (ObjectMissing, IntegrityError) as error:
            logger.warning("entry %d: %s; it is taken in without its data", entry.seq, error)
            self.skipped += world is self.world
            world.take_without_data(entry)
            return []

    def _hear(self, runs: list[Run]) -> None:
        monitor = self.world.monitor
        if monitor is None:
            return
        for watch, rows in monitor.heard():
            at = watch.closed_until or self.world.state.watermark
            by = self.world.state.spec_of(self.world.state.model(watch.model)).retrain.degraded_by
            self.degradations.judged(watch, rows, at, float(by))
            for run in (self.current, *runs):
                run.judged(watch, rows, at)

    def _cost(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, e.RetrainingStarted):
            self.batches[event.batch] = (entry.time, len(event.models))
        elif isinstance(event, e.RetrainingFinished) and event.batch in self.batches:
            started, models = self.batches.pop(event.batch)
            self.seconds.append(((entry.time - started).total_seconds(), models))

    def finish(self, past: Past, policy: PolicyDocument, since: datetime) -> Report:
        """The past has ended."""
        assert self.proposed is not None  # noqa: S101 - begun before
        _, helps, fails = self.proposed
        self.reproduced.finish(self.world.state)
        models = sum(count for _, count in self.seconds)
        spent = sum(seconds for seconds, _ in self.seconds) / models if models else None
        return Report(
            policy=policy,
            since=since,
            until=past.until,
            size=past.size,
            root=past.root,
            models=sum(map(self.world.owns, self.world.state.models)),
            current=self.current.finish(),
            proposed=(helps.finish(), fails.finish()),
            degradations=self.degradations.finish(),
            reproduced=self.reproduced,
            costs=Costs(len(self.seconds), spent),
            skipped=self.skipped,
        )
