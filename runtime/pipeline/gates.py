"""Each gate as a pure function from evidence to a ``GateResult``: passed or refused, with value, limit and reason.

Answers are those of the sibling that was not trained on the holdout. What is compared are errors, of which less is
better (``domain/metrics.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from runtime.domain.behaviour import (
    CleanProcessGate,
    FallsGate,
    InvariantGate,
    MissingGate,
    OwnTestsGate,
    ReplayedGate,
    RisesGate,
)
from runtime.domain.gates import (
    BaselineGate,
    CalibrationGate,
    ChampionGate,
    FairnessGate,
    Gate,
    LatencyGate,
    LimitGate,
    NoWorseGate,
    RoundTripGate,
    SizeGate,
    SliceGate,
)
from runtime.domain.metrics import METRICS, Metric
from runtime.domain.reports import Comparison, GateResult
from runtime.domain.schema import Task
from runtime.flavors import Column, Floats
from runtime.pipeline import apart, probing
from runtime.pipeline.probing import Probe
from runtime.pipeline.results import at_most, refused, result, share, within
from runtime.statistics.calibration import calibration_error
from runtime.statistics.classification import ScoreCounts
from runtime.statistics.comparison import compare_losses
from runtime.statistics.fairness import demographic_parity_difference, equalized_odds_difference, table_of
from runtime.statistics.scoring import compared, error, losses, value


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured of a version. Arrays are [holdout rows], in order of time, as ``scoring`` takes them.

    ``naive`` are the answers of what looks at no column; ``champion`` is None when there is no champion.
    ``round_trip_difference`` is the largest absolute difference between what the stored artifact and the trained object
    predict. ``probe`` is the version itself, for the gates that ask it.
    """

    truth: Floats
    answers: Floats
    naive: Floats
    latency_ms_p99: float
    artifact_bytes: int
    round_trip_difference: float
    champion: Floats | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    probe: Probe | None = None


