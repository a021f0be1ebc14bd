"""What is checked of every tick beside drift: the quality of its data, who asked for what, latency and errors.

A check has a limit in the spec's ``monitor.checks``. What is beyond its limit is a breach; breaches of one kind in one
tick make one finding. A share is beyond its limit if it is above it *and* the baseline's own share could not have given
so many rows by chance, so that a handful of rows is no finding.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.terms import Count, Duration, Share


class Check(StrEnum):
    """What was looked at."""

    MISSING = "missing"
    UNSEEN = "unseen"
    OUT_OF_RANGE = "out_of_range"
    CONSTANT = "constant"
    TYPE = "type"
    INFINITE = "infinite"
    DUPLICATE = "duplicate"
    FRESHNESS = "freshness"
    VOLUME = "volume"
    CLOCK = "clock"
    LATENCY = "latency"
    ERRORS = "errors"
    CALLER = "caller"
    BOUNDARY = "boundary"
    GRANT = "grant"
    APPROVAL = "approval"
    REVIEW = "review"
    OWNER = "owner"
    BREAK_GLASS = "break_glass"


class Breach(Document):
    """One check that failed: ``of`` names the feature or the caller; ``value`` is beyond ``limit``, in its unit."""

    check: Check
    of: str = ""
    value: float
    limit: float
    told: str


class Range(Document):
    """Numbers from ``low`` to ``high``, both allowed; one may be left out."""

    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.low is None and self.high is None:
            raise misfit("", "no bound", "low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise misfit("low", f"{self.low:g}", f"at most high, {self.high:g}")
        return self


Boundary = Range | Annotated[tuple[str, ...], Field(min_length=1)]
"""What a feature may be: a range of numbers, or some categories."""


class Checks(Document):
    """Limits of one model's checks; a share of 100% is never exceeded, which turns a check off.

    ``rows``: a share of fewer rows of a tick is not judged. ``missing``, ``unseen``, ``out_of_range`` (beyond what
    training saw), ``infinite``, ``type`` (values that are not what the baseline counts): shares of a feature's rows.
    ``constant``: rows in a row, over ticks, in which a feature held one value while its baseline held several; off
    unless said, since a feature such as the month is constant for long. ``duplicate``: share of rows that came
    again; off unless said, since callers may well ask again. ``stale_after``: age of the newest row at a tick's
    end. ``volume``: a tick of so many times more or fewer rows than the model's usual tick. ``ahead``: share of
    rows whose own time is after the moment they were answered; off unless said, since a question may be about
    tomorrow. ``latency_p99_ms``: of requests. ``errors``: share of rows answered by no number or refused.
    ``callers``: who may ask, or ``seen``: whoever asked in the first seven ticks. ``within``: what a feature may be
    where the model is approved; one row outside is a breach.
    """

    rows: int = Field(default=30, ge=1)
    missing: Share = 0.9
    unseen: Share = 0.5
    out_of_range: Share = 0.5
    infinite: Share = 0.01
    type: Share = 0.01
    duplicate: Share | None = None
    errors: Share = 0.05
    constant: Annotated[Count, Field(ge=1)] | None = None
    stale_after: Duration | None = None
    volume: float | None = Field(default=None, gt=1)
    ahead: Share | None = None
    latency_p99_ms: float | None = Field(default=None, gt=0)
    callers: Literal["seen", "any"] | Annotated[tuple[str, ...], Field(min_length=1)] = "seen"
    within: dict[str, Boundary] = {}
