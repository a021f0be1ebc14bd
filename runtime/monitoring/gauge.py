"""One detector on its way through ticks: counts of the open tick, evidence, and what it saw since it rose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from runtime.domain.reports import FeatureStatistic
from runtime.statistics.detector import DetectorPlan, DetectorState, Reading, update
from runtime.statistics.distances import distances
from runtime.statistics.profile import Columns, Counts, Profile

SHOWN_FEATURES = 8


@dataclass(slots=True)
class Gauge:
    """A detector with its open tick. ``since`` is the tick at which evidence last began to rise above 1."""

    profile: Profile
    plan: DetectorPlan
    state: DetectorState = field(init=False)
    open_tick: Counts = field(init=False)
    window: Counts = field(init=False)
    since: datetime | None = None

    def __post_init__(self) -> None:
        self.reset()
        self.open_tick = Counts.empty(self.profile.layout)

    def reset(self) -> None:
        """Forget all evidence; what the open tick has counted stays."""
        self.state = DetectorState.fresh(self.plan)
        self.window = Counts.empty(self.profile.layout)
        self.since = None

    def count(self, columns: Columns) -> None:
        """Adds rows to the open tick."""
        self.open_tick = self.open_tick + self.profile.count(columns)

    def close(self, tick_start: datetime) -> Reading | None:
        """Ends the open tick; its reading, or ``None`` when it was empty."""
        counts, self.open_tick = self.open_tick, Counts.empty(self.profile.layout)
        if not counts.rows:
            return None
        self.state, reading = update(self.plan, self.state, counts)
        if reading.evidence <= 0:
            self.since, self.window = None, Counts.empty(self.profile.layout)
        else:
            self.since = self.since or tick_start
            self.window = self.window + counts
        return reading

    def statistics(self, reading: Reading) -> tuple[FeatureStatistic, ...]:
        """The features that moved most, with distances over the rows since the evidence rose."""
        known = {each.name: each for each in distances(self.profile, self.window)}
        return tuple(
            FeatureStatistic(
                feature=evidence.name,
                log_score=max(evidence.log_score, -1e9),
                js=known[evidence.name].js,
                psi=known[evidence.name].psi,
                missing_rate=known[evidence.name].missing_rate,
            )
            for evidence in reading.ranked[:SHOWN_FEATURES]
        )
