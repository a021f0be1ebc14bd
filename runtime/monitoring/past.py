"""A past through the monitor's own code: rows are counted by tick wherever they lie, ticks are closed in order.

    batch of rows -> {tick: (counts, facts)}      on any machine, in any order: counts and facts add up
    sum by tick   -> tick after tick              the gauge and the checks of a live monitor, and its findings

Nothing is recorded: what comes out is what the live monitor would have found in the same rows. Ticks without rows are
closed too, as live; of a long stretch the first ``MOST_EMPTY``, since one row of a wrong century makes millions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from runtime.domain import events as e
from runtime.domain.checks import Checks
from runtime.domain.watched import Monitoring
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
MOST_EMPTY = 1_000
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
    version: int = 1

    @classmethod
    def of(cls, baseline: Baseline, version: int = 1) -> Reference:
        """Of a version."""
        return cls(baseline.features, baseline.bounds, baseline, version)

    def within(self, columns: Collection[str]) -> Reference:
        """The features that are among the columns: what is not there at all did not go missing.

        Raises ``NoEvidence`` where none is.
        """
        features = Profile(tuple(each for each in self.features.features if each.name in columns))
        return replace(self, features=features)


@dataclass(frozen=True, slots=True)
class Counting:
    """How rows are counted: against which reference, by which clock."""

    reference: Reference
    monitor: Monitoring
    time: str

    def ticks(self, frame: pd.DataFrame) -> tuple[Ticks, int]:
        """The ticks of some rows, and how many rows have no time that can be read."""
        times = times_of(frame, self.time)
        timed = np.flatnonzero(times.notna().to_numpy())
        micros = times.iloc[timed].dt.as_unit("us").astype("int64").to_numpy()
        numbers = micros // (self.monitor.every // timedelta(microseconds=1))
        order = np.argsort(numbers, kind="stable")
        wanted = self._wanted(frame)
        columns = {name: np.asarray(frame[name].to_numpy())[timed[order]] for name in wanted}
        found: Ticks = {}
        edges = np.flatnonzero(np.diff(numbers[order], prepend=numbers[order[:1]] - 1)).tolist()
        for start, stop in pairwise([*edges, len(order)]):
            here = slice(start, stop)
            newest = EPOCH + timedelta(microseconds=int(micros[order[here]].max()))
            part = {name: values[here] for name, values in columns.items()}
            found[int(numbers[order[start]])] = self._tick(part, stop - start, newest)
        return found, len(frame) - len(timed)

    def _wanted(self, frame: pd.DataFrame) -> list[str]:
        """Columns that are counted, and those that have boundaries."""
        bounded = () if self.monitor.checks is None else self.monitor.checks.within
        return [name for name in dict.fromkeys((*self.reference.features.layout.names, *bounded)) if name in frame]

    def _tick(self, columns: Mapping[str, Column], rows: int, newest: datetime) -> Tick:
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
    watch.version, watch.baseline = reference.version, reference.baseline
    watch.features = Gauge(reference.features, _plan(reference, monitor))
    watch.checking = Checking(reference.features, reference.bounds, monitor.checks or Checks())
    for number in _closing(ticks):
        tick = ticks.get(number)
        if tick is not None:
            watch.features.open_tick, watch.checking.facts = tick.counts, replace(tick.facts)
        end = EPOCH + (number + 1) * monitor.every
        findings = tuple(findings_of(watch, end, monitor))
        rows = 0 if tick is None else tick.facts.rows
        yield Checked(end, rows, float(watch.features.evidence), findings)


def _closing(ticks: Ticks) -> Iterator[int]:
    """Which ticks are closed, in order."""
    following: int | None = None
    for number in sorted(ticks):
        if following is not None:
            yield from range(following, min(number, following + MOST_EMPTY))
        yield number
        following = number + 1


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