def judge(gate: Gate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    """The gate's answer; ``rng`` is drawn from by the gates that bootstrap."""
    if isinstance(gate, InvariantGate | RisesGate | FallsGate | MissingGate | ReplayedGate):
        return probing.judge(gate, evidence.probe)
    if isinstance(gate, CleanProcessGate | OwnTestsGate):
        return apart.judge(gate, evidence.probe)
    if isinstance(gate, LatencyGate | SizeGate | RoundTripGate):
        return _measured(gate, evidence)
    match gate:
        case LimitGate():
            return _limit(gate, evidence)
        case BaselineGate():
            return _baseline(gate, evidence)
        case NoWorseGate():
            return _no_worse(gate, evidence, rng)
        case ChampionGate():
            return _champion(gate, evidence, rng)
        case SliceGate():
            return _slice(gate, evidence)
        case FairnessGate():
            return _fairness(gate, evidence)
        case CalibrationGate():
            return _calibration(gate, evidence)
        case _:
            assert_never(gate)


def _measured(gate: LatencyGate | SizeGate | RoundTripGate, evidence: Evidence) -> GateResult:
    if isinstance(gate, LatencyGate):
        return at_most("latency_ms_p99", evidence.latency_ms_p99, gate.latency_ms_p99, "one-row p99 {} ms")
    if isinstance(gate, SizeGate):
        return at_most("artifact_bytes", evidence.artifact_bytes, gate.artifact_bytes, "artifact of {} bytes")
    return at_most("round_trip", evidence.round_trip_difference, 0.0, "loaded again it differs by {}")


def compare(
    evidence: Evidence, other: Floats, gate: ChampionGate | NoWorseGate, rng: np.random.Generator
) -> Comparison:
    """Paired block bootstrap of the version and ``other`` (the champion, or the naive predictor) on the same rows.

    Blocks of n^(1/3) rows keep what neighbours in time have in common. Of errors, in the metric's own unit.
    """
    mine = losses(gate.metric, evidence.answers, evidence.truth)
    theirs = losses(gate.metric, other, evidence.truth)
    block = max(1, round(len(mine) ** (1 / 3)))
    found = compare_losses(mine, theirs, rng, confidence=gate.confidence, block_length=block)
    return compared(found, gate.metric)


def _limit(gate: LimitGate, evidence: Evidence) -> GateResult:
    metric = gate.metric
    return within(metric.value, gate, value(metric, evidence.answers, evidence.truth), f"{metric.value} {{}}")


def _baseline(gate: BaselineGate, evidence: Evidence) -> GateResult:
    metric = gate.metric
    naive = error(metric, evidence.naive, evidence.truth)
    limit = naive * (1 - gate.by)
    mine = error(metric, evidence.answers, evidence.truth)
    # Beating means being below: a model as good as the naive predictor has learnt nothing.
    return result(
        "better_than:baseline",
        mine < limit,
        mine,
        limit,
        f"{metric.error_name} {mine:.6g} against {naive:.6g} of {_naive(metric)}, {_margin(gate.by)}",
    )


def _no_worse(gate: NoWorseGate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    name = "no_worse_than:baseline"
    if unknown := _unknown(gate.metric, evidence.answers, evidence):
        return GateResult(gate=name, passed=False, reason=unknown)
    found = compare(evidence, evidence.naive, gate, rng)
    measured = f"{found.metric} {found.challenger:.6g} against {found.champion:.6g} of {_naive(gate.metric)}"
    if found.low is None:
        return GateResult(gate=name, passed=True, reason=f"{measured}; {found.rows} rows are too few to call it worse")
    limit = gate.by * found.champion
    return result(
        name,
        found.low <= limit,
        found.low,
        limit,
        f"{measured}; difference at least {found.low:.6g} at {gate.confidence:g} confidence, "
        f"where {limit:.6g} is allowed",
    )


def _champion(gate: ChampionGate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    name = "better_than:champion"
    if evidence.champion is None:
        return GateResult(gate=name, passed=True, reason="there is no champion to beat")
    if unknown := _unknown(gate.metric, evidence.answers, evidence):
        return GateResult(gate=name, passed=False, reason=unknown)
    found = compare(evidence, evidence.champion, gate, rng)
    if found.high is None:
        return GateResult(gate=name, passed=False, reason=f"{found.rows} rows are too few to compare")
    limit = -gate.by * found.champion
    return result(
        name,
        found.high < limit if gate.by == 0 else found.high <= limit,
        found.high,
        limit,
        f"{found.metric} {found.challenger:.6g} against the champion's {found.champion:.6g} on {found.rows} rows; "
        f"difference at most {found.high:.6g} at {gate.confidence:g} confidence, {_margin(gate.by)}",
    )


def _slice(gate: SliceGate, evidence: Evidence) -> GateResult:
    name, metric = f"slice:{gate.slice}", gate.metric
    values = evidence.slices[gate.slice]
    labels = sorted({value for value in values.tolist() if value is not None})
    errors = {}
    for label in labels:
        mine = values == label
        if mine.sum() >= gate.min_rows:
            errors[label] = error(metric, evidence.answers[mine], evidence.truth[mine])
    if not errors:
        reason = f"no {gate.slice} has {gate.min_rows} of the {len(values)} holdout rows, so nothing was judged"
        return GateResult(gate=name, passed=False, limit=gate.limit, reason=reason)
    worst = max(errors, key=lambda label: errors[label] if math.isfinite(errors[label]) else math.inf)
    what = f"{metric.value} {{}} on {gate.slice} {worst}, the worst of {len(errors)} judged"
    return within(name, gate, metric.error_of(errors[worst]), what)


def _fairness(gate: FairnessGate, evidence: Evidence) -> GateResult:
    name = f"fair_over:{gate.fair_over}"
    values, known = evidence.slices[gate.fair_over], np.isfinite(evidence.answers)
    if not known.all():
        return refused(name, f"{int((~known).sum())} of {len(known)} answers are no finite numbers", gate.max)
    tables = {
        label: table_of(evidence.answers[mine] >= 0.5, evidence.truth[mine] == 1)
        for label in sorted({value for value in values.tolist() if value is not None})
        if (mine := values == label).sum() >= gate.min_rows
    }
    measure = demographic_parity_difference if gate.difference == "demographic_parity" else equalized_odds_difference
    found = measure(np.array([*tables.values()])) if tables else None
    if found is None:
        reason = f"fewer than two {gate.fair_over} have {gate.min_rows} holdout rows with such a rate"
        return refused(name, reason, gate.max)
    shares = {label: float(table[:, 1].sum() / table.sum()) for label, table in tables.items()}
    least, most = (by(shares, key=lambda label: shares[label]) for by in (min, max))
    what = f"{gate.difference.replace('_', ' ')} difference {{}} over {len(shares)} {gate.fair_over}"
    spread = f"{share(shares[most])} of {most} are labelled 1, {share(shares[least])} of {least}"
    return at_most(name, found, gate.max, f"{what} ({spread})")


def _calibration(gate: CalibrationGate, evidence: Evidence) -> GateResult:
    name, counts = "calibration_error", ScoreCounts.of(evidence.answers, evidence.truth)
    if counts.unusable or not counts.rows:
        reason = f"{counts.unusable} of {len(evidence.truth)} answers are no finite numbers"
        return refused(name, reason, gate.calibration_error)
    what = f"calibration error {{}} over {counts.rows} rows"
    return at_most(name, calibration_error(counts), gate.calibration_error, what)


def _naive(metric: Metric) -> str:
    """What looks at no column, in words."""
    return "the training median" if metric in METRICS[Task.REGRESSION] else "the training shares"


def _unknown(metric: Metric, answers: Floats, evidence: Evidence) -> str:
    """Why errors cannot be compared in pairs, which would leave out the very rows that went wrong; or nothing."""
    mine = losses(metric, answers, evidence.truth)
    bad = int((~np.isfinite(mine)).sum())
    if metric is Metric.ROC_AUC and bad and np.isfinite(answers).all():
        return f"roc_auc cannot be told of {len(mine)} rows: a class is missing there"
    return f"the error is not a finite number on {bad} of {len(mine)} rows" if bad else ""


def _margin(by: float) -> str:
    return f"where better by {by:.4g} of it is asked" if by else "where better is asked"
