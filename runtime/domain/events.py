"""Every ledger entry type. State is a fold of these and nothing else changes a model.

An event's data are facts, complete enough to explain the change from the entry alone. ``as_of`` is a
moment in the data's own time (a replayed year, say); the entry itself carries the wall-clock time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from runtime.domain.base import Document, Moment
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import Digest, ModelName
from runtime.domain.keeping import BodiesDeleted, LegalHoldPlaced, LegalHoldReleased
from runtime.domain.reports import Comparison, EvaluationReport, FeatureStatistic, WindowPerformance
from runtime.domain.schema import Schema
from runtime.domain.verdict import Verdict

VersionNumber = Annotated[int, Field(ge=1)]

# --- specs and models ------------------------------------------------------------------------------


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


# --- MLOps: data, training, versions ---------------------------------------------------------------


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


# --- ModelOps: approval and grants -----------------------------------------------------------------


class ApprovalRequested(Document):
    """The policy wants people to decide."""

    kind: Literal["approval_requested"] = "approval_requested"
    model: ModelName
    version: VersionNumber
    approvers: int
    role: str
    reason: str
    policy: Digest


class ApprovalGiven(Document):
    """One principal's consent; the version is approved when the policy's number is reached."""

    kind: Literal["approval_given"] = "approval_given"
    model: ModelName
    version: VersionNumber
    reason: str


class VersionApproved(Document):
    """A version may be rolled out until ``valid_until``. ``approved_by`` names people, or the policy's rule."""

    kind: Literal["version_approved"] = "version_approved"
    model: ModelName
    version: VersionNumber
    approved_by: tuple[str, ...]
    automatic: bool
    reason: str
    policy: Digest
    valid_until: Moment


class GrantIssued(Document):
    """The governor signed a grant for an approved version."""

    kind: Literal["grant_issued"] = "grant_issued"
    model: ModelName
    version: VersionNumber
    signed: SignedGrant


class GrantRevoked(Document):
    """A grant is void from now on."""

    kind: Literal["grant_revoked"] = "grant_revoked"
    model: ModelName
    version: VersionNumber
    grant_id: str
    reason: str


# --- ModelOps: rollout -----------------------------------------------------------------------------


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


# --- ModelOps: monitoring and retraining -----------------------------------------------------------


class FindingKind(StrEnum):
    """What a finding says has changed."""

    DATA_DRIFT = "data_drift"
    PERFORMANCE = "performance"


class WatermarkAdvanced(Document):
    """All traffic before ``until`` (data time) has been handed in: ticks up to it may be closed."""

    kind: Literal["watermark_advanced"] = "watermark_advanced"
    until: Moment


class TicksClosed(Document):
    """The monitor closed every tick up to ``until``; findings of them stand before this entry."""

    kind: Literal["ticks_closed"] = "ticks_closed"
    until: Moment
    ticks: int
    decisions: int
    outcomes: int


class FindingOpened(Document):
    """An alarm with its evidence. ``log_evidence`` and ``log_threshold`` are natural logarithms."""

    kind: Literal["finding_opened"] = "finding_opened"
    finding: str
    model: ModelName
    version: VersionNumber
    about: FindingKind
    as_of: Moment
    since: Moment
    log_evidence: float
    log_threshold: float
    features: tuple[FeatureStatistic, ...]
    recent: WindowPerformance | None = None
    baseline: WindowPerformance | None = None


class VerdictReached(Document):
    """The policy's answer to a finding."""

    kind: Literal["verdict_reached"] = "verdict_reached"
    finding: str
    model: ModelName
    verdict: Verdict
    policy: Digest
    as_of: Moment


class RetrainingStarted(Document):
    """The operator submitted one job for all models due at this moment."""

    kind: Literal["retraining_started"] = "retraining_started"
    batch: str
    spec: str
    models: tuple[ModelName, ...] = Field(min_length=1)
    as_of: Moment
    reason: str


class RetrainingFinished(Document):
    """The batch ended: succeeded, or failed with a reason."""

    kind: Literal["retraining_finished"] = "retraining_finished"
    batch: str
    succeeded: bool
    reason: str


# --- data plane ------------------------------------------------------------------------------------


class SegmentContent(StrEnum):
    """What a sealed segment holds."""

    DECISIONS = "decisions"
    OUTCOMES = "outcomes"


class SegmentSealed(Document):
    """A Parquet segment of records; ``record_root`` is the Merkle root of its records' leaf hashes (RFC 9162)."""

    kind: Literal["segment_sealed"] = "segment_sealed"
    content: SegmentContent
    digest: Digest
    record_root: str
    records: int
    replica: str
    epoch: str
    first_number: int
    last_number: int
    first_time: Moment
    last_time: Moment


class RecordsLost(Document):
    """Numbers of a replica's epoch that no segment holds: a gap, never silent."""

    kind: Literal["records_lost"] = "records_lost"
    replica: str
    epoch: str
    first_number: int
    last_number: int
    reason: str


class RecordsDropped(Document):
    """Records that the model's capture policy (``sampled``) did not keep, counted in one write-ahead file."""

    kind: Literal["records_dropped"] = "records_dropped"
    content: SegmentContent
    model: ModelName
    replica: str
    epoch: str
    file: int
    records: int = Field(ge=1)


class LoadRefused(Document):
    """A replica would not load a version."""

    kind: Literal["load_refused"] = "load_refused"
    model: ModelName
    version: VersionNumber
    replica: str
    reason: str


# --- control plane ---------------------------------------------------------------------------------


class GovernorStarted(Document):
    """A governor took the ledger."""

    kind: Literal["governor_started"] = "governor_started"
    epoch: int
    key_id: str
    public_key: str


class CommandRefused(Document):
    """A command that was refused, and why: refusals are history too."""

    kind: Literal["command_refused"] = "command_refused"
    command: str
    model: str | None = None
    reason: str


Event = Annotated[
    SpecApplied
    | ModelDeclared
    | PartitionSkipped
    | ModelSuspended
    | ModelResumed
    | ModelRetired
    | DatasetPrepared
    | TrainingFailed
    | VersionRegistered
    | VersionEvaluated
    | VersionRefused
    | ApprovalRequested
    | ApprovalGiven
    | VersionApproved
    | GrantIssued
    | GrantRevoked
    | RolloutStarted
    | RolloutMeasured
    | RolloutAdvanced
    | RolloutAborted
    | VersionPromoted
    | RolledBack
    | WatermarkAdvanced
    | TicksClosed
    | FindingOpened
    | VerdictReached
    | RetrainingStarted
    | RetrainingFinished
    | SegmentSealed
    | RecordsLost
    | RecordsDropped
    | LoadRefused
    | LegalHoldPlaced
    | LegalHoldReleased
    | BodiesDeleted
    | GovernorStarted
    | CommandRefused,
    Field(discriminator="kind"),
]
"""Any ledger event; ``kind`` tells which."""

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def event_from_document(document: dict[str, Any]) -> Event:
    """The event a JSON document describes. Raises ``pydantic.ValidationError`` naming what is wrong."""
    return _ADAPTER.validate_python(document)
