"""A spec tried on a few of its models, in this process: what would be trained, how long it takes, what gates say.

Nothing is recorded or kept. Each model is trained once, with the middle of the search space instead of a search.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from runtime.domain.data import is_framed
from runtime.domain.errors import FleetwardError
from runtime.domain.events import PartitionSkipped
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.domain.terms import Distribution, SearchTerm
from runtime.flavors.threads import one_thread
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.framed import framed, process_here
from runtime.pipeline.grouping import Window
from runtime.pipeline.joining import known_of
from runtime.pipeline.plan import Plan
from runtime.pipeline.prepare import gathered, prepare
from runtime.pipeline.production import Production
from runtime.pipeline.rows import Rows
from runtime.pipeline.sample import candidates, spread
from runtime.pipeline.search import check_search, needs_search
from runtime.pipeline.streamed import Wanted
from runtime.pipeline.train import Parameters, train_model
from runtime.storage.objects import ObjectStore


@dataclass(frozen=True)
class Tried:
    """One model of the dry run: its rows, seconds a fit, and what the gates said; or why it failed."""

    model: str
    rows: int
    first_time: datetime
    last_time: datetime
    fit_seconds: float = 0.0
    artifact_bytes: int = 0
    report: EvaluationReport | None = None
    failed: str | None = None


@dataclass(frozen=True)
class DryRun:
    """What a training of the spec would be. ``models``: partitions with enough rows; ``fits``: of one of them."""

    dataset: PreparedDataset
    schema: Schema
    models: int
    too_small: tuple[PartitionSkipped, ...]
    tried: tuple[Tried, ...]
    fits: int

    @property
    def core_seconds(self) -> float | None:
        """Processor time of all fits of all models, reckoned from the median of those that were tried.

        The first fit of a process loads libraries too, so a mean would say too much.
        """
        done = [each.fit_seconds for each in self.tried if each.failed is None]
        return self.models * self.fits * statistics.median(done) if done else None

    @property
    def trains(self) -> bool:
        """Whether every model that was tried could be trained."""
        return all(each.failed is None for each in self.tried)


def dry_run(
    spec: Spec,
    *,
    as_of: datetime,
    models: int,
    since: datetime | None = None,
    production: Production | None = None,
) -> DryRun:
    """Tries ``models`` of the spec's models, spread over all. A source that Ray Data reads needs a Ray that runs.

    ``since`` and ``production`` are as in ``prepare``. Raises what ``prepare`` and ``check_search`` raise.
    """
    if spec.train.is_fitted:
        check_search(spec)
    with tempfile.TemporaryDirectory(prefix="fleetward-check-") as folder:
        store = ObjectStore.open(folder)
        dataset, count, too_small = _prepared(spec, Window(since, as_of), models, store, production)
        tried = [
            _tried(spec, dataset.schema, partition, partition.load(store, dataset.layout))
            for partition in dataset.partitions
        ]
    fits = (spec.train.trials if needs_search(spec) else 1) * spec.train.folds + 1 + spec.retrain.refit
    return DryRun(dataset, dataset.schema, count, tuple(too_small), tuple(tried), fits if spec.train.is_fitted else 1)


def middle(spec: Spec) -> Parameters:
    """One point of the search space: the middle of each range, the first of each list."""
    return {name: _middle(term) for name, term in spec.train.search.items()}


def _middle(term: SearchTerm) -> float | int | str | bool | None:
    if term.bounds is None:
        return term.values[0]
    low, high = term.bounds
    if term.distribution is Distribution.LOGUNIFORM:
        return math.sqrt(low * high)
    return int((low + high) // 2) if term.distribution is Distribution.RANDINT else (low + high) / 2


def _prepared(
    spec: Spec, window: Window, models: int, store: ObjectStore, production: Production | None
) -> tuple[PreparedDataset, int, Sequence[PartitionSkipped]]:
    """The sample's partitions, how many there are in all, and those that are too small."""
    if not is_framed(spec.data.source):
        names = candidates(spec)
        chosen = spread(names, models)
        return prepare(spec, store=store, as_of=window.as_of, since=window.since, models=chosen), len(names), ()
    found = framed(spec, Wanted(spec.min_rows, None), window, known_of(spec), store, production)
    processed = process_here(found, spread([group.model for group in found.groups], models))
    return gathered(spec, found.work.layout, processed, [], store, found.read), len(found.groups), found.skipped


def _tried(spec: Spec, schema: Schema, partition: Partition, rows: Rows) -> Tried:
    begun = Tried(partition.model, partition.rows, partition.first_time, partition.last_time)
    start = time.process_time()
    try:
        with one_thread():
            trained = train_model(spec, schema, partition.model, partition.key, rows, middle(spec), Plan.first(spec))
            seconds = (time.process_time() - start) / (spec.train.folds + 1 + spec.retrain.refit)
            report = evaluate(spec, trained, None)
    except Exception as error:  # noqa: BLE001 - whatever a user's estimator raises is the answer
        reason = str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"
        return replace(begun, failed=reason)
    return replace(begun, fit_seconds=seconds, artifact_bytes=len(trained.artifact), report=report)
