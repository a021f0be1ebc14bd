"""A trained model against its spec's gates, from its stored bytes on: what is judged is what will be served."""

from __future__ import annotations

import time

import numpy as np

from runtime.domain.gates import ChampionGate
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.flavors import Predictor, load
from runtime.pipeline.gates import Evidence, compare, judge
from runtime.pipeline.train import TrainedModel, measure

LATENCY_CALLS = 200
_ENOUGH_CALLS = 30
_LATENCY_BUDGET_NS = 100_000_000
"""A slow model is not called so often: after ``_ENOUGH_CALLS``, this much processor time ends the measurement."""
_WARM_UP = 10


def evaluate(spec: Spec, trained: TrainedModel, champion: Predictor | None) -> EvaluationReport:
    """Every gate of the spec on the holdout. A spec has at least one gate; a report without any never passes.

    The champion is asked about the same rows. If it was trained after some of them (it was promoted within the
    holdout), it has the advantage of having seen them: the comparison then errs on the side of keeping it.
    """
    evidence = gather(trained, champion)
    rng = np.random.default_rng(spec.train.seed)
    gates = tuple(judge(gate, evidence, rng) for gate in spec.gates)
    comparison = None
    if evidence.champion_errors is not None:
        wanted = [gate for gate in spec.gates if isinstance(gate, ChampionGate)]
        gate = wanted[0] if wanted else ChampionGate(better_than="champion")
        comparison = compare(evidence.errors, evidence.champion_errors, gate, np.random.default_rng(spec.train.seed))
    held = trained.holdout.rows
    return EvaluationReport(
        metrics=metrics(spec, trained, evidence),
        rows=len(held),
        first_time=held.first_time,
        last_time=held.last_time,
        comparison=comparison,
        gates=gates,
    )


def gather(trained: TrainedModel, champion: Predictor | None) -> Evidence:
    """Measures what the gates ask for, in this process."""
    held = trained.holdout.rows
    stored = load(trained.artifact)
    difference = np.abs(stored.predict(held.columns) - trained.predictor.predict(held.columns))
    return Evidence(
        errors=trained.holdout.predictions - held.target,
        baseline_errors=trained.holdout.naive - held.target,
        champion_errors=None if champion is None else champion.predict(held.columns) - held.target,
        slices=held.slices,
        latency_ms_p99=latency_ms_p99(stored, trained),
        artifact_bytes=len(trained.artifact),
        round_trip_difference=float(difference.max()),
    )


def latency_ms_p99(predictor: Predictor, trained: TrainedModel) -> float:
    """99th percentile of one-row predictions, in milliseconds of processor time, over rows of the holdout in turn.

    Not of the clock: what else the training machine does must not decide whether a version passes.
    """
    held = trained.holdout.rows
    taken: list[int] = []
    for call in range(_WARM_UP + LATENCY_CALLS):
        row = held.part(call % len(held), call % len(held) + 1).columns
        start = time.thread_time_ns()
        predictor.predict(row)
        taken.append(time.thread_time_ns() - start)
        if call >= _WARM_UP + _ENOUGH_CALLS and sum(taken) > _LATENCY_BUDGET_NS:
            break
    return float(np.percentile(taken[_WARM_UP:], 99)) / 1e6


def metrics(spec: Spec, trained: TrainedModel, evidence: Evidence) -> dict[str, float]:
    """By name: on the holdout, of the training median for comparison, and in cross-validation."""
    found = {
        "mae": measure("mae", evidence.errors),
        "rmse": measure("rmse", evidence.errors),
        "bias": float(evidence.errors.mean()),
        "baseline_mae": measure("mae", evidence.baseline_errors),
        "baseline_rmse": measure("rmse", evidence.baseline_errors),
        f"cross_validation_{spec.train.metric}": trained.candidate.score,
        "latency_ms_p99": evidence.latency_ms_p99,
        "artifact_bytes": float(evidence.artifact_bytes),
    }
    return found | (classified(evidence) if spec.task is Task.CLASSIFICATION else {})


def classified(evidence: Evidence) -> dict[str, float]:
    """What is said of probabilities beside; errors are probability minus truth. ``brier`` is the square of ``rmse``."""
    return {
        "brier": float(np.square(evidence.errors).mean()),
        "log_loss": measure("log_loss", evidence.errors),
        "baseline_log_loss": measure("log_loss", evidence.baseline_errors),
        "error_rate": float((np.abs(evidence.errors) > 0.5).mean()),
    }
