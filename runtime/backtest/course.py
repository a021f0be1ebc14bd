"""One model's way under a policy: history's own until the policy decides otherwise, and an assumed one from there.

    follows -- the policy retrains where history did not, or not where it did, or stops or lets pass another rollout
      -> left: its own due, snooze and champion from now on; its errors are those that were recorded, times ``factor``
    left    -- the policy retrains at the very moment that history does, or nothing differs any more
      -> follows

What nobody trained nobody can measure. So each model goes both ways: one on which such a challenger ``helps``, and errs
as the champion erred on its own baseline; and one on which it ``fails`` its gates and the champion goes on. What the
report says is between the two. A version that history put in place and the policy would not have is worth what the
paired rows of its rollout said, for as long as it answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from runtime.domain import events as e
from runtime.domain.model_state import ModelState
from runtime.domain.records import replace
from runtime.domain.reports import Comparison, WindowPerformance


class Assumption(StrEnum):
    """What comes of a challenger that nobody trained."""

    HELPS = "helps"
    FAILS = "fails"


@dataclass(slots=True)
class Course:
    """A model's way; ``model`` is its own once it has left history's.

    ``version``: which champion it has then, none for one that nobody trained. ``ratios``: of versions that history
    put in place meanwhile, their error over that of what they replaced. ``cause``: what its next retraining is for.
    """

    name: str
    left: datetime | None = None
    why: str = ""
    model: ModelState | None = None
    version: int | None = None
    factor: float = 1.0
    ratios: dict[int, float] = field(default_factory=dict)
    cause: e.FindingOpened | None = None
    awaited: datetime | None = None
    rejoins: bool = False

    @property
    def follows(self) -> bool:
        """Whether all is as in history so far."""
        return self.model is None

    def leave(self, model: ModelState, at: datetime, why: str) -> None:
        """From here on its way is its own; nothing of it is under way."""
        self.left, self.why = at, why
        self.model = replace(model, due=None, due_since=None, batch=None, rollout=None)
        self.version, self.factor, self.ratios, self.awaited = model.champion, 1.0, {}, None

    def rejoin(self) -> None:
        """Nothing differs from history any more; that it did once stays told."""
        self.model, self.version, self.factor, self.rejoins = None, None, 1.0, False
        self.ratios, self.cause, self.awaited = {}, None, None

    def wants(self, finding: e.FindingOpened) -> None:
        """The policy retrains it because of this."""
        if self.model is not None:
            self.model = replace(self.model, due=finding.finding, due_since=finding.as_of)
            self.cause = finding

    def assumed(self, assume: Assumption, as_of: datetime, snooze_until: datetime) -> None:
        """A retraining that history does not know has ended."""
        if self.model is None:
            return
        self.awaited = None
        if assume is Assumption.FAILS:
            until = max(self.model.snoozed_until, snooze_until)
            self.model = replace(self.model, due=None, due_since=None, snoozed_until=until)
            return
        self.factor *= _healed(self.cause)
        former = self.model.former if self.model.champion is None else (*self.model.former, self.model.champion)
        self.model = replace(self.model, due=None, due_since=None, champion_since=as_of, former=former)
        self.version = None

    def go_back(self, ratio: float | None) -> None:
        """Its former champion answers again; ``ratio``: the error of the one that goes over that of the former."""
        if self.model is None or not self.model.former:
            return
        *former, back = self.model.former
        self.model = replace(self.model, champion=back, former=tuple(former))
        self.version, self.factor = back, self.factor / ratio if ratio else self.factor

    def promoted(self, version: int, ratio: float | None) -> None:
        """History has another champion, which it has not: what is recorded is the other's."""
        if ratio is not None and ratio > 0:
            self.factor /= ratio
            self.ratios[version] = ratio

    def rolled_back(self, version: int) -> None:
        """History has taken it back."""
        self.factor *= self.ratios.pop(version, 1.0)

    def sees(self, finding: e.FindingOpened) -> e.FindingOpened | None:
        """A finding as it is of its own champion; ``None`` for a change that this was trained on already."""
        model = self.model
        if model is None:
            return finding
        is_own = self.version is None
        if is_own and model.champion_since is not None and finding.since < model.champion_since:
            return None
        if self.factor == 1.0 or finding.recent is None:
            return finding
        return finding.model_copy(update={"recent": _times(finding.recent, self.factor)})


def ratio_of(comparison: Comparison | None) -> float | None:
    """The challenger's error over the champion's on the same rows."""
    if comparison is None or comparison.champion <= 0:
        return None
    return comparison.challenger / comparison.champion


def _healed(cause: e.FindingOpened | None) -> float:
    """The part of its errors that is left when they are those of the baseline again."""
    if cause is None or cause.recent is None or cause.baseline is None or cause.recent.mae <= 0:
        return 1.0
    return min(1.0, cause.baseline.mae / cause.recent.mae)


def _times(recent: WindowPerformance, factor: float) -> WindowPerformance:
    """The same rows with errors so many times as large; of classes each metric's distance from perfect is scaled."""
    scaled = {
        name: max(0.0, 1 - (1 - value) * factor)
        for name in ("roc_auc", "accuracy", "f1")
        if (value := getattr(recent, name)) is not None
    }
    lost = {name: value * factor for name in ("log_loss", "brier") if (value := getattr(recent, name)) is not None}
    return recent.model_copy(update={"mae": recent.mae * factor, "bias": recent.bias * factor} | scaled | lost)
