"""Hyperparameter search for a whole fleet at once, with Ray Tune.

One trial is one sample of the space, tried on every model of the fleet, so 171 models do not pay 171 times for
starting trials (see ``trial``). A trial reports its mean score to Tune, and each model's score and out-of-fold
predictions beside it; afterwards every model takes the sample that was best for itself.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.domain.terms import Distribution, SearchTerm
from runtime.flavors import fitting
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.train import Candidate
from runtime.pipeline.trial import Score, Work, plain, trial

_TRIAL_MEMORY = 1 << 20
"""Tune wants a trial to ask for something. Not for a share of a core, which would keep one task of two from running."""

Progress = Callable[[int, int, str], None]
"""``on_progress(done, total, what)``."""


def constants(spec: Spec) -> dict[str, Any]:
    """The parameters of a space that leaves nothing to choose."""
    return {name: term.values[0] for name, term in spec.train.search.items() if not _is_open(term)}


def needs_search(spec: Spec) -> bool:
    """Whether the space has more than one point, and more than one is to be tried."""
    return any(_is_open(term) for term in spec.train.search.values())


def check_search(spec: Spec) -> None:
    """Raises ``SpecError`` for an unknown estimator, or a parameter that it does not have."""
    fitting.check(spec.train, spec.task, weighted=spec.retrain.half_life is not None)


@dataclass(frozen=True, eq=False)
class Found:
    """The best candidate of each model, and why a model has none."""

    best: dict[str, Candidate]
    failed: dict[str, str]


def search(spec: Spec, schema: Schema, works: Sequence[Work], on_progress: Progress | None) -> Found:
    """The best candidate of each model: every sample of the space was tried on all of them.

    Samples depend on ``spec.train.seed`` alone.
    """
    best: dict[str, Candidate] = {}
    failed: dict[str, str] = {}
    for parameters, scores in _trials(spec, schema, works, on_progress):
        for model, score in scores.items():
            if isinstance(score, str):
                failed.setdefault(model, score)
            elif model not in best or score.value < best[model].score:
                best[model] = Candidate(parameters, score.value, score.out_of_fold)
    return Found(best, {model: reason for model, reason in failed.items() if model not in best})


def _trials(
    spec: Spec, schema: Schema, works: Sequence[Work], on_progress: Progress | None
) -> list[tuple[dict[str, Any], dict[str, Score | str]]]:
    """Every sample in Tune's order with what it scored."""
    from ray import tune
    from ray.tune.search.basic_variant import BasicVariantGenerator

    from runtime.pipeline.reports import TrialReports

    # One trial at a time keeps all cores busy, if the fleet is large enough.
    concurrent = math.ceil(cluster_cores() / len(works))
    trainable = tune.with_parameters(trial, spec=spec, schema=schema, works=list(works))
    reports = TrialReports(on_progress, spec.train.trials)
    with tempfile.TemporaryDirectory(prefix="fleetward-tune-") as folder, _quiet():
        results = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 0, "memory": _TRIAL_MEMORY}),
            param_space={name: _domain(term) for name, term in spec.train.search.items()},
            tune_config=tune.TuneConfig(
                num_samples=spec.train.trials,
                reuse_actors=True,
                search_alg=BasicVariantGenerator(random_state=spec.train.seed, max_concurrent=concurrent),
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=folder,
                verbose=0,
                callbacks=[reports],
                failure_config=tune.FailureConfig(max_failures=1),
            ),
        ).fit()
    if not reports.finished:
        raise RuntimeError(f"every trial of the search failed; the first: {next(iter(results.errors), 'no error')}")
    return [(plain(config), metrics["scores"].value) for _, (config, metrics) in sorted(reports.finished.items())]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without loggers Tune warns that it finds no files of metrics; they came through ``TrialReports``."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new output prints boxes at verbose=0 too
    logger = logging.getLogger("ray.tune")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _is_open(term: SearchTerm) -> bool:
    return term.bounds is not None or len(term.values) > 1


def _domain(term: SearchTerm) -> Any:
    from ray import tune

    if term.bounds is None:
        return tune.choice(list(term.values)) if len(term.values) > 1 else term.values[0]
    low, high = term.bounds
    if term.distribution is Distribution.LOGUNIFORM:
        return tune.loguniform(low, high)
    if term.distribution is Distribution.RANDINT:
        return tune.randint(int(low), int(high))
    return tune.uniform(low, high)
