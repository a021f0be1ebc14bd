"""The gates of a spec: what a version must pass before it may be approved. ``pipeline/gates.py`` judges them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from runtime.domain.base import Document
from runtime.domain.metrics import Metric
from runtime.domain.misfit import misfit
from runtime.domain.terms import Share


class Limit(Document):
    """A metric and how far it may go: ``max`` of an error, ``min`` of what is better the more there is of it."""

    metric: Metric
    max: float | None = None
    min: Share | None = None

    @model_validator(mode="after")
    def _has_its_one_limit(self) -> Self:
        wanted, other = ("min", "max") if self.metric.more_is_better else ("max", "min")
        if getattr(self, other) is not None:
            more = "more" if self.metric.more_is_better else "less"
            raise misfit(other, f"{getattr(self, other):g}", f"{wanted}, since {more} {self.metric.value} is better")
        if getattr(self, wanted) is None:
            raise misfit(wanted, "nothing", f"the limit of {self.metric.value}")
        return self

    @property
    def limit(self) -> float:
        """Whichever of the two it is."""
        return self.min if self.min is not None else self.max if self.max is not None else float("nan")


class LimitGate(Limit):
    """A metric on the holdout must not pass a limit."""


class BaselineGate(Document):
    """The version must beat the naive predictor (the median, or the shares of the classes) by a share of its error."""

    better_than: Literal["baseline"]
    metric: Metric = Metric.MAE
    by: Share = 0.0


class NoWorseGate(Document):
    """The version must not be shown to err more than the naive predictor by a share of its error.

    Refused if the whole interval says so.

    Where a model can learn little, beating it on a few rows is a matter of luck; this is not.
    """

    no_worse_than: Literal["baseline"]
    metric: Metric = Metric.MAE
    by: Share = 0.0
    confidence: Share = 0.95


class ChampionGate(Document):
    """The challenger must beat the champion on the same rows: the interval's bound passes ``by`` of its error."""

    better_than: Literal["champion"]
    metric: Metric = Metric.MAE
    by: Share = 0.0
    confidence: Share = 0.95


class SliceGate(Limit):
    """A metric within each value of a column must not pass a limit; slices under ``min_rows`` are not judged."""

    slice: str
    min_rows: int = 20


class LatencyGate(Document):
    """One-row prediction time, 99th percentile, in milliseconds of processor time."""

    latency_ms_p99: float = Field(gt=0)


class SizeGate(Document):
    """Artifact size in bytes."""

    artifact_bytes: int = Field(gt=0)


class RoundTripGate(Document):
    """The stored artifact, loaded again, must predict what the trained object predicts."""

    round_trip: Literal[True]


_GATE_KEYS = {
    "slice": "slice",
    "no_worse_than": "no_worse_than",
    "better_than": "better_than",
    "latency_ms_p99": "latency_ms_p99",
    "artifact_bytes": "artifact_bytes",
    "round_trip": "round_trip",
    "metric": "metric",
}


def _gate_tag(value: Any) -> str | None:
    keys = value.model_dump() if isinstance(value, Document) else value
    if not isinstance(keys, dict):
        return None
    for key, tag in _GATE_KEYS.items():
        if key in keys:
            return f"{tag}_{keys[key]}" if tag == "better_than" else tag
    return None


Gate = Annotated[
    Annotated[LimitGate, Tag("metric")]
    | Annotated[BaselineGate, Tag("better_than_baseline")]
    | Annotated[NoWorseGate, Tag("no_worse_than")]
    | Annotated[ChampionGate, Tag("better_than_champion")]
    | Annotated[SliceGate, Tag("slice")]
    | Annotated[LatencyGate, Tag("latency_ms_p99")]
    | Annotated[SizeGate, Tag("artifact_bytes")]
    | Annotated[RoundTripGate, Tag("round_trip")],
    Discriminator(
        _gate_tag,
        custom_error_type="gate",
        custom_error_message="expected a gate: metric with max or min, better_than (baseline or champion), "
        "no_worse_than, slice, latency_ms_p99, artifact_bytes or round_trip",
    ),
]
"""A check that passes or refuses with a reason."""
