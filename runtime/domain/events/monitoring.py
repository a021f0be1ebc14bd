"""Entries about what was watched, found and decided, and about retraining."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.checks import Breach
from runtime.domain.ids import Digest, ModelName, VersionNumber
from runtime.domain.reports import EstimatedPerformance, FeatureStatistic, SliceGap, WindowPerformance
from runtime.domain.verdict import Verdict


class FindingKind(StrEnum):
    """What a finding says has changed."""

    DATA_DRIFT = "data_drift"
    PERFORMANCE = "performance"
    DATA_QUALITY = "data_quality"
    SERVICE = "service"
    USE = "use"
    GOVERNANCE = "governance"
    """Of how it is answered for, not of its data: its moments are of the ledger's time."""


class WatermarkAdvanced(Document):
    """All traffic before ``until`` (data time) has been handed in: ticks up to it may be closed."""

    kind: Literal["watermark_advanced"] = "watermark_advanced"
    until: Moment


class TicksClosed(Document):
    """The monitor closed every tick up to ``until``; findings of them stand before this entry.

    Where several monitors share the models it is the share of ``monitor`` of ``monitors``; the ticks are closed when
    all of them said so. ``late``: decisions that belong to ticks closed before, and were counted in these.
    """

    kind: Literal["ticks_closed"] = "ticks_closed"
    until: Moment
    ticks: int
    decisions: int
    outcomes: int
    late: int | None = None
    monitor: int | None = None
    monitors: int | None = None


class FindingOpened(Document):
    """An alarm with its evidence. ``log_evidence`` and ``log_threshold`` are natural logarithms.

    Of failed checks ``breaches`` is the evidence, the worst first; the logarithm is of how many times its limit it is.
    """

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
    rows: int | None = None
    """Of the window that the statistics are of; a few rows of one day look like a column that broke."""
    breaches: tuple[Breach, ...] | None = None
    recent: WindowPerformance | None = None
    baseline: WindowPerformance | None = None
    estimated: EstimatedPerformance | None = None
    """What to expect of the rows since evidence grew, before their outcomes."""
    slices: tuple[SliceGap, ...] | None = None
    evidence: Digest | None = None
    """The whole evidence, a document in the object store."""


class VerdictReached(Document):
    """The policy's answer to a finding."""

    kind: Literal["verdict_reached"] = "verdict_reached"
    finding: str
    model: ModelName
    verdict: Verdict
    policy: Digest
    as_of: Moment
    incident: str | None = None
    """The common cause that the finding belongs to."""


class RetrainingStarted(Document):
    """The operator submitted one job for all models due at this moment.

    ``alarms``: since when the errors grew, of those that are retrained because of an alarm; their challengers must win
    on rows after that. ``findings``: by model, which alarm it was.
    """

    kind: Literal["retraining_started"] = "retraining_started"
    batch: str
    spec: str
    models: tuple[ModelName, ...] = Field(min_length=1)
    as_of: Moment
    reason: str
    alarms: Annotated[dict[ModelName, Moment], Field(min_length=1)] | None = None
    findings: Annotated[dict[ModelName, str], Field(min_length=1)] | None = None


class RetrainingFinished(Document):
    """The batch ended: succeeded, or failed with a reason."""

    kind: Literal["retraining_finished"] = "retraining_finished"
    batch: str
    succeeded: bool
    reason: str
