"""One trial of a search: one sample of the space, scored on every model of the fleet.

The trial itself only hands out chunks of models and gathers scores, so it needs no core and no scikit-learn; the fits
run in the same warm workers as the training that follows.

    Tune -> trial (0 CPU) -> score_chunk (1 CPU) x chunks -> scores -> tune.report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.domain.errors import FleetwardError
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.flavors import Floats
from runtime.flavors.threads import one_thread
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from runtime.pipeline.train import Parameters, cross_validate

TUNE_ENV = {"env_vars": {"PL_DISABLE_FORK": "1"}}
"""What Tune gives its trials, and so the tasks of a trial (ray/tune/execution/class_cache.py). Ray keeps workers of
different environments apart: training that has the same finds them warm. With another, all is slower and as right.
"""


@dataclass(frozen=True, eq=False)
class Score:
    """A model's cross-validation under one sample; ``out_of_fold`` as in ``train.Candidate``."""

    value: float
    out_of_fold: Floats


@dataclass(frozen=True, eq=False)
class Scores:
    """What a trial says of each model: its score, or why it failed. No dict, since Tune would flatten it."""

    value: dict[str, Score | str]

    def __repr__(self) -> str:
        """Short: Tune formats every result, printed or not, and an array of numbers takes it milliseconds."""
        return f"Scores of {len(self.value)} models"


@dataclass(frozen=True)
class Work:
    """Some models, and a Ray reference to a list of (model, rows). Within another object, the reference stays one."""

    models: Sequence[str]
    rows: Any


def trial(config: dict[str, Any], *, spec: Spec, schema: Schema, works: Sequence[Work]) -> None:
    """What Tune runs. Reports after each chunk how many models are scored, and at last all scores."""
    import ray
    from ray import tune

    # A task of an actor would wait for a share of the actor's own resources, of which a trial has none.
    task = ray.remote(score_chunk).options(scheduling_strategy="DEFAULT")
    parameters = plain(config)
    waiting = {task.remote(spec, schema, work.rows, parameters): work.models for work in works}
    scores: dict[str, Score | str] = {}
    total = sum(len(work.models) for work in works)
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        models = waiting.pop(ready)
        try:
            scores |= ray.get(ready)
        except ray.exceptions.RayError as error:  # its worker died, again and again, or its rows cannot be read
            scores |= dict.fromkeys(models, f"{type(error).__name__}: {error}")
        if waiting:
            tune.report({"models": len(scores), "of": total})
    values = [score.value for score in scores.values() if isinstance(score, Score)]
    mean = float(np.mean(values)) if values else float("inf")
    tune.report({"models": total, "of": total, "mean": mean, "scores": Scores(scores)})


def score_chunk(
    spec: Spec, schema: Schema, rows: Sequence[tuple[str, Rows]], parameters: Parameters
) -> dict[str, Score | str]:
    """Runs in a worker, on one core."""
    with one_thread():
        return {model: score(spec, schema, model, window, parameters) for model, window in rows}


def score(spec: Spec, schema: Schema, model: str, rows: Rows, parameters: Parameters) -> Score | str:
    """A model that fails on this sample says why: its own failure, not the trial's."""
    plan = Plan.first(spec)
    try:
        arranged, at = plan.arrange(model, rows)
        candidate = cross_validate(spec, schema, arranged.part(0, at), parameters, plan)
    except Exception as error:  # noqa: BLE001 - whatever one model raises, the others of the trial go on
        return str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"
    return Score(candidate.score, candidate.out_of_fold)


def plain(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Python's own numbers, so that parameters can be written as JSON."""
    return {
        name: value.item() if isinstance(value, np.generic) else value for name, value in sorted((config or {}).items())
    }
