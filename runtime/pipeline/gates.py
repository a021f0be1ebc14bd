"""Each gate as a pure function from evidence to a ``GateResult``: passed or refused, with value, limit and reason.

Errors are prediction minus actual on the holdout, of the sibling that was not trained on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from runtime.domain.gates import (
    BaselineGate,
    ChampionGate,
    Gate,
    LatencyGate,
    LimitGate,
    Metric,
    NoWorseGate,
    RoundTripGate,
    SizeGate,
    SliceGate,
)
from runtime.domain.reports import Comparison, GateResult
from runtime.flavors import Column, Floats
from runtime.pipeline.train import measure
from runtime.statistics.comparison import compare_paired


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured of a version. Arrays are [holdout rows], in order of time.

    ``champion_errors`` is None when there is no champion; ``round_trip_difference`` is the largest absolute
    difference between what the stored artifact and the trained object predict.
    """

    errors: Floats
    baseline_errors: Floats
    latency_ms_p99: float
    artifact_bytes: int
    round_trip_difference: float
    champion_errors: Floats | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)


def judge(gate: Gate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    """The gate's answer; ``rng`` is drawn from by the gates that bootstrap."""
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
        case LatencyGate():
            return _at_most("latency_ms_p99", evidence.latency_ms_p99, gate.latency_ms_p99, "one-row p99 {} ms")
        case SizeGate():
            return _at_most("artifact_bytes", evidence.artifact_bytes, gate.artifact_bytes, "artifact of {} bytes")
        case RoundTripGate():
            return _at_most("round_trip", evidence.round_trip_difference, 0.0, "loaded again it differs by {}")
        case _:
            assert_never(gate)


def compare(errors: Floats, champion: Floats, gate: ChampionGate | NoWorseGate, rng: np.random.Generator) -> Comparison:
    """Paired block bootstrap of challenger and champion (or the median) on the same rows, in the metric's own unit.

    Blocks of n^(1/3) rows keep what neighbours in time have in common. For RMSE the squares are compared, and the
    bounds brought back to the unit of the target around the champion's own RMSE.
    """
    squared = gate.metric is Metric.RMSE
    a, b = (np.square(errors), np.square(champion)) if squared else (errors, champion)
    block = max(1, round(len(a) ** (1 / 3)))
    found = compare_paired(a, b, rng, confidence=gate.confidence, block_length=block)

    def unit(amount: float) -> float | None:
        if not math.isfinite(amount):
            return None
        return math.sqrt(max(found.mean_b + amount, 0.0)) - math.sqrt(found.mean_b) if squared else amount

    mine, theirs = (math.sqrt(found.mean_a), math.sqrt(found.mean_b)) if squared else (found.mean_a, found.mean_b)
    return Comparison(
        metric=gate.metric.value,
        rows=found.rows,
        champion=theirs,
        challenger=mine,
        difference=mine - theirs,
        low=unit(found.low),
        high=unit(found.high),
        confidence=gate.confidence,
    )


def _limit(gate: LimitGate, evidence: Evidence) -> GateResult:
    return _at_most(
        gate.metric.value, measure(gate.metric.value, evidence.errors), gate.max, f"{gate.metric.value} {{}}"
    )


def _baseline(gate: BaselineGate, evidence: Evidence) -> GateResult:
    metric = gate.metric.value
    naive = measure(metric, evidence.baseline_errors)
    limit = naive * (1 - gate.by)
    value = measure(metric, evidence.errors)
    # Beating means being below: a model as good as the median has learnt nothing.
    return _result(
        "better_than:baseline",
        value < limit,
        value,
        limit,
        f"{metric} {value:.6g} against {naive:.6g} of the training median, {_margin(gate.by)}",
    )


def _no_worse(gate: NoWorseGate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    name = "no_worse_than:baseline"
    if unknown := _not_finite(evidence.errors):
        return GateResult(gate=name, passed=False, reason=unknown)
    found = compare(evidence.errors, evidence.baseline_errors, gate, rng)
    measured = f"{found.metric} {found.challenger:.6g} against {found.champion:.6g} of the training median"
    if found.low is None:
        return GateResult(gate=name, passed=True, reason=f"{measured}; {found.rows} rows are too few to call it worse")
    limit = gate.by * found.champion
    return _result(
        name,
        found.low <= limit,
        found.low,
        limit,
        f"{measured}; difference at least {found.low:.6g} at {gate.confidence:g} confidence, "
        f"where {limit:.6g} is allowed",
    )


def _champion(gate: ChampionGate, evidence: Evidence, rng: np.random.Generator) -> GateResult:
    name = "better_than:champion"
    if evidence.champion_errors is None:
        return GateResult(gate=name, passed=True, reason="there is no champion to beat")
    if unknown := _not_finite(evidence.errors):
        return GateResult(gate=name, passed=False, reason=unknown)
    found = compare(evidence.errors, evidence.champion_errors, gate, rng)
    if found.high is None:
        return GateResult(gate=name, passed=False, reason=f"{found.rows} rows are too few to compare")
    limit = -gate.by * found.champion
    return _result(
        name,
        found.high < limit if gate.by == 0 else found.high <= limit,
        found.high,
        limit,
        f"{found.metric} {found.challenger:.6g} against the champion's {found.champion:.6g} on {found.rows} rows; "
        f"difference at most {found.high:.6g} at {gate.confidence:g} confidence, {_margin(gate.by)}",
    )


def _slice(gate: SliceGate, evidence: Evidence) -> GateResult:
    name = f"slice:{gate.slice}"
    values = evidence.slices[gate.slice]
    labels = sorted({value for value in values.tolist() if value is not None})
    scores = {}
    for label in labels:
        errors = evidence.errors[values == label]
        if len(errors) >= gate.min_rows:
            scores[label] = measure(gate.metric.value, errors)
    if not scores:
        reason = f"no {gate.slice} has {gate.min_rows} of the {len(values)} holdout rows, so nothing was judged"
        return GateResult(gate=name, passed=False, limit=gate.max, reason=reason)
    worst = max(scores, key=lambda label: scores[label] if math.isfinite(scores[label]) else math.inf)
    what = f"{gate.metric.value} {{}} on {gate.slice} {worst}, the worst of {len(scores)} judged"
    return _at_most(name, scores[worst], gate.max, what)


def _not_finite(errors: Floats) -> str:
    """Why errors cannot be compared in pairs, which would leave out the very rows that went wrong; or nothing."""
    bad = int((~np.isfinite(errors)).sum())
    return f"the error is not a finite number on {bad} of {len(errors)} rows" if bad else ""


def _at_most(name: str, value: float, limit: float, what: str) -> GateResult:
    passed = value <= limit
    reason = f"{what.format(f'{value:.6g}')}, {'within' if passed else 'over'} the limit {limit:.6g}"
    return _result(name, passed, value, limit, reason)


def _result(name: str, passed: bool, value: float, limit: float, reason: str) -> GateResult:  # noqa: FBT001 - the result itself
    finite = math.isfinite(value)
    return GateResult(
        gate=name,
        passed=bool(passed and finite),
        value=float(value) if finite else None,
        limit=float(limit),
        reason=reason if finite else f"{reason} (not a finite number)",
    )


def _margin(by: float) -> str:
    return f"where better by {by:.4g} of it is asked" if by else "where better is asked"
