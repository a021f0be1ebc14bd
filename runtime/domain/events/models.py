"""Entries about specs, and about models as a whole."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from runtime.domain.base import Document, Moment
from runtime.domain.ids import Digest, ModelName, VersionNumber


class SpecApplied(Document):
    """An owner applied a spec; ``spec`` is the whole document, ``digest`` of its canonical JSON."""

    kind: Literal["spec_applied"] = "spec_applied"
    name: str
    digest: Digest
    spec: dict[str, Any]


class ModelDeclared(Document):
    """A spec (one partition of it, for a fleet) became a model."""

    kind: Literal["model_declared"] = "model_declared"
    model: ModelName
    spec: str
    partition: dict[str, str]


class PartitionSkipped(Document):
    """A partition of a fleet cannot be a model, and why (too few rows, unusable data)."""

    kind: Literal["partition_skipped"] = "partition_skipped"
    spec: str
    partition: dict[str, str]
    reason: str


class ModelSuspended(Document):
    """Stop serving a model; its grants stay void until it is resumed."""

    kind: Literal["model_suspended"] = "model_suspended"
    model: ModelName
    reason: str


class ModelResumed(Document):
    """Serve a suspended model again."""

    kind: Literal["model_resumed"] = "model_resumed"
    model: ModelName
    reason: str


class RetirementAnnounced(Document):
    """A model goes on until a moment and no longer: its callers are told with every answer from now on."""

    kind: Literal["retirement_announced"] = "retirement_announced"
    model: ModelName
    until: Moment
    reason: str
    successor: ModelName | None = None


class RetirementCancelled(Document):
    """A model that was to be retired stays."""

    kind: Literal["retirement_cancelled"] = "retirement_cancelled"
    model: ModelName
    reason: str


class ModelRetired(Document):
    """The end of a model: nothing of it is served again. ``announced`` is the end that its callers were told."""

    kind: Literal["model_retired"] = "model_retired"
    model: ModelName
    reason: str
    successor: str | None = None
    announced: Moment | None = None


class Fitness(StrEnum):
    """What somebody who looked at a model says of it."""

    FIT = "fit"
    WITH_CONDITIONS = "with_conditions"
    UNFIT = "unfit"


class ModelReviewed(Document):
    """Somebody who did not make it looked at a model, and says whether it is fit for its use."""

    kind: Literal["model_reviewed"] = "model_reviewed"
    model: ModelName
    version: VersionNumber
    found: Fitness
    reason: str
