"""Hyperparameter search for a whole fleet at once, with Ray Tune.

One trial is one sample of the space, tried on every model of the fleet, so 171 models do not pay 171 times for
starting trials (see ``trial``). A trial reports its mean score to Tune, and each model's score and out-of-fold
predictions beside it; afterwards every model takes the sample that was best for itself.

    random      samples drawn before, from the spec's seed                 as many trials at a time as fill the cores
    bayesian    Optuna's TPE looks where the fleet's mean error was low    in rounds of as many; a round's results are
                                                                           told together, so that order does not matter
    asha        after each fold the worse half is given up                 one trial at a time, for the same reason

A large fleet that is searched at random needs no Tune: there every model tries its samples where it is trained
(``fleet.py``), with the same result.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runtime.domain.errors import SpecError
from runtime.domain.load import load_spec, located
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.domain.terms import Distribution, SearchTerm
from runtime.flavors import fitting
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.train import Candidate
from runtime.pipeline.trial import SAMPLE, Scores, Work, samples, trial

_TRIAL_MEMORY = 1 << 20
"""Tune wants a trial to ask for something. Not for a share of a core, which would keep one task of two from running."""

Progress = Callable[[int, int, str], None]
"""``on_progress(done, total, what)``."""


def constants(spec: Spec) -> dict[str, Any]:
    """The parameters of a space that leaves nothing to choose."""
    return {name: term.values[0] for name, term in spec.train.search.items() if not term.is_open}


def needs_search(spec: Spec) -> bool:
    """Whether the space has more than one point, and more than one is to be tried."""
    return spec.train.leaves_a_choice


def needs_tune(spec: Spec) -> bool:
    """Whether what a trial finds decides what the others try, or how far they get."""
    return spec.train.search_by == "bayesian" or spec.train.early_stopping is not None


def check_search(spec: Spec) -> None:
    """Raises ``SpecError`` for an unknown estimator, or a parameter or value that it does not take."""
    fitting.check(spec.train, spec.task, weighted=spec.retrain.half_life is not None)
    if spec.train.search_by == "bayesian" and importlib.util.find_spec("optuna") is None:
        raise SpecError("spec", None, "train.search_by", "'bayesian'", "random, since optuna is not installed here")


def load_checked(path: Path) -> Spec:
    """The spec in a file, its estimator and search space looked up. Raises ``SpecError`` with file and line."""
    spec = load_spec(path)
    try:
        check_search(spec)
    except SpecError as error:
        raise located(error, path) from error
    return spec


@dataclass(frozen=True, eq=False)
class Found:
    """The best candidate of each model, and why a model has none."""

    best: dict[str, Candidate]
    failed: dict[str, str]


def search(spec: Spec, schema: Schema, works: Sequence[Work], on_progress: Progress | None) -> Found:
    """The best candidate of each model: every sample was tried on all of them, or given up on all of them."""
    best: dict[str, Candidate] = {}
    failed: dict[str, str] = {}
    for told in _trials(spec, schema, works, on_progress):
        for model, score in told.value.items():
            if isinstance(score, str):
                failed.setdefault(model, score)
            elif model not in best or score.value < best[model].score:
                best[model] = Candidate(told.parameters, score.value, score.out_of_fold)
    return Found(best, {model: reason for model, reason in failed.items() if model not in best})


def _trials(spec: Spec, schema: Schema, works: Sequence[Work], on_progress: Progress | None) -> list[Scores]:
    """What every sample scored that was not given up, in the order in which they were drawn."""
    from ray import tune

    from runtime.pipeline.reports import TrialReports

    space, config = _space(spec, _concurrent(spec, works))
    drawn = samples(spec) if spec.train.search_by != "bayesian" else []
    trainable = tune.with_parameters(trial, spec=spec, schema=schema, works=list(works), drawn=drawn)
    reports = TrialReports(on_progress, (len(drawn) or spec.train.trials) * sum(len(work.models) for work in works))
    with tempfile.TemporaryDirectory(prefix="fleetward-tune-") as folder, _quiet():
        results = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 0, "memory": _TRIAL_MEMORY}),
            param_space=space,
            tune_config=config,
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
    return [told for _, told in sorted(reports.finished.items())]


def _concurrent(spec: Spec, works: Sequence[Work]) -> int:
    """How many trials at a time keep all cores busy: one, if the fleet is large enough."""
    tasks = max(1, int(cluster_cores() / spec.train.reserved.cpus))
    return 1 if spec.train.early_stopping else math.ceil(tasks / len(works))


def _space(spec: Spec, concurrent: int) -> tuple[dict[str, Any], Any]:
    """What Tune draws from, and how."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    configured = partial(tune.TuneConfig, metric="mean", mode="min", reuse_actors=True)
    if spec.train.early_stopping is not None:
        stopping = ASHAScheduler(time_attr="fold", max_t=spec.train.folds, grace_period=1, reduction_factor=2)
        configured = partial(configured, scheduler=stopping)
    if spec.train.search_by == "bayesian":
        space = {name: _domain(term) for name, term in spec.train.search.items()}
        return space, configured(num_samples=spec.train.trials, search_alg=_bayesian(spec, concurrent))
    numbers = list(range(len(samples(spec))))
    return {SAMPLE: tune.grid_search(numbers)}, configured(search_alg=BasicVariantGenerator(max_concurrent=concurrent))


def _bayesian(spec: Spec, concurrent: int) -> Any:
    """Optuna's TPE; a third of the trials, and at least two, are drawn at random before it begins."""
    import optuna
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=max(2, spec.train.trials // 3), seed=spec.train.seed)
    return ConcurrencyLimiter(OptunaSearch(sampler=sampler), max_concurrent=concurrent, batch=True)


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
