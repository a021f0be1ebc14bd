"""The gates of a spec: what a version must pass before it may be approved. ``pipeline/gates.py`` judges them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from runtime.domain.base import Document
from runtime.domain.behaviour import (
    CleanProcessGate,
    FallsGate,
    InvariantGate,
    MissingGate,
    OwnTestsGate,
    ReplayedGate,
    RisesGate,
)
from runtime.domain.limits import Limit
from runtime.domain.metrics import Metric
from runtime.domain.schema import TWO, Task
from runtime.domain.terms import Share


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


class FairnessGate(Document):
    """Labels of two classes treat the values of a column alike, but for a difference of at most ``max``.

    ``demographic_parity``: of the shares labelled 1; ``equalized_odds``: of the larger spread of true and false
    positive rates (``statistics/fairness.py``). Values under ``min_rows`` are not judged.
    """

    fair_over: str
    difference: Literal["demographic_parity", "equalized_odds"] = "demographic_parity"
    max: Share
    min_rows: int = 20


class CalibrationGate(Document):
    """The expected calibration error of a probability, over ten parts of equal width, is at most this."""

    calibration_error: Annotated[Share, Field(gt=0)]


class LatencyGate(Document):
    """One-row prediction time, 99th percentile, in milliseconds of processor time."""

    latency_ms_p99: float = Field(gt=0)


class SizeGate(Document):
    """Artifact size in bytes."""

    artifact_bytes: int = Field(gt=0)


class RoundTripGate(Document):
    """The stored artifact, loaded again, must predict what the trained object predicts."""

    round_trip: Literal[True]


_GATE_KEYS = (
    "slice",
    "no_worse_than",
    "better_than",
    "fair_over",
    "calibration_error",
    "invariant_to",
    "rises_with",
    "falls_with",
    "missing",
    "replayed",
    "latency_ms_p99",
    "artifact_bytes",
    "round_trip",
    "clean_process",
    "tests",
    "metric",
)
"""What tells a gate by, the first that it has; a metric alone is the plainest of them."""


def _gate_tag(value: Any) -> str | None:
    keys = value.model_dump() if isinstance(value, Document) else value
    if not isinstance(keys, dict):
        return None
    for key in _GATE_KEYS:
        if key in keys:
            return f"{key}_{keys[key]}" if key == "better_than" else key
    return None


Gate = Annotated[
    Annotated[LimitGate, Tag("metric")]
    | Annotated[BaselineGate, Tag("better_than_baseline")]
    | Annotated[NoWorseGate, Tag("no_worse_than")]
    | Annotated[ChampionGate, Tag("better_than_champion")]
    | Annotated[SliceGate, Tag("slice")]
    | Annotated[FairnessGate, Tag("fair_over")]
    | Annotated[CalibrationGate, Tag("calibration_error")]
    | Annotated[InvariantGate, Tag("invariant_to")]
    | Annotated[RisesGate, Tag("rises_with")]
    | Annotated[FallsGate, Tag("falls_with")]
    | Annotated[MissingGate, Tag("missing")]
    | Annotated[ReplayedGate, Tag("replayed")]
    | Annotated[LatencyGate, Tag("latency_ms_p99")]
    | Annotated[SizeGate, Tag("artifact_bytes")]
    | Annotated[RoundTripGate, Tag("round_trip")]
    | Annotated[CleanProcessGate, Tag("clean_process")]
    | Annotated[OwnTestsGate, Tag("tests")],
    Discriminator(
        _gate_tag,
        custom_error_type="gate",
        custom_error_message="expected a gate: metric with max or min, better_than (baseline or champion), "
        "no_worse_than, slice, fair_over, calibration_error, invariant_to, rises_with, falls_with, missing, replayed, "
        "latency_ms_p99, artifact_bytes, round_trip, clean_process or tests",
    ),
]
"""A check that passes or refuses with a reason."""


def misfit_of_gates(
    gates: Sequence[Gate], *, features: Sequence[str], task: Task, classes: int
) -> tuple[str, str, str] | None:
    """The first gate that is not for such a model: where, what was found and what was expected; or nothing."""
    for at, gate in enumerate(gates):
        strange = sorted(set(getattr(gate, "inputs", ())) - set(features))
        if strange:
            return f"gates.{at}.gate", ", ".join(strange), "names among data.features"
        if found := _not_for(gate, task, classes):
            return f"gates.{at}.gate", found, _WANTS[type(gate)]
    return None


_WANTS: dict[type[Document], str] = {
    FairnessGate: "fair_over only in a classification of two classes",
    CalibrationGate: "calibration_error only in a classification of two classes",
    RisesGate: "rises_with where answers have an order: a regression, or two classes",
    FallsGate: "falls_with where answers have an order: a regression, or two classes",
    MissingGate: "flips only in a classification",
}


def _not_for(gate: Gate, task: Task, classes: int) -> str:
    is_two = task is Task.CLASSIFICATION and classes == TWO
    if isinstance(gate, FairnessGate | CalibrationGate) and not is_two:
        return f"{classes} classes" if task is Task.CLASSIFICATION else f"a {task.value}"
    if isinstance(gate, RisesGate | FallsGate) and task is Task.CLASSIFICATION and not is_two:
        return f"{classes} classes"
    if isinstance(gate, MissingGate) and gate.flips is not None and task is Task.REGRESSION:
        return f"flips in a {task.value}"
    return ""
