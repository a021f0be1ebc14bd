"""Entries of the data plane: segments of decision records, gaps, loads that were refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import Digest, ModelName, VersionNumber


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
