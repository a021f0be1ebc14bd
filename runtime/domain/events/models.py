"""Entries about specs, and about models as a whole."""

from __future__ import annotations

from typing import Any, Literal

from runtime.domain.base import Document
from runtime.domain.ids import Digest, ModelName


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


class ModelRetired(Document):
    """The end of a model: nothing of it is served again."""

    kind: Literal["model_retired"] = "model_retired"
    model: ModelName
    reason: str
    successor: str | None = None
