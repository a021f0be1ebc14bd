"""A past through the monitor's own code: rows are counted by tick wherever they lie, ticks are closed in order.

    batch of rows -> {tick: (counts, facts)}      on any machine, in any order: counts and facts add up
    sum by tick   -> tick after tick              the gauge and the checks of a live monitor, and its findings

Nothing is recorded: what comes out is what the live monitor would have found in the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from runtime.domain import events as e
from runtime.domain.checks import Checks
from runtime.domain.spec import Monitoring
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.checking import Checking, boundaries_of
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.telling import findings_of
from runtime.monitoring.watch import Watch
from runtime.policy.budget import own_threshold
from runtime.statistics.bins import Column
from runtime.statistics.detector import DetectorPlan
from runtime.statistics.facts import Facts, countable, facts_of
from runtime.statistics.profile import Counts, Profile

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Ticks: TypeAlias = "dict[int, Tick]"
"""By the number of the tick, counted from 1970."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick's rows came to, or some of them."""

    counts: Counts
    facts: Facts

    def __add__(self, other: Tick) -> Tick:
        return Tick(self.counts + other.counts, self.facts + other.facts)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a past is compared with: a version's ``baseline``, or the features of some rows alone."""

    features: Profile
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    baseline: Baseline | None = None

    @classmethod
    def of(cls, baseline: Baseline) -> Reference:
        """Of a version."""
        return cls(baseline.features, baseline.bounds, baseline)


@dataclass(frozen=True, slots=True)
class Counting:
    """How rows are counted: against which reference, by which clock."""

    reference: Reference
    monitor: Monitoring
    time: str

    def ticks(self, frame: pd.DataFrame) -> tuple[Ticks, int]:
        """The ticks of some rows, and how many rows have no time that can be read."""
        times = times_of(frame, self.time)
        timed = times.notna().to_numpy()
        numbers = (times.dt.as_unit("us") - EPOCH) // self.monitor.every
        found: Ticks = {}
        for number in sorted(numbers[timed].unique().tolist()):
            here = timed & (numbers == number).to_numpy()
            columns = {str(name): frame[name].to_numpy()[here] for name in frame.columns if name != self.time}
            found[int(number)] = self._tick(columns, int(here.sum()), times[here].max().to_pydatetime())
        return found, int((~timed).sum())

    def _tick(self, columns: dict[str, Column], rows: int, newest: datetime) -> Tick:
        limits, profile = self.monitor.checks or Checks(), self.reference.features
        clean, wrong = countable(profile, columns)
        rest = {name: columns[name] for name in limits.within if name in columns and name not in clean}
        facts = facts_of(profile, clean | rest, self.reference.bounds, boundaries_of(limits))
        facts.rows, facts.uncountable, facts.newest = rows, wrong, newest
        counts = profile.count(clean) if clean else profile.count({profile.layout.names[0]: [None] * rows})
        return Tick(counts, facts)


def times_of(frame: pd.DataFrame, time: str) -> pd.Series[pd.Timestamp]:
    """A column of times, or of their texts in ISO 8601, in UTC; what is none is NaT."""
    return pd.to_datetime(frame[time], utc=True, errors="coerce", format="ISO8601")


def merged(parts: Iterable[Ticks]) -> Ticks:
    """The sum, by tick."""
    whole: Ticks = {}
    for part in parts:
        for number, tick in part.items():
            whole[number] = whole[number] + tick if number in whole else tick
    return dict(sorted(whole.items()))


@dataclass(frozen=True, slots=True)
class Checked:
    """A closed tick: when it ended, its rows, the evidence of drift after it, and what was found."""

    end: datetime
    rows: int
    evidence: float
    findings: tuple[e.FindingOpened, ...]


def checked(model: str, reference: Reference, monitor: Monitoring, ticks: Ticks) -> Iterator[Checked]:
    """Closes tick after tick, those without rows between the first and the last as well."""
    watch = Watch(model)
    watch.version, watch.baseline = 1, reference.baseline
    watch.features = Gauge(reference.features, _plan(reference, monitor))
    watch.checking = Checking(reference.features, reference.bounds, monitor.checks or Checks())
    for number in range(min(ticks, default=0), max(ticks, default=-1) + 1):
        tick = ticks.get(number)
        if tick is not None:
            watch.features.open_tick, watch.checking.facts = tick.counts, replace(tick.facts)
        end = EPOCH + (number + 1) * monitor.every
        findings = tuple(findings_of(watch, end, monitor))
        rows = 0 if tick is None else tick.facts.rows
        yield Checked(end, rows, float(watch.features.evidence), findings)


def _plan(reference: Reference, monitor: Monitoring) -> DetectorPlan:
    """As a live watch follows a champion."""
    wanted = None if monitor.features == "all" else dict.fromkeys(monitor.features, 1.0)
    delta0 = {} if reference.baseline is None else reference.baseline.delta0
    return DetectorPlan.build(
        reference.features,
        checks_between_false_alarms=own_threshold(monitor),
        delta0=delta0 if monitor.delta0 == "measured" else monitor.delta0,
        weights=wanted,
    )


def document_of(ticks: Iterable[Checked]) -> dict[str, Any]:
    """Plain JSON values: every tick, and the findings in order."""
    closed = list(ticks)
    return {
        "ticks": [
            {
                "end": each.end.isoformat(),
                "rows": each.rows,
                "log_evidence": None if not np.isfinite(each.evidence) else each.evidence,
                "findings": len(each.findings),
            }
            for each in closed
        ],
        "findings": [finding.as_document() for each in closed for finding in each.findings],
    }


def packed(ticks: Ticks) -> list[dict[str, Any]]:
    """The ticks as documents, to be carried between machines."""
    return [
        {"tick": number, "counts": tick.counts.as_document(), "facts": tick.facts.as_document()}
        for number, tick in ticks.items()
    ]


def unpacked(documents: Iterable[Mapping[str, Any]], reference: Reference) -> Ticks:
    """The inverse, summed."""
    layout = reference.features.layout
    return merged(
        {int(each["tick"]): Tick(Counts.from_document(each["counts"], layout), Facts.from_document(each["facts"]))}
        for each in documents
    )
