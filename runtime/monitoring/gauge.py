"""One detector on its way through ticks: counts of the open tick, evidence, and what it saw since it rose.

``quiet_until``: it has told what it found, and does not tell it again before.

When the change began is Page's estimate: the sum of the ticks' log e-values, started anew whenever it falls to 0
(CUSUM, Page 1954), and by a tick of many rows that alone would raise the alarm and beside which those before say
little. The evidence itself, a Shiryaev-Roberts sum, does not tell: without any change it grows like the number of
ticks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from runtime.domain.findings import ENOUGH_ROWS
from runtime.domain.reports import FeatureStatistic
from runtime.monitoring.direction import direction_of
from runtime.statistics.bins import MAX_UNSEEN, CategoricalBins
from runtime.statistics.detector import DetectorPlan, DetectorState, Reading, update
from runtime.statistics.distances import distances
from runtime.statistics.profile import Columns, Counts, Profile

SHOWN_FEATURES = 8
LITTLE = 0.25
"""Of what one tick gained: as much as calm ticks may before it, and not as much as the first ticks of a slow change."""


@dataclass(slots=True)
class Gauge:
    """A detector with its open tick. ``since`` is the start of the tick from which on evidence only gained."""

    profile: Profile
    plan: DetectorPlan
    state: DetectorState = field(init=False)
    open_tick: Counts = field(init=False)
    window: Counts = field(init=False)
    since: datetime | None = None
    evidence: float = -math.inf
    gained: float = 0.0
    quiet_until: datetime | None = None
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    """Categories outside the baseline's, by feature: the first ones by name, since evidence rose."""

    def __post_init__(self) -> None:
        self.reset()
        self.open_tick = Counts.empty(self.profile.layout)

    def reset(self) -> None:
        """Forget all evidence; what the open tick has counted stays."""
        self.state = DetectorState.fresh(self.plan)
        self.window = Counts.empty(self.profile.layout)
        self.since, self.evidence, self.gained = None, -math.inf, 0.0
        self.unseen = {}

    def count(self, columns: Columns) -> None:
        """Adds rows to the open tick."""
        counts = self.profile.count(columns)
        self.open_tick = self.open_tick + counts
        self._note_unseen(columns, counts)

    def _note_unseen(self, columns: Columns, counts: Counts) -> None:
        """Names are looked for only where some are. First by name: the same whatever order rows come in."""
        strange = {
            feature.name: columns[feature.name]
            for feature, end in zip(self.profile.features, counts.layout.offsets[1:], strict=True)
            if isinstance(feature.bins, CategoricalBins) and counts.values[end - 2] and feature.name in columns
        }
        for name, labels in self.profile.unseen(strange).items():
            known = self.unseen.get(name, {})
            merged = {label: known.get(label, 0) + labels.get(label, 0) for label in sorted(known.keys() | labels)}
            self.unseen[name] = dict(list(merged.items())[:MAX_UNSEEN])

    def close(self, tick_start: datetime) -> Reading | None:
        """Ends the open tick; its reading, or ``None`` when it was empty."""
        counts, self.open_tick = self.open_tick, Counts.empty(self.profile.layout)
        if not counts.rows:
            return None
        self.state, reading = update(self.plan, self.state, counts)
        tick = reading.evidence - float(np.logaddexp(0.0, self.evidence))
        # It began here: what came before would only blur what it looks like.
        alone = counts.rows >= ENOUGH_ROWS and tick >= self.plan.threshold and self.gained <= LITTLE * tick
        self.evidence, self.gained = reading.evidence, max(self.gained, 0.0) + tick
        if self.gained <= 0 and not reading.alarm:
            self.since, self.window, self.unseen = None, Counts.empty(self.profile.layout), {}
        else:
            self.since = tick_start if alone or self.since is None else self.since
            self.window = counts if alone else self.window + counts
        return reading

    def statistics(
        self, reading: Reading, importances: Mapping[str, float] | None = None
    ) -> tuple[FeatureStatistic, ...]:
        """The features that moved most, with distances over the rows since the evidence rose."""
        matters = importances or {}
        known = {each.name: each for each in distances(self.profile, self.window)}
        window = self.window.by_feature()
        return tuple(
            FeatureStatistic(
                feature=evidence.name,
                log_score=max(evidence.log_score, -1e9),
                js=known[evidence.name].js,
                psi=known[evidence.name].psi,
                missing_rate=known[evidence.name].missing_rate,
                direction=direction_of(self.profile.feature(evidence.name), window[evidence.name]),
                importance=matters.get(evidence.name),
            )
            for evidence in reading.ranked[:SHOWN_FEATURES]
        )

    def by_movement(self, reading: Reading, importances: Mapping[str, float] | None = None) -> list[str]:
        """Features by importance x Jensen-Shannon of the window; by weight x the detector's, where none is known.

        The answer itself, which is no input, matters as much as the input that matters most.
        """
        if not importances or importances.keys().isdisjoint(self.profile.layout.names):
            return [each.name for each in reading.by_importance()]
        most = max(importances.values())
        moved = {each.name: importances.get(each.name, most) * each.js for each in distances(self.profile, self.window)}
        return sorted(moved, key=lambda name: (-moved[name], name))
