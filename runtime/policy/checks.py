"""Which checks of a tick failed: a pure function of its counts, its facts and what was usual before."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from runtime.domain.checks import Breach, Check, Checks
from runtime.domain.events import FindingKind
from runtime.statistics.bins import CategoricalBins
from runtime.statistics.facts import OTHERS, Facts
from runtime.statistics.profile import Counts, FeatureProfile, Profile

CERTAIN = math.log(1e9)
"""A share is judged only if chance would give it less than once in so many ticks (Chernoff's bound)."""
LEARNING_TICKS = 7
"""Ticks with traffic in which callers become known, and after which a tick's volume is judged."""
USUAL_TICKS = 28
MOST_CALLERS = 1_000
MOST_BREACHES = 20
LATENCY_REQUESTS = 100
"""A 99% quantile of fewer requests is not judged."""

KINDS = {
    **dict.fromkeys((Check.LATENCY, Check.ERRORS), FindingKind.SERVICE),
    **dict.fromkeys((Check.CALLER, Check.BOUNDARY), FindingKind.USE),
}
"""What a check's finding is about; the others are about the quality of data."""


@dataclass(slots=True)
class Habits:
    """What was usual so far: rows of the last ticks, known callers, how long each feature held one value."""

    volumes: deque[int] = field(default_factory=lambda: deque(maxlen=USUAL_TICKS))
    ticks: int = 0
    callers: set[str] = field(default_factory=set)
    runs: dict[str, tuple[float | str, int]] = field(default_factory=dict)
    newest: datetime | None = None

    def learn(self, facts: Facts) -> None:
        """Takes a closed tick in. A tick without rows teaches nothing but that."""
        self.newest = max((each for each in (self.newest, facts.newest) if each is not None), default=None)
        self.volumes.append(facts.rows)
        if facts.rows:
            self.ticks += 1
        room = MOST_CALLERS - len(self.callers)
        self.callers.update([name for name in sorted(facts.callers) if name not in self.callers][: max(room, 0)])

    def hold(self, facts: Facts) -> None:
        """How many rows in a row each feature held one value, this tick included."""
        for name, (low, high) in facts.spans.items():
            held = self.runs.get(name)
            if low != high:
                self.runs.pop(name, None)
            elif held is not None and held[0] == low:
                self.runs[name] = (low, held[1] + facts.rows)
            else:
                self.runs[name] = (low, facts.rows)

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "volumes": list(self.volumes),
            "ticks": self.ticks,
            "callers": sorted(self.callers),
            "runs": {name: list(run) for name, run in self.runs.items()},
            "newest": None if self.newest is None else self.newest.isoformat(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Habits:
        """The inverse."""
        return cls(
            volumes=deque(document["volumes"], maxlen=USUAL_TICKS),
            ticks=document["ticks"],
            callers=set(document["callers"]),
            runs={name: (value, rows) for name, (value, rows) in document["runs"].items()},
            newest=None if document["newest"] is None else datetime.fromisoformat(document["newest"]),
        )


def breaches(
    facts: Facts, counts: Counts | None, profile: Profile, habits: Habits, end: datetime, limits: Checks
) -> dict[FindingKind, tuple[Breach, ...]]:
    """What is beyond its limit in the tick that ends at ``end``, by the kind of finding, the worst first of each.

    ``counts`` are of the rows whose inputs could be read; ``habits`` as they were before this tick, but for ``hold``.
    """
    found: dict[FindingKind, list[Breach]] = {}
    for breach in _all(facts, counts, profile, habits, end, limits):
        found.setdefault(KINDS.get(breach.check, FindingKind.DATA_QUALITY), []).append(breach)
    return {
        kind: tuple(sorted(each, key=lambda breach: (-excess(breach), breach.check, breach.of))[:MOST_BREACHES])
        for kind, each in sorted(found.items())
    }


def excess(breach: Breach) -> float:
    """How many times its limit a breach is, as a natural logarithm; of a limit of 0 the value itself is told."""
    return math.log(breach.value / breach.limit) if breach.limit > 0 < breach.value else math.log1p(breach.value)


def _all(
    facts: Facts, counts: Counts | None, profile: Profile, habits: Habits, end: datetime, limits: Checks
) -> Iterator[Breach]:
    if counts is not None and counts.rows:
        vectors = counts.by_feature()
        for feature in profile.features:
            yield from _of_feature(feature, vectors[feature.name].tolist(), facts, habits, limits)
    yield from _of_rows(facts, habits, end, limits)
    yield from _of_use(facts, habits, limits)


def _of_feature(
    feature: FeatureProfile, vector: list[int], facts: Facts, habits: Habits, limits: Checks
) -> Iterator[Breach]:
    rows, name = sum(vector), feature.name
    wrong = facts.uncountable.get(name, 0)
    shares = [
        (Check.MISSING, vector[-1] - wrong, feature.counts[-1], limits.missing),
        (Check.TYPE, wrong, 0, limits.type),
        (Check.INFINITE, facts.infinite.get(name, 0), 0, limits.infinite),
        (Check.OUT_OF_RANGE, facts.out_of_range.get(name, 0), 0, limits.out_of_range),
    ]
    if isinstance(feature.bins, CategoricalBins):
        shares.append((Check.UNSEEN, vector[-2], feature.counts[-2], limits.unseen))
    for check, count, before, limit in shares:
        if _beyond(count, rows, (before + 1) / (feature.rows + 2), limit, limits.rows):
            told = f"{_WORDS[check]} in {count:,} of {rows:,} rows, of the baseline in {before:,} of {feature.rows:,}"
            yield Breach(check=check, of=name, value=count / rows, limit=limit, told=told)
    held, several = habits.runs.get(name), sum(1 for count in feature.counts[:-1] if count) > 1
    if limits.constant is not None and several and held is not None and held[1] > limits.constant:
        told = f"{held[1]:,} rows in a row hold {held[0]}"
        yield Breach(check=Check.CONSTANT, of=name, value=float(held[1]), limit=float(limits.constant), told=told)


_WORDS = {
    Check.MISSING: "missing",
    Check.TYPE: "of another type",
    Check.INFINITE: "infinite",
    Check.OUT_OF_RANGE: "beyond what training saw",
    Check.UNSEEN: "of no category that has a bin",
}


def _beyond(count: int, rows: int, expected: float, limit: float, least: int) -> bool:
    """Whether the share is above its limit, and too great for chance: Chernoff's bound on a binomial tail."""
    if rows < least or count <= limit * rows:
        return False
    share = count / rows
    if share <= expected:
        return False
    nats = share * math.log(share / expected)
    if share < 1:
        nats += (1 - share) * math.log((1 - share) / (1 - expected))
    return rows * nats > CERTAIN


def _of_rows(facts: Facts, habits: Habits, end: datetime, limits: Checks) -> Iterator[Breach]:
    sent = facts.rows + facts.duplicates
    if limits.duplicate is not None and sent >= limits.rows and facts.duplicates > limits.duplicate * sent:
        told = f"{facts.duplicates:,} of {sent:,} rows were sent again"
        yield Breach(check=Check.DUPLICATE, value=facts.duplicates / sent, limit=limits.duplicate, told=told)
    if facts.rows >= limits.rows and facts.failed > limits.errors * facts.rows:
        told = f"{facts.failed:,} of {facts.rows:,} rows were refused or answered by no number"
        yield Breach(check=Check.ERRORS, value=facts.failed / facts.rows, limit=limits.errors, told=told)
    if limits.ahead is not None and facts.rows >= limits.rows and facts.ahead > limits.ahead * facts.rows:
        told = f"{facts.ahead:,} of {facts.rows:,} rows are of a time after they were answered"
        yield Breach(check=Check.CLOCK, value=facts.ahead / facts.rows, limit=limits.ahead, told=told)
    yield from _of_flow(facts, habits, end, limits)
    slowest, requests = facts.latency_ms(0.99), sum(facts.latency.values())
    limit = limits.latency_p99_ms
    if limit is not None and slowest is not None and requests >= LATENCY_REQUESTS and slowest > limit:
        told = f"1 in 100 of {requests:,} requests took {slowest:.3g} ms or longer"
        yield Breach(check=Check.LATENCY, value=slowest, limit=limit, told=told)


def _of_flow(facts: Facts, habits: Habits, end: datetime, limits: Checks) -> Iterator[Breach]:
    newest = max((each for each in (habits.newest, facts.newest) if each is not None), default=None)
    if limits.stale_after is not None and newest is not None and end - newest > limits.stale_after:
        age, limit = (end - newest).total_seconds(), limits.stale_after.total_seconds()
        told = f"the newest row is of {newest:%Y-%m-%d %H:%M}"
        yield Breach(check=Check.FRESHNESS, value=age, limit=limit, told=told)
    if limits.volume is None or habits.ticks < LEARNING_TICKS:
        return
    usual = float(median(habits.volumes))
    times = max(facts.rows, 1) / max(usual, 1.0)
    if max(usual, facts.rows) >= limits.rows and max(times, 1 / times) > limits.volume:
        told = f"{facts.rows:,} rows, where {usual:,.0f} are usual"
        yield Breach(check=Check.VOLUME, value=max(times, 1 / times), limit=limits.volume, told=told)


def _of_use(facts: Facts, habits: Habits, limits: Checks) -> Iterator[Breach]:
    for name, count in facts.callers.items():
        if name != OTHERS and not _may_ask(name, habits, limits):
            told = f"{count:,} rows for {name or 'a caller without a name'}, {_unknown(limits)}"
            yield Breach(check=Check.CALLER, of=name, value=float(count), limit=0.0, told=told)
    for feature, outside in facts.outside.items():
        count, shown = sum(outside.values()), ", ".join(sorted(outside, key=lambda name: -outside[name])[:5])
        told = f"{count:,} rows outside the approved boundaries: {shown}"
        yield Breach(check=Check.BOUNDARY, of=feature, value=float(count), limit=0.0, told=told)


def _may_ask(name: str, habits: Habits, limits: Checks) -> bool:
    if limits.callers == "any":
        return True
    if limits.callers == "seen":
        full = len(habits.callers) >= MOST_CALLERS
        return habits.ticks < LEARNING_TICKS or full or name in habits.callers
    return name in limits.callers


def _unknown(limits: Checks) -> str:
    return "never seen before" if limits.callers == "seen" else "whom its spec does not name"
