"""What is checked of one model beside drift: facts of the open tick, what was usual before, what was told already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.domain import events as e
from runtime.domain.checks import Breach, Checks, Range
from runtime.monitoring.rows import Answered
from runtime.policy.checks import Habits, breaches
from runtime.statistics.bins import Column
from runtime.statistics.facts import Boundaries, Facts, bounded, countable, facts_of, latency_bins
from runtime.statistics.profile import Counts, Profile

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Bounds = Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class Checking:
    """Checks of a model under one champion. ``quiet``: findings of a kind are not told again before."""

    profile: Profile
    bounds: Bounds
    limits: Checks
    facts: Facts = field(default_factory=Facts)
    habits: Habits = field(default_factory=Habits)
    quiet: dict[str, datetime] = field(default_factory=dict)

    def count(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Adds rows to the open tick; the columns as the profile can count them."""
        clean, wrong = countable(self.profile, columns)
        facts = facts_of(self.profile, clean | _beside(columns, clean), self.bounds, boundaries_of(self.limits))
        facts.uncountable = wrong
        self.facts = self.facts + facts
        return clean

    def answered(self, answers: Sequence[Answered], *, rows: int, duplicates: int = 0) -> None:
        """Adds so many rows to the open tick, and beside rows that came again; who asked, and how it was answered."""
        facts = facts_of_answers(answers)
        facts.rows, facts.duplicates = rows, duplicates
        self.facts = self.facts + facts

    def close(self, counts: Counts | None, end: datetime) -> dict[e.FindingKind, tuple[Breach, ...]]:
        """Ends the open tick, whose counts are these; what is beyond its limits."""
        facts, self.facts = self.facts, Facts()
        self.habits.hold(facts)
        found = breaches(facts, counts, self.profile, self.habits, end, self.limits)
        self.habits.learn(facts)
        return found

    def as_document(self) -> dict[str, Any]:
        """What ``restore`` takes: plain JSON values."""
        return {
            "facts": self.facts.as_document(),
            "habits": self.habits.as_document(),
            "quiet": {kind: until.isoformat() for kind, until in self.quiet.items()},
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        """Goes on from where the document was written."""
        self.facts = Facts.from_document(document["facts"])
        self.habits = Habits.from_document(document["habits"])
        self.quiet = {kind: datetime.fromisoformat(until) for kind, until in document["quiet"].items()}


def facts_of_answers(answers: Sequence[Answered]) -> Facts:
    """Who asked and when, and how it was answered; the latency of a request is counted once, with its first row."""
    callers: dict[str, int] = {}
    for each in answers:
        callers[each.caller] = callers.get(each.caller, 0) + 1
    return Facts(
        failed=sum(each.failed for each in answers),
        ahead=sum(each.event_time_us > each.time_us for each in answers),
        newest=_EPOCH + timedelta(microseconds=max(each.event_time_us for each in answers)) if answers else None,
        callers=bounded(callers),
        latency=latency_bins(each.latency_us for each in answers if each.row == 0),
    )


def boundaries_of(limits: Checks) -> Boundaries:
    """The spec's boundaries as the counting takes them."""
    return {
        name: _interval(boundary) if isinstance(boundary, Range) else frozenset(boundary)
        for name, boundary in limits.within.items()
    }


def _interval(boundary: Range) -> tuple[float, float]:
    low, high = boundary.low, boundary.high
    return (float("-inf") if low is None else low, float("inf") if high is None else high)


def _beside(columns: Mapping[str, Column], clean: Mapping[str, Column]) -> dict[str, Column]:
    """Columns that no bins count, which may still have boundaries."""
    return {name: values for name, values in columns.items() if name not in clean}
