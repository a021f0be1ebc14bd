"""Entries about rollouts: the staged move of traffic to another version."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.guards import GuardReading
from runtime.domain.ids import Digest, ModelName, VersionNumber
from runtime.domain.reports import Comparison
from runtime.domain.terms import Duration


class Stage(StrEnum):
    """How a rollout step treats the challenger.

    ``blue_green``: it answers all traffic, and the champion stays loaded and predicts beside it, so that going back is
    one change of the route.
    """

    SHADOW = "shadow"
    CANARY = "canary"
    BLUE_GREEN = "blue_green"
    FULL = "full"


class Step(Document):
    """One step of a rollout: ``share`` of traffic answered by the challenger, until ``decisions`` were judged.

    ``hold``: and not before so long, in the data's time.
    """

    stage: Stage
    share: float = Field(ge=0, le=1)
    decisions: int = Field(ge=0)
    hold: Duration | None = None


class RolloutStarted(Document):
    """A rollout of an approved version began at its first step."""

    kind: Literal["rollout_started"] = "rollout_started"
    model: ModelName
    version: VersionNumber
    steps: tuple[Step, ...] = Field(min_length=1)


class RolloutMeasured(Document):
    """The monitor judged a step's paired decisions: the evidence on which the step is decided.

    A comparison of 0 rows says nothing: a guard that needs no outcomes was first.
    """

    kind: Literal["rollout_measured"] = "rollout_measured"
    model: ModelName
    version: VersionNumber
    step: int
    comparison: Comparison
    guards: Annotated[tuple[GuardReading, ...], Field(min_length=1)] | None = None
    as_of: Moment


class RolloutAdvanced(Document):
    """The rollout moved to a later step."""

    kind: Literal["rollout_advanced"] = "rollout_advanced"
    model: ModelName
    version: VersionNumber
    step: int
    reason: str
    policy: Digest | None = None
    """What the step was judged by; nothing where a person decided."""


class RolloutPaused(Document):
    """Somebody holds a rollout at its step: it goes on to no other one, but a guard may still end it."""

    kind: Literal["rollout_paused"] = "rollout_paused"
    model: ModelName
    version: VersionNumber
    reason: str


class RolloutResumed(Document):
    """A rollout that was paused goes on."""

    kind: Literal["rollout_resumed"] = "rollout_resumed"
    model: ModelName
    version: VersionNumber
    reason: str


class WavesStopped(Document):
    """A wave of a fleet's rollout ended badly: later waves of the batch do not start."""

    kind: Literal["waves_stopped"] = "waves_stopped"
    spec: str
    batch: str
    wave: int
    fallen: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    """Models of the wave whose challenger was ended."""
    of: int
    """Models of the wave."""
    reason: str


class WavesResumed(Document):
    """Somebody lets the batch's waves go on all the same."""

    kind: Literal["waves_resumed"] = "waves_resumed"
    spec: str
    batch: str
    reason: str


class RolloutAborted(Document):
    """The rollout ended with the old champion in place."""

    kind: Literal["rollout_aborted"] = "rollout_aborted"
    model: ModelName
    version: VersionNumber
    reason: str
    policy: Digest | None = None
    """What the step was judged by; nothing where a person decided."""


class VersionPromoted(Document):
    """``champion`` moved forward to this version; the former one is superseded, and can be rolled back to."""

    kind: Literal["version_promoted"] = "version_promoted"
    model: ModelName
    version: VersionNumber
    reason: str
    policy: Digest | None = None
    """What the step was judged by; nothing where a person decided."""
    as_of: Moment | None = None


class RolledBack(Document):
    """``champion`` moved back from ``version`` to ``to``."""

    kind: Literal["rolled_back"] = "rolled_back"
    model: ModelName
    version: VersionNumber
    to: VersionNumber
    reason: str
