"""What a back-test found, as a document: both policies side by side, each number from the one assumption to the other.

    {"policy", "digest", "since", "until", "ledger": {"size", "root"}, "models", "current", "proposed",
     "degradations", "reproduced", "left", "assumes", "weeks"}

Of ``current`` each number is one: it is history's. Of ``proposed`` it is [low, high].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from runtime.backtest.course import Course
from runtime.backtest.degradations import Degradation
from runtime.backtest.reproduced import Reproduced
from runtime.backtest.run import Fared
from runtime.backtest.tally import Tally
from runtime.domain.base import rfc3339
from runtime.domain.policy_document import PolicyDocument

Range = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that retraining one model took, on average over the batches in the ledger; none where none ended."""

    batches: int
    seconds: float | None

    def of(self, retrains: float) -> float | None:
        """Of so many."""
        return None if self.seconds is None else retrains * self.seconds


@dataclass(frozen=True, slots=True)
class Line:
    """One number under both policies."""

    name: str
    current: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """See the module's docstring."""

    policy: PolicyDocument
    since: datetime
    until: datetime
    size: int
    root: str
    models: int
    current: Fared
    proposed: tuple[Fared, Fared]
    degradations: tuple[Degradation, ...]
    reproduced: Reproduced
    costs: Costs
    skipped: int
    """Segments that are gone; what they held was counted under neither policy."""

    def __add__(self, other: Report) -> Report:
        """Of other models of the same past, too."""
        helps, fails = (mine + others for mine, others in zip(self.proposed, other.proposed, strict=True))
        found = sorted([*self.degradations, *other.degradations], key=lambda each: (each.since, each.model))
        return replace(
            self,
            models=self.models + other.models,
            current=self.current + other.current,
            proposed=(helps, fails),
            degradations=tuple(found),
            reproduced=self.reproduced + other.reproduced,
        )

    @property
    def lines(self) -> list[Line]:
        """The table."""
        helps, fails = (dict(run.tally.numbers()) for run in self.proposed)
        found = [
            Line(name, value, *_ordered((helps[name], fails[name])))
            for name, value in self.current.tally.numbers()
            if value or helps[name] or fails[name] or name in {"alarms", "retrains"}
        ]
        retrains = [self.current.tally.retrains, *(run.tally.retrains for run in self.proposed)]
        seconds = [self.costs.of(each) for each in retrains]
        missed = [float(len(self.missed(run))) for run in (self.current, self.proposed[0])]
        return [
            *found,
            Line("retrain_seconds", seconds[0], *_ordered((seconds[1], seconds[2]))),
            Line("missed_degradations", missed[0], missed[1], missed[1]),
        ]

    def missed(self, run: Fared) -> list[Degradation]:
        """Degradations in which no alarm was raised."""
        return [each for each in self.degradations if not each.is_told(run.told)]

    @property
    def left(self) -> list[Course]:
        """Models that went another way under the policy, on either assumption."""
        found = {course.name: course for run in self.proposed for course in run.left}
        return sorted(found.values(), key=lambda course: course.name)

    @property
    def assumes(self) -> list[str]:
        """What could not be known, and what was put in its place, in words; nothing where nothing differs."""
        return list(_assumed(self))

    @property
    def weeks(self) -> list[dict[str, Any]]:
        """Alarms, retrainings and mean error by week, under both."""
        tallies = (self.current.tally, *(run.tally for run in self.proposed))
        weeks = sorted(
            {week for each in tallies for week in (*each.alarms_by_week, *each.retrains_by_week, *each.rows)}
        )
        return [
            {"week": week.isoformat()} | {name: _week(each, week) for name, each in self._named()} for week in weeks
        ]

    def _named(self) -> list[tuple[str, Tally]]:
        helps, fails = self.proposed
        return [("current", self.current.tally), ("helps", helps.tally), ("fails", fails.tally)]

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "policy": self.policy.as_document(),
            "digest": self.policy.digest,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "ledger": {"size": self.size, "root": self.root},
            "models": self.models,
            "current": {line.name: line.current for line in self.lines},
            "proposed": {line.name: [line.low, line.high] for line in self.lines},
            "degradations": _told(self.degradations),
            "missed": {
                "current": _told(self.missed(self.current)),
                "proposed": _told(self.missed(self.proposed[0])),
            },
            "reproduced": {
                "checked": dict(self.reproduced.checked),
                "differing": self.reproduced.differing,
                "differences": [asdict(each) for each in self.reproduced.differences],
            },
            "left": [{"model": each.name, "at": _moment(each.left), "why": each.why} for each in self.left],
            "retrain_seconds_a_model": self.costs.seconds,
            "segments_missing": self.skipped,
            "assumes": self.assumes,
            "weeks": self.weeks,
        }


def _assumed(report: Report) -> Iterable[str]:
    why = Counter(course.why for course in report.left)
    if why:
        told = ", ".join(f"{count} {_models(count)} {words}" for words, count in sorted(why.items()))
        yield (
            f"{told}. What nobody trained nobody measured: at one end of a range such a challenger errs as the "
            "champion did on its own baseline, at the other it fails its gates and the champion goes on"
        )
        yield "what a model answers is assumed not to change what it is asked"
    if any(course.ratios for course in report.left) or why.keys() & _PUT_BACK:
        yield (
            "the errors of a champion that history replaced are those of its successor, divided by the ratio that "
            "their rollout measured, for as long as the successor answered"
        )
    if why.get("served what a person refused") or why.get("promoted what history stopped"):
        yield "a version that history did not serve errs, beside the champion, as its last comparison said"
    unjudged = sorted({name for run in report.proposed for name in run.unjudged})
    if unjudged:
        yield (
            f"the rollouts of {len(unjudged)} models are judged on the rows that were recorded; the policy asks for "
            "more"
        )
    if report.proposed[0].tally.asked > report.current.tally.asked:
        yield "people who are asked say yes, and at once"
    if report.skipped:
        yield f"{report.skipped} segments are gone: their rows are counted under neither policy"
    if report.costs.seconds is None:
        yield "no retraining has ended in this ledger, so that nothing is known of what one costs"


_PUT_BACK = {
    "stopped what history promoted",
    "rolled back where history was not",
    "not rolled back where history was",
}


def _models(count: int) -> str:
    return "model was" if count == 1 else "models were"


def _week(tally: Tally, week: date) -> dict[str, Any]:
    rows = tally.rows[week]
    return {
        "alarms": tally.alarms_by_week[week],
        "retrains": tally.retrains_by_week[week],
        "error": tally.errors.get(week, 0.0) / rows if rows else None,
    }


def _ordered(values: Range) -> Range:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (None, None)


def _told(degradations: Iterable[Degradation]) -> list[Mapping[str, Any]]:
    return [
        {
            "model": each.model,
            "version": each.version,
            "since": rfc3339(each.since),
            "until": rfc3339(each.until),
            "worst": each.worst,
        }
        for each in degradations
    ]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
