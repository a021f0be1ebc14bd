"""Decisions and outcomes as they leave a replica.

A *decision id* (UUIDv7) names one answered request; a request of several rows makes one decision record a
row, named by (decision id, row). An outcome names the same pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Variant(StrEnum):
    """Which version answered, and how: ``shadow`` answers are recorded and dropped."""

    CHAMPION = "champion"
    CANARY = "canary"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Decision:
    """All rows that one version predicted for one request.

    ``numbers`` and ``texts`` hold the input columns in schema order, each of ``rows`` values (None or NaN where
    missing); ``outputs`` the first output column. ``time`` is the wall clock, ``event_time`` the moment the
    caller says the data is of (the same, unless a past is replayed).

    Of a request that named its data subject, ``subject`` is the pseudonym, ``sealed`` holds the inputs of each row as
    ciphertext under the subject's key, and ``numbers`` and ``texts`` are empty: nothing keeps them in the clear.
    """

    decision_id: str
    time: datetime
    event_time: datetime
    model: str
    version: int
    artifact: str
    grant_id: str
    variant: Variant
    caller: str
    trace_id: str
    latency_us: int
    numbers: tuple[list[float | None], ...]
    texts: tuple[list[str | None], ...]
    outputs: list[float]
    flags: tuple[str, ...] = field(default=())
    subject: str = ""
    sealed: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many decision records this makes."""
        return len(self.outputs)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The truth of a decision's rows, arrived later: ``actuals[i]`` belongs to ``rows[i]``."""

    decision_id: str
    time: datetime
    model: str
    caller: str
    rows: list[int]
    actuals: list[float]
