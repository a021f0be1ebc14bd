"""When models did worse for a while, by their outcomes alone: what an alarm should have told.

A degradation is a stretch of data time in which the newest outcomes of a champion erred on average ``by`` more than on
its own baseline, without a break, for at least ``lasts``. The same stretches are held against every policy: one that no
alarm of the model was raised in was missed. They are those of the versions that answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from runtime.backtest.worlds import HeardWatch
from runtime.monitoring.judged import Judged, errors_of

LASTS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Degradation:
    """A model's errors were ``worst`` times its baseline's at their worst; ``until`` the last tick that showed it."""

    model: str
    version: int
    since: datetime
    until: datetime
    worst: float

    def is_told(self, alarms: Mapping[str, Sequence[datetime]]) -> bool:
        """Whether one of the model's alarms was raised while it lasted."""
        return any(self.since <= each <= self.until for each in alarms.get(self.model, ()))


@dataclass(slots=True)
class _Recent:
    version: int
    errors: deque[float]
    open: Degradation | None = None


@dataclass(slots=True)
class Degradations:
    """Feeds on the rows that were judged, tick after tick."""

    lasts: timedelta = LASTS
    found: list[Degradation] = field(default_factory=list)
    _recent: dict[str, _Recent] = field(default_factory=dict)

    def judged(self, watch: HeardWatch, rows: Sequence[Judged], at: datetime, by: float) -> None:
        """Rows of the tick that ended at this moment."""
        baseline = None if watch.baseline is None else watch.baseline.performance
        if watch.version is None or watch.spec is None or baseline is None or baseline.mae <= 0:
            return
        known = self._recent.get(watch.model)
        if known is None or known.version != watch.version:
            if known is not None:
                self._end(known)
            known = _Recent(watch.version, deque(maxlen=watch.spec.monitor.recent))
            self._recent[watch.model] = known
        known.errors.extend(np.abs(errors_of(rows, watch.classes)).tolist())
        if len(known.errors) < (known.errors.maxlen or 0):
            return
        self._tell(watch.model, known, float(np.mean(known.errors)) / baseline.mae, at, 1 + by)

    def _tell(self, model: str, known: _Recent, ratio: float, at: datetime, limit: float) -> None:
        if ratio < limit:
            self._end(known)
            return
        before = known.open
        since, worst = (at, ratio) if before is None else (before.since, max(before.worst, ratio))
        known.open = Degradation(model, known.version, since, at, worst)

    def _end(self, known: _Recent) -> None:
        if known.open is not None and known.open.until - known.open.since >= self.lasts:
            self.found.append(known.open)
        known.open = None

    def finish(self) -> tuple[Degradation, ...]:
        """All of them, in order; those that still last count too."""
        for known in self._recent.values():
            self._end(known)
        return tuple(sorted(self.found, key=lambda each: (each.since, each.model)))
