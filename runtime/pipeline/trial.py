"""Samples of a search space, and one trial of a search: one sample scored on every model of the fleet.

A trial itself only hands out chunks of models and gathers scores, so it needs no core and no scikit-learn; the fits
run in the same warm workers as the training that follows.

    Tune -> trial (0 CPU) -> score_chunk (1 CPU) x chunks -> scores -> tune.report

With early stopping a trial goes fold by fold, and Tune ends it after one of them if its mean error is among the worse
half of those that came as far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from runtime.domain.errors import FleetwardError
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.flavors import Floats
from runtime.flavors.threads import one_thread
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from runtime.pipeline.tasks import Failed, Task, finished
from runtime.pipeline.train import Candidate, Parameters, cross_validate

TUNE_ENV = {"env_vars": {"PL_DISABLE_FORK": "1"}}
"""What Tune gives its trials, and so the tasks of a trial (ray/tune/execution/class_cache.py). Ray keeps workers of
different environments apart: training that has the same finds them warm. With another, all is slower and as right.
"""

SAMPLE = "fleetward_sample"
"""In Tune's config: the number of a sample that was drawn before."""


def samples(spec: Spec) -> list[dict[str, Any]]:
    """The points that a random search tries: of its seed alone, each once."""
    chance = np.random.default_rng(spec.train.seed)
    terms = sorted(spec.train.search.items())
    drawn = [{name: term.draw(chance.random) for name, term in terms} for _ in range(spec.train.trials)]
    return list({repr(sample): sample for sample in drawn}.values())


@dataclass(frozen=True, eq=False)
class Score:
    """A model's cross-validation under one sample; ``out_of_fold`` as in ``train.Candidate``."""

    value: float
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class Scores:
    """What a trial says of each model: its score, or why it failed. No dict, since Tune would flatten it."""

    value: dict[str, Score | str]
    parameters: dict[str, Any]

    def __repr__(self) -> str:
        """Short: Tune formats every result, printed or not, and an array of numbers takes it milliseconds."""
        return f"Scores of {len(self.value)} models"


@dataclass(frozen=True)
class Work:
    """Some models, and a Ray reference to a list of (model, rows). Within another object, the reference stays one."""

    models: Sequence[str]
    rows: Any


def trial(
    config: dict[str, Any], *, spec: Spec, schema: Schema, works: Sequence[Work], drawn: Sequence[dict[str, Any]] = ()
) -> None:
    """What Tune runs. Reports after its last fold all scores; with early stopping, after each what is known by then."""
    from ray import tune

    parameters = drawn[config[SAMPLE]] if SAMPLE in config else plain(config)
    folds = spec.train.folds
    scores: dict[str, Score | str] = {}
    for fold in range(1, folds + 1) if spec.train.early_stopping else [folds]:
        scores = scored(spec, schema, works, parameters, fold, scores)
        values = [score.value for score in scores.values() if isinstance(score, Score)]
        mean = float(np.mean(values)) if values else float("inf")
        ended = {"scores": Scores(scores, parameters)} if fold == folds else {}
        tune.report({"fold": fold, "of_folds": folds, "models": len(scores), "mean": mean, **ended})


def scored(
    spec: Spec,
    schema: Schema,
    works: Sequence[Work],
    parameters: Parameters,
    folds: int,
    before: Mapping[str, Score | str],
) -> dict[str, Score | str]:
    """All models' scores after so many folds, those of fewer being known. A model that failed is not tried again."""
    import ray

    # A task of an actor would wait for a share of the actor's own resources, of which a trial has none.
    options = {"scheduling_strategy": "DEFAULT", "max_retries": 1, **spec.train.reserved.options}
    task = ray.remote(score_chunk).options(**options)

    def start(rows: Any, models: Sequence[str]) -> Any:
        known = {model: found if isinstance(found := before.get(model), Score) else None for model in models}
        return task.remote(spec, schema, rows, parameters, folds, known)

    scores: dict[str, Score | str] = {model: score for model, score in before.items() if isinstance(score, str)}
    left = [(work, [model for model in work.models if model not in scores]) for work in works]
    for done, result in finished([Task(models, partial(start, work.rows)) for work, models in left if models]):
        scores |= dict.fromkeys(done.models, result.reason) if isinstance(result, Failed) else result
    return scores


def score_chunk(
    spec: Spec,
    schema: Schema,
    rows: Sequence[tuple[str, Rows]],
    parameters: Parameters,
    folds: int,
    known: Mapping[str, Score | None],
) -> dict[str, Score | str]:
    """Runs in a worker, on one core, for the models of ``known``."""
    with one_thread():
        return {
            model: score(spec, schema, model, window, parameters, Plan.first(spec), folds=folds, known=known[model])
            for model, window in rows
            if model in known
        }


def score(
    spec: Spec,
    schema: Schema,
    model: str,
    rows: Rows,
    parameters: Parameters,
    plan: Plan,
    *,
    folds: int | None = None,
    known: Score | None = None,
) -> Score | str:
    """A model that fails on this sample says why: its own failure, not the trial's."""
    try:
        arranged, at = plan.arrange(model, rows)
        before = None if known is None else known.out_of_fold
        candidate = cross_validate(spec, schema, arranged.part(0, at), parameters, plan, folds=folds, known=before)
    except Exception as error:  # noqa: BLE001 - whatever one model raises, the others of the trial go on
        return f"{told(error)}{_with(parameters)}"
    return Score(candidate.score, candidate.out_of_fold)


def best_of(
    spec: Spec, schema: Schema, model: str, rows: Rows, drawn: Sequence[Parameters], plan: Plan
) -> Candidate | str:
    """The best of these samples for one model, the first of equals; or why none of them could be scored."""
    best: Candidate | None = None
    failed = ""
    for parameters in drawn:
        found = score(spec, schema, model, rows, parameters, plan)
        if isinstance(found, str):
            failed = failed or found
        elif best is None or found.value < best.score:
            best = Candidate(parameters, found.value, found.out_of_fold)
    return best or failed


def told(error: Exception) -> str:
    """As a failed training is told of."""
    return str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"


def _with(parameters: Parameters) -> str:
    """Which sample it was."""
    return f" (with {', '.join(f'{name} {value}' for name, value in parameters.items())})" if parameters else ""


def plain(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Python's own numbers, so that parameters can be written as JSON."""
    return {
        name: value.item() if isinstance(value, np.generic) else value for name, value in sorted((config or {}).items())
    }
