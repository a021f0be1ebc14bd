"""Entries about rollouts: the staged move of traffic to another version."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import ModelName, VersionNumber
from runtime.domain.reports import Comparison


class Stage(StrEnum):
    """How a rollout step treats the challenger."""

    SHADOW = "shadow"
    CANARY = "canary"
    FULL = "full"


class Step(Document):
    """One step of a rollout: ``share`` of traffic answered by the challenger, until ``decisions`` were judged."""

    stage: Stage
    share: float = Field(ge=0, le=1)
    decisions: int = Field(ge=0)


class RolloutStarted(Document):
    """A rollout of an approved version began at its first step."""

    kind: Literal["rollout_started"] = "rollout_started"
    model: ModelName
    version: VersionNumber
    steps: tuple[Step, ...] = Field(min_length=1)


class RolloutMeasured(Document):
    """The monitor judged a step's paired decisions: the evidence on which the step is decided."""

    kind: Literal["rollout_measured"] = "rollout_measured"
    model: ModelName
    version: VersionNumber
    step: int
    comparison: Comparison
    as_of: Moment


class RolloutAdvanced(Document):
    """The rollout moved to a later step."""

    kind: Literal["rollout_advanced"] = "rollout_advanced"
    model: ModelName
    version: VersionNumber
    step: int
    reason: str


class RolloutAborted(Document):
    """The rollout ended with the old champion in place."""

    kind: Literal["rollout_aborted"] = "rollout_aborted"
    model: ModelName
    version: VersionNumber
    reason: str


class VersionPromoted(Document):
    """``champion`` moved forward to this version; the former one is superseded, and can be rolled back to."""

    kind: Literal["version_promoted"] = "version_promoted"
    model: ModelName
    version: VersionNumber
    reason: str
    as_of: Moment | None = None


class RolledBack(Document):
    """``champion`` moved back from ``version`` to ``to``."""

    kind: Literal["rolled_back"] = "rolled_back"
    model: ModelName
    version: VersionNumber
    to: VersionNumber
    reason: str
