"""A rollout step being judged: what champion and challenger answered to the same rows, and what came of them.

    before outcomes    rows the challenger failed on, answers that took too long, how far its answers lie from the
    champion's with outcomes      losses of both on the same rows, and their excess over what the guardrail allows

All are counts and sums of the tick, taken in when it ends: in what order rows came makes no difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from runtime.domain.guards import Guard, Guardrail, GuardReading
from runtime.domain.metrics import Metric
from runtime.domain.reports import Comparison
from runtime.monitoring.judged import losses_of
from runtime.monitoring.pairs import Waiting
from runtime.monitoring.rows import Answered
from runtime.statistics.comparison import PairedMoments, compare_moments
from runtime.statistics.scoring import compared
from runtime.statistics.sequential import (
    Apart,
    Sums,
    log_evidence_above,
    log_evidence_below,
    log_evidence_of_rate,
)

SLOW = 0.01
"""The share of answers that may take longer than a limit of the 99% quantile."""


@dataclass(slots=True)
class Trial:
    """One step. ``cuts``: edges of the bins in which answers are compared. ``told``: what was said of it so far."""

    version: int
    champion: int
    step: int
    needed: int
    metric: Metric
    classes: int | None = None
    guardrail: Guardrail = field(default_factory=Guardrail)
    cuts: tuple[float, ...] = ()
    moments: PairedMoments = field(default_factory=lambda: PairedMoments.from_errors([], []))
    excess: Sums = field(default_factory=Sums)
    answered: int = 0
    failed: int = 0
    timed: int = 0
    slow: int = 0
    apart: Apart | None = None
    pairs: list[tuple[float, float]] = field(default_factory=list)
    """Answers of challenger and champion in the open tick."""
    told: bool = False
    ended: bool = False
    """A guard is broken, and that was said."""

    def __post_init__(self) -> None:
        if self.guardrail.apart is not None and self.apart is None:
            self.apart = Apart(self.guardrail.apart, len(self.cuts) + 2)

    # --- before outcomes ---------------------------------------------------------------------------

    def answer(self, output: float, answered: Answered | None) -> None:
        """One row that the challenger answered in this step."""
        self.answered += 1
        self.failed += not math.isfinite(output) or (answered is not None and answered.failed)
        if answered is not None and answered.row == 0 and self.guardrail.latency_p99_ms is not None:
            self.timed += 1
            self.slow += answered.latency_us > 1000 * self.guardrail.latency_p99_ms

    def pair(self, waiting: Waiting) -> None:
        """One row that both have answered in this step."""
        champion, challenger = waiting.of(self.champion), waiting.of(self.version)
        if self.apart is not None and self._is_ours(waiting) and champion is not None and challenger is not None:
            self.pairs.append((challenger, champion))

    def close(self) -> None:
        """Ends the open tick: its pairs are bet on with what the ticks before showed."""
        if self.apart is not None and self.pairs:
            mine, theirs = (self._bins([pair[at] for pair in self.pairs]) for at in (0, 1))
            self.apart.take(mine, theirs)
        self.pairs = []

    def _bins(self, values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """By number; what is no number is in the last one."""
        numbers = np.asarray(values, dtype=np.float64)
        bins = np.searchsorted(np.asarray(self.cuts, dtype=np.float64), numbers, side="left").astype(np.int64)
        bins[~np.isfinite(numbers)] = len(self.cuts) + 1
        return bins

    # --- with outcomes -----------------------------------------------------------------------------

    def judge(self, waiting: Waiting, actual: float) -> None:
        """Adds one row when both versions predicted it in this step."""
        if not self._is_ours(waiting):
            return
        champion, challenger = waiting.of(self.champion), waiting.of(self.version)
        if champion is None or challenger is None or not math.isfinite(champion) or not math.isfinite(challenger):
            return
        mine, theirs = (losses_of(self.metric, [(each, actual)], self.classes) for each in (challenger, champion))
        self.moments = self.moments + PairedMoments.from_errors(mine, theirs)
        allowed = 1 + self.guardrail.worse_by
        beyond = np.abs(mine) - (allowed**2 if self.metric is Metric.RMSE else allowed) * np.abs(theirs)
        if np.isfinite(beyond).all():
            self.excess = self.excess + Sums.of(beyond)

    def _is_ours(self, waiting: Waiting) -> bool:
        return waiting.step == (self.version, self.step)

    # --- what it says ------------------------------------------------------------------------------

    @property
    def readings(self) -> tuple[GuardReading, ...]:
        """Every guard that has seen rows; together they end a good challenger by the guardrail's chance at most."""
        rail = self.guardrail
        threshold = math.log(len(rail.guards) / rail.chance)
        found = [self._error(threshold)] if self.excess.rows else []
        for guard, limit, hits, rows in (
            (Guard.FAILED, rail.failed, self.failed, self.answered),
            (Guard.SLOW, None if rail.latency_p99_ms is None else SLOW, self.slow, self.timed),
        ):
            if limit is not None and rows:
                evidence = log_evidence_of_rate(hits, rows, limit)
                found.append(_reading(guard, rows, hits / rows, limit, evidence, threshold))
        if self.apart is not None and self.apart.rows:
            apart = self.apart
            found.append(_reading(Guard.APART, apart.rows, apart.distance, apart.limit, apart.log_evidence, threshold))
        return tuple(found)

    def _error(self, threshold: float) -> GuardReading:
        measured = self.comparison()
        limit = measured.champion * (1 + self.guardrail.worse_by)
        reading = _reading(
            Guard.ERROR, measured.rows, measured.challenger, limit, log_evidence_above(self.excess), threshold
        )
        return reading.model_copy(update={"log_cleared": log_evidence_below(self.excess)})

    @property
    def ready(self) -> bool:
        """There is something to say: a guard is broken, or the step's end is due; each is said once."""
        if self.ended:
            return False
        readings = self.readings
        if any(reading.is_broken for reading in readings):
            return True
        if self.told or self.moments.rows < self.needed:
            return False
        rail = self.guardrail
        cleared = any(reading.is_cleared(rail.chance) for reading in readings)
        return rail.confidence is None or cleared or self.moments.rows >= rail.most(self.needed)

    def tell(self) -> tuple[Comparison, tuple[GuardReading, ...], str]:
        """The evidence so far, and what of it is said: each word is said once."""
        readings = self.readings
        self.ended = any(reading.is_broken for reading in readings)
        self.told = True
        return self.comparison(), readings, "broken" if self.ended else "judged"

    def comparison(self, confidence: float = 0.95) -> Comparison:
        """Of the judged rows; zeros while there are none."""
        if not self.moments.rows:
            nothing = {"champion": 0.0, "challenger": 0.0, "difference": 0.0}
            return Comparison(metric=self.metric.error_name, rows=0, confidence=confidence, **nothing)
        return compared(compare_moments(self.moments, confidence=confidence), self.metric)


def _reading(guard: Guard, rows: int, value: float, limit: float, evidence: float, threshold: float) -> GuardReading:
    return GuardReading(
        guard=guard, rows=rows, value=value, limit=limit, log_evidence=evidence, log_threshold=threshold
    )
