"""A prepared fleet trained on the cluster: load once, search if there is a choice, then train in chunks of models.

What happens to a trained model runs where it was trained (``finish``), so that artifacts do not travel. One
model that fails becomes a ``TrainingFailed`` with its reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.domain.errors import FleetwardError
from runtime.domain.events import TrainingFailed
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.flavors.threads import one_thread
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Layout, Rows
from runtime.pipeline.search import Progress, check_search, constants, needs_search, search
from runtime.pipeline.train import Candidate, Parameters, TrainedModel, train_model
from runtime.pipeline.trial import TUNE_ENV, Work
from runtime.pipeline.warm_up import warm_up
from runtime.storage.objects import ObjectStore

Result = TypeVar("Result")
Finish = Callable[[TrainedModel], Result]

CHUNKS_A_CORE = 4
"""More chunks even out the load between cores, fewer pay less for starting tasks."""


def train_fleet(
    spec: Spec,
    dataset: PreparedDataset,
    *,
    store: ObjectStore,
    batch: str,
    candidates: Mapping[str, Parameters] | None = None,
    plan: Plan | None = None,
    on_progress: Progress | None = None,
) -> Iterator[TrainedModel | TrainingFailed]:
    """Every partition's model, in order of completion. See ``run_fleet``."""
    yield from run_fleet(
        spec, dataset, _itself, store=store, batch=batch, candidates=candidates, plan=plan, on_progress=on_progress
    )


def run_fleet(
    spec: Spec,
    dataset: PreparedDataset,
    finish: Finish[Result],
    *,
    store: ObjectStore,
    batch: str,
    candidates: Mapping[str, Parameters] | None = None,
    plan: Plan | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Result | TrainingFailed]:
    """``finish`` of every trained model, in order of completion.

    ``candidates`` gives a model its parameters (a retraining inherits its champion's); a model without is
    searched for if the spec leaves a choice. ``plan`` says which rows judge (that of first versions if absent).
    ``finish`` must pickle. Needs a Ray that is running.
    """
    given: dict[str, Candidate | Parameters] = dict(candidates or {})
    if any(partition.model not in given for partition in dataset.partitions):  # what a champion has was checked once
        check_search(spec)
    if not needs_search(spec):
        given = {partition.model: constants(spec) for partition in dataset.partitions} | given
    chosen = [partition for partition in dataset.partitions if partition.model in given]
    open_ = [partition for partition in dataset.partitions if partition.model not in given]
    chunks = [_Chunk.load(part, dataset.layout, store) for part in [*_parts(chosen), *_parts(open_)]]
    if open_:
        searched = [chunk for chunk in chunks if chunk.models[0] not in given]
        warm_up(min(cluster_cores(), len(searched)), TUNE_ENV)
        found = search(spec, dataset.schema, [Work(chunk.models, chunk.rows) for chunk in searched], on_progress)
        given |= found.best
        for model, reason in found.failed.items():
            yield TrainingFailed(model=model, batch=batch, reason=reason)
    job = _Job(spec, dataset.schema, batch, finish, plan or Plan.first(spec))
    yield from _train(job, chunks, given, on_progress, TUNE_ENV if open_ else None)


@dataclass(frozen=True)
class _Chunk:
    """Some partitions, and a Ray reference to their rows: a list of (model, rows)."""

    partitions: Sequence[Partition]
    rows: Any

    @classmethod
    def load(cls, partitions: Sequence[Partition], layout: Layout, store: ObjectStore) -> _Chunk:
        import ray

        return cls(partitions, ray.remote(_load).remote(partitions, layout, store))

    @property
    def models(self) -> list[str]:
        return [partition.model for partition in self.partitions]


@dataclass(frozen=True)
class _Job:
    """What every training task of a fleet has in common."""

    spec: Spec
    schema: Schema
    batch: str
    finish: Finish[Any]
    plan: Plan


def _train(
    job: _Job,
    chunks: Sequence[_Chunk],
    given: Mapping[str, Candidate | Parameters],
    on_progress: Progress | None,
    runtime_env: dict[str, Any] | None,
) -> Iterator[Any]:
    import ray

    shared = ray.put(job)
    task = ray.remote(_train_chunk).options(runtime_env=runtime_env)
    waiting = {}
    for chunk in chunks:
        values = {p.model: p.key for p in chunk.partitions if p.model in given}
        if values:
            candidates = {model: given[model] for model in values}
            waiting[task.remote(shared, chunk.rows, values, candidates)] = list(values)
    done, total = 0, sum(map(len, waiting.values()))
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        models = waiting.pop(ready)
        try:
            yield from ray.get(ready)
        except (ray.exceptions.RayError, FleetwardError) as error:  # the worker died, or its rows cannot be read
            reason = f"{type(error).__name__}: {error}"
            yield from [TrainingFailed(model=model, batch=job.batch, reason=reason) for model in models]
        done += len(models)
        if on_progress is not None:
            on_progress(done, total, "models trained")


def _load(partitions: Sequence[Partition], layout: Layout, store: ObjectStore) -> list[tuple[str, Rows]]:
    """Runs in a worker; the arrays stay in Ray's object store, from which every task reads without a copy."""
    return [(partition.model, partition.load(store, layout)) for partition in partitions]


def _train_chunk(
    job: _Job,
    rows: list[tuple[str, Rows]],
    values: Mapping[str, dict[str, str]],
    candidates: Mapping[str, Candidate | Parameters],
) -> list[Any]:
    """Runs in a worker, on one core: it shares the machine with as many others as there are cores."""
    results = []
    with one_thread():
        for model, window in rows:
            if model in candidates:
                results.append(_train_one(job, model, values[model], window, candidates[model]))
    return results


def _train_one(job: _Job, model: str, values: dict[str, str], window: Rows, candidate: Candidate | Parameters) -> Any:
    try:
        return job.finish(train_model(job.spec, job.schema, model, values, window, candidate, job.plan))
    except Exception as error:  # noqa: BLE001 - whatever one model raises, the others go on and this one is reported
        reason = str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"
        return TrainingFailed(model=model, batch=job.batch, reason=reason)


def _parts(partitions: Sequence[Partition]) -> list[Sequence[Partition]]:
    """Chunks of about equal rows in total: big partitions first, each to the chunk that has the fewest."""
    count = min(len(partitions), CHUNKS_A_CORE * cluster_cores())
    parts: list[list[Partition]] = [[] for _ in range(count)]
    sizes = [0] * count
    for partition in sorted(partitions, key=lambda each: (-each.rows, each.model)):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(partition)
        # A fit costs a fixed part beside its rows.
        sizes[smallest] += partition.rows + 500
    return list(parts)


def _itself(trained: TrainedModel) -> TrainedModel:
    return trained
