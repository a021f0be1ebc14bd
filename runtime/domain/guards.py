"""What a rollout step is guarded by, and what each guard says of the rows so far."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.terms import Share
from runtime.domain.training import Period


class Guard(StrEnum):
    """What is looked at. ``error`` needs outcomes; the others tell before them."""

    ERROR = "error"
    FAILED = "failed"
    SLOW = "slow"
    APART = "apart"


class Guardrail(Document):
    """When a rollout step ends badly, and what it must show to end well.

    ``worse_by``: the challenger's error may be above the champion's by this share. ``failed``: the share of rows that
    it may answer by no number or not at all. ``latency_p99_ms``: at most 1% of its answers may take longer. ``apart``:
    how far its answers may lie from the champion's on the same rows, as total variation of the two distributions. What
    is *surely* beyond a limit ends the step at once: all guards together end a good challenger's step with a chance of
    at most 5%, or of 1 - ``confidence``, however often they are looked at.

    Where ``confidence`` is said, a step ends well when it is shown at that confidence that the error is within its
    limit, and badly when that could not be shown in ``patience`` times its decisions (absent: 4). Else the sample's
    own error decides once there are enough decisions.

    ``watch``: for so long after a promotion, in the data's time, errors that grew or answers that fail or are late
    bring the former champion back.
    """

    worse_by: float = Field(default=0.0, ge=0)
    failed: Share | None = Field(default=None, gt=0, lt=1)
    latency_p99_ms: float | None = Field(default=None, gt=0)
    apart: Share | None = Field(default=None, gt=0, lt=1)
    confidence: Share | None = Field(default=None, ge=0.5, lt=1)
    patience: int | None = Field(default=None, ge=1, le=1000)
    watch: Period | None = None

    @model_validator(mode="after")
    def _patience_waits_for_something(self) -> Self:
        if self.patience is not None and self.confidence is None:
            raise misfit(
                "patience", str(self.patience), "a confidence beside it, such as 0.95: nothing is waited for else"
            )
        return self

    @property
    def guards(self) -> tuple[Guard, ...]:
        """Those that look."""
        asked = {Guard.FAILED: self.failed, Guard.SLOW: self.latency_p99_ms, Guard.APART: self.apart}
        return (Guard.ERROR, *(guard for guard, limit in asked.items() if limit is not None))

    @property
    def chance(self) -> float:
        """That a step of a good challenger is ended by any guard, at most."""
        return 0.05 if self.confidence is None else 1 - self.confidence

    def most(self, decisions: int) -> int:
        """Decisions after which a step that asks for so many is not waited for any more."""
        return decisions * (4 if self.patience is None else self.patience)


class GuardReading(Document):
    """One guard at one moment. Logarithms are natural, of e-values (``statistics/sequential.py``).

    ``value`` and ``limit``: of ``error`` in the metric's unit, of the others shares of rows. ``log_evidence``: that the
    challenger is beyond the limit; at ``log_threshold`` it surely is. ``log_cleared``: that it is within it, of
    ``error``.
    """

    guard: Guard
    rows: int
    value: float
    limit: float
    log_evidence: float
    log_threshold: float
    log_cleared: float | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the challenger is surely beyond the limit."""
        return self.log_evidence >= self.log_threshold

    def is_cleared(self, chance: float) -> bool:
        """Whether it is surely within it, but for this chance."""
        return self.log_cleared is not None and self.log_cleared >= -math.log(chance)
