"""A verdict says what to do and why; a refusal carries its reason and numbers, never a bare False."""

from __future__ import annotations

from enum import StrEnum

from runtime.domain.base import Document


class Action(StrEnum):
    """What may follow from a finding."""

    NOTHING = "nothing"
    RETRAIN = "retrain"
    RECALIBRATE = "recalibrate"
    ROLL_BACK = "roll_back"
    CALL_A_PERSON = "call_a_person"


class Verdict(Document):
    """The action, its reason in words, and the numbers the reason rests on."""

    action: Action
    reason: str
    numbers: dict[str, float] = {}


class StepVerdict(StrEnum):
    """What to do with a running rollout step."""

    WAIT = "wait"
    ADVANCE = "advance"
    ABORT = "abort"
