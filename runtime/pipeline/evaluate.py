"""A trained model against its spec's gates, from its stored bytes on: what is judged is what will be served."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from runtime.domain.errors import DataError
from runtime.domain.gates import ChampionGate
from runtime.domain.metrics import METRICS
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.flavors import Floats, Predictor, load
from runtime.flavors.outputs import scores
from runtime.pipeline.gates import Evidence, compare, judge
from runtime.pipeline.probing import Probe, Recorded
from runtime.pipeline.train import TrainedModel
from runtime.statistics.scoring import value

LATENCY_CALLS = 200
_ENOUGH_CALLS = 30
_LATENCY_BUDGET_NS = 100_000_000
"""A slow model is not called so often: after ``_ENOUGH_CALLS``, this much processor time ends the measurement."""
_WARM_UP = 10


def evaluate(
    spec: Spec, trained: TrainedModel, champion: Predictor | None, recorded: Recorded | None = None
) -> EvaluationReport:
    """Every gate of the spec on the holdout. A spec has at least one gate; a report without any never passes.

    ``recorded`` is what the champion was asked in production, for the gate that replays it.

    The champion is asked about the same rows. If it was trained after some of them (it was promoted within the
    holdout), it has the advantage of having seen them: the comparison then errs on the side of keeping it.
    """
    evidence = gather(trained, champion, recorded)
    rng = np.random.default_rng(spec.train.seed)
    gates = tuple(judge(gate, evidence, rng) for gate in spec.gates)
    comparison = None
    if evidence.champion is not None:
        wanted = [gate for gate in spec.gates if isinstance(gate, ChampionGate)]
        gate = wanted[0] if wanted else ChampionGate(better_than="champion", metric=METRICS[spec.task][0])
        comparison = compare(evidence, evidence.champion, gate, np.random.default_rng(spec.train.seed))
    held = trained.holdout.rows
    return EvaluationReport(
        metrics=metrics(spec, trained, evidence),
        rows=len(held),
        first_time=held.first_time,
        last_time=held.last_time,
        comparison=comparison,
        gates=gates,
    )


def gather(trained: TrainedModel, champion: Predictor | None, recorded: Recorded | None = None) -> Evidence:
    """Measures what the gates ask for, in this process."""
    held = trained.holdout.rows
    stored = load(trained.artifact)
    difference = np.abs(scores(stored, held.columns) - scores(trained.predictor, held.columns))
    answers = trained.holdout.predictions
    return Evidence(
        truth=held.target,
        answers=answers,
        naive=np.broadcast_to(trained.holdout.naive, answers.shape),
        champion=None if champion is None else _champions(trained, champion),
        slices=held.slices,
        latency_ms_p99=latency_ms_p99(stored, trained),
        artifact_bytes=len(trained.artifact),
        round_trip_difference=float(difference.max()),
        probe=Probe(
            schema=stored.schema,
            columns=held.columns,
            truth=held.target,
            ask=partial(scores, stored),
            sibling=partial(scores, trained.holdout.sibling),
            artifact=trained.artifact,
            has_champion=champion is not None,
            recorded=recorded,
        ),
    )


def _champions(trained: TrainedModel, champion: Predictor) -> Floats:
    """Its answers on the holdout. Raises ``DataError`` if it answers another question, or takes other columns."""
    mine, theirs = trained.predictor.schema, champion.schema
    if (mine.outputs, mine.classes) != (theirs.outputs, theirs.classes):
        names = ", ".join(theirs.classes or [field.name for field in theirs.outputs])
        raise DataError(
            trained.model, f"its champion answers {names}, which cannot be compared with this spec's answers"
        )
    kinds = {field.name: field.kind for field in mine.inputs}
    for field in theirs.inputs:
        if (now := kinds.get(field.name)) is not field.kind:
            is_now = "is no feature any more" if now is None else f"is a {now.value} now"
            raise DataError(trained.model, f"feature {field.name!r} {is_now}, and a {field.kind.value} to its champion")
    return scores(champion, trained.holdout.rows.columns)


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
    """By name: on the holdout, of the naive predictor for comparison, and in cross-validation.

    Without those that these rows do not tell, such as roc_auc of rows of one class.
    """
    found: dict[str, float] = {}
    for metric in METRICS[spec.task]:
        found[metric.value] = value(metric, evidence.answers, evidence.truth)
        found[f"baseline_{metric.value}"] = value(metric, evidence.naive, evidence.truth)
    if evidence.answers.ndim == 1:
        found["bias"] = float((evidence.answers - evidence.truth).mean())
    told = {name: number for name, number in found.items() if spec.task is Task.REGRESSION or np.isfinite(number)}
    return told | {
        f"cross_validation_{spec.train.metric.value}": spec.train.metric.error_of(trained.candidate.score),
        "latency_ms_p99": evidence.latency_ms_p99,
        "artifact_bytes": float(evidence.artifact_bytes),
    }
