"""What people say to a finding, how one cause of many findings is told, and every legal move between.

    open, acknowledged or snoozed  ->  acknowledged, snoozed (again), or one that ends it:
                                       accepted    the recent window is the baseline from now on
                                       dismissed   a false alarm
                                       resolved    what it told of is repaired

An incident is what many models of one source found together. It is answered in the same words, but never accepted: a
baseline is one model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.errors import FleetwardError, IllegalMove
from runtime.domain.ids import ModelName
from runtime.domain.verdict import Verdict


class Answer(StrEnum):
    """What a person says to a finding."""

    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"


FINAL = frozenset({Answer.ACCEPTED, Answer.DISMISSED, Answer.RESOLVED})
"""After these nothing more is said."""

_LEGAL: dict[Answer | None, frozenset[Answer]] = {
    None: frozenset(Answer),
    Answer.ACKNOWLEDGED: frozenset(Answer) - {Answer.ACKNOWLEDGED},
    Answer.SNOOZED: frozenset(Answer),
} | dict.fromkeys(FINAL, frozenset())


def require_legal(what: str, before: Answer | None, said: Answer) -> None:
    """Raises ``IllegalMove`` naming the legal answers."""
    if said not in _LEGAL[before]:
        legal = ", ".join(sorted(_LEGAL[before])) or "none"
        stands = "open" if before is None else before.value
        raise IllegalMove(what, f"it is {stands}; legal answers are: {legal}")


class FindingAnswered(Document):
    """A person's answer to a finding or an incident. ``until``, in the data's time, stands with ``snoozed`` alone."""

    kind: Literal["finding_answered"] = "finding_answered"
    finding: str
    model: ModelName | None = None
    """Whose finding it is; of an incident nobody's."""
    answer: Answer
    until: Moment | None = None
    reason: str


class Direction(StrEnum):
    """Which way a feature moved. The first three look like a column that broke rather than a world that changed."""

    MISSING = "missing"
    UNSEEN = "unseen"
    CONSTANT = "constant"
    PRESENT = "present"
    UP = "up"
    DOWN = "down"
    SHAPE = "shape"


ENOUGH_ROWS = 30
"""Fewer rows may all lie in one place since they are of one day: an afternoon has one temperature."""
BROKEN = frozenset({Direction.MISSING, Direction.UNSEEN, Direction.CONSTANT})


class IncidentOpened(Document):
    """Many models of one source alarmed on one feature in one direction at once: one cause, told once.

    ``watched`` models read the feature from the source; ``log_chance`` bounds the natural logarithm of the chance
    that so many of them alarm within ``checks`` checks by themselves.
    """

    kind: Literal["incident_opened"] = "incident_opened"
    incident: str
    source: str
    feature: str
    direction: Direction
    as_of: Moment
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    findings: Annotated[tuple[str, ...], Field(min_length=1)]
    watched: int
    checks: int
    log_chance: float
    verdict: Verdict


class UnknownFinding(FleetwardError):
    """No finding and no incident has this id, or several begin with it."""

    status: ClassVar[int] = 404

    def __init__(self, finding: str, reason: str) -> None:
        super().__init__(finding, reason)
        self.finding, self.reason = finding, reason

    def __str__(self) -> str:
        return f"no finding is meant by {self.finding!r}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Answered:
    """The newest answer, who gave it and where it stands in the ledger."""

    answer: Answer
    by: str
    seq: int
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """A finding as one of many that may have one cause."""

    model: str
    finding: str
    as_of: datetime
    log_threshold: float


def cause_of(source: str, feature: str, direction: Direction) -> str:
    """One name for one cause."""
    return f"{feature} {direction.value} {source}"
