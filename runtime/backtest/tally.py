"""What a policy came to over a past, under one assumption about challengers that nobody trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from runtime.domain.events import FindingKind, FindingOpened
from runtime.domain.verdict import Action


@dataclass(slots=True)
class Tally:
    """Counts, and errors by week: the sum of absolute errors under the policy, and of how many rows."""

    alarms: Counter[FindingKind] = field(default_factory=Counter)
    verdicts: Counter[Action] = field(default_factory=Counter)
    retrains: int = 0
    promoted: int = 0
    refused: int = 0
    stopped: int = 0
    rolled_back: int = 0
    asked: int = 0
    alarms_by_week: Counter[date] = field(default_factory=Counter)
    retrains_by_week: Counter[date] = field(default_factory=Counter)
    errors: dict[date, float] = field(default_factory=dict)
    rows: Counter[date] = field(default_factory=Counter)

    def alarm(self, finding: FindingOpened, action: Action, week: date) -> None:
        """One more, and what followed."""
        self.alarms[finding.about] += 1
        self.verdicts[action] += 1
        self.alarms_by_week[week] += 1

    def retrain(self, week: date) -> None:
        """One more of one model."""
        self.retrains += 1
        self.retrains_by_week[week] += 1

    def judged(self, week: date, error: float, rows: int) -> None:
        """Rows whose absolute errors add up to this."""
        self.errors[week] = self.errors.get(week, 0.0) + error
        self.rows[week] += rows

    @property
    def error(self) -> float | None:
        """The mean over all rows; none where no outcome came."""
        rows = self.rows.total()
        return sum(self.errors.values()) / rows if rows else None

    def __add__(self, other: Tally) -> Tally:
        """Of other models, too."""
        return Tally(**{each.name: _sum(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)})

    @property
    def weeks(self) -> set[date]:
        """Those in which anything was."""
        return {*self.alarms_by_week, *self.retrains_by_week, *self.rows}

    def numbers(self) -> Iterator[tuple[str, float | None]]:
        """What is told of it, by name."""
        yield "alarms", self.alarms.total()
        for kind in FindingKind:
            yield f"alarms_{kind.value}", self.alarms[kind]
        yield "nothing_to_do", self.verdicts[Action.NOTHING]
        yield "calls_to_people", self.verdicts[Action.CALL_A_PERSON]
        yield "retrains", self.retrains
        yield "promoted", self.promoted
        yield "refused", self.refused
        yield "rollouts_stopped", self.stopped
        yield "rolled_back", self.rolled_back
        yield "people_asked", self.asked
        yield "error", self.error


def _sum(one: Any, other: Any) -> Any:
    """Of numbers, counters, and sums by week."""
    if isinstance(one, dict) and not isinstance(one, Counter):
        return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in {**one, **other}}
    return one + other
