"""Entries of the MLOps plane: data, training, versions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import Digest, ModelName, VersionNumber
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import Schema


class DecisionsRead(Document):
    """The recorded decisions that a dataset was made of.

    ``read`` names an object that lists models and segments, as the ledger named them when it had so many ``entries``.
    ``rows`` were taken; ``left_out``: how many were not, by why.
    """

    read: Digest
    entries: int
    rows: int
    left_out: dict[str, int]


class DatasetPrepared(Document):
    """A dataset was read, checked and stored; ``digest`` is the same for the same content."""

    kind: Literal["dataset_prepared"] = "dataset_prepared"
    spec: str
    digest: Digest
    rows: int
    partitions: int
    columns: tuple[str, ...]
    first_time: Moment
    last_time: Moment
    quarantined: int | None = None
    """Rows that broke a check and were left out; ``broke``: how many broke which."""
    broke: dict[str, int] | None = None
    decisions: DecisionsRead | None = None
    """Of data that were recorded in production."""


class TrainingFailed(Document):
    """One model could not be trained; the others of its batch went on."""

    kind: Literal["training_failed"] = "training_failed"
    model: ModelName
    batch: str
    reason: str


class VersionRegistered(Document):
    """A trained, packaged version. Everything needed to say what it was made from."""

    kind: Literal["version_registered"] = "version_registered"
    model: ModelName
    version: VersionNumber
    parent: int | None = None
    artifact: Digest
    artifact_bytes: int
    package: Digest
    baseline: Digest
    flavor: str
    estimator: str
    parameters: dict[str, Any]
    seed: int
    schema_: Schema = Field(alias="schema", serialization_alias="schema")
    dataset: Digest
    train_rows: int
    first_time: Moment
    last_time: Moment
    as_of: Moment
    batch: str
    code_revision: str
    environment: dict[str, str]
    card: Digest | None = None
    """The model card that the package holds."""


class VersionEvaluated(Document):
    """The gates' report on a version."""

    kind: Literal["version_evaluated"] = "version_evaluated"
    model: ModelName
    version: VersionNumber
    report: EvaluationReport


class VersionRefused(Document):
    """A version that will never serve: its gates refused, or a person rejected it."""

    kind: Literal["version_refused"] = "version_refused"
    model: ModelName
    version: VersionNumber
    reason: str
