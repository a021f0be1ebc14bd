"""A prepared fleet trained on the cluster: load once, search if there is a choice, then train in chunks of models.

    many models, drawn at random    each tries the samples where it is trained, in one task       no trial is started
    few models, or what trials      samples are tried first, by Tune (``search``), then the best
    find decides what is tried      of each model is trained

What happens to a trained model runs where it was trained (``finish``), so that artifacts do not travel. One
model that fails becomes a ``TrainingFailed`` with its reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from runtime.domain.events import TrainingFailed
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.flavors.threads import one_thread
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Layout, Rows
from runtime.pipeline.search import Progress, check_search, constants, needs_search, needs_tune, search
from runtime.pipeline.tasks import Failed, Task, finished
from runtime.pipeline.train import Candidate, Parameters, TrainedModel, train_model
from runtime.pipeline.trial import TUNE_ENV, Work, best_of, samples, told
from runtime.pipeline.warm_up import warm_up
from runtime.storage.objects import ObjectStore

Result = TypeVar("Result")
Finish = Callable[[TrainedModel], Result]

CHUNKS_A_CORE = 8
"""More chunks even out the load between cores, fewer pay less for starting tasks."""

MODELS_A_CORE = 2
"""From so many on, a random search within each model's own task keeps all cores busy."""


@dataclass(frozen=True)
class Drawn:
    """Samples of the search space that a model is to try before it is trained with its best."""

    samples: Sequence[Parameters]


Choice = Candidate | Parameters | Drawn
"""What a model is trained with, or how that is found."""


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
    given: dict[str, Choice] = dict(candidates or {})
    left = [partition.model for partition in dataset.partitions if partition.model not in given]
    if left:  # what a champion has was checked once
        check_search(spec)
    if not needs_search(spec):
        given |= dict.fromkeys(left, constants(spec))
    elif not needs_tune(spec) and len(left) >= MODELS_A_CORE * cluster_cores():
        given |= dict.fromkeys(left, Drawn(samples(spec)))
    chosen = [partition for partition in dataset.partitions if partition.model in given]
    open_ = [partition for partition in dataset.partitions if partition.model not in given]
    chunks = [_Chunk.load(part, dataset.layout, store) for part in [*_parts(chosen), *_parts(open_)]]
    if open_:
        searched = [chunk for chunk in chunks if chunk.models[0] not in given]
        warm_up(min(cluster_cores(), len(searched)), TUNE_ENV)
        found = search(spec, dataset.schema, [Work(chunk.models, chunk.rows) for chunk in searched], on_progress)
        given |= found.best
        keys = {partition.model: partition.key for partition in open_}
        for model, reason in found.failed.items():
            yield _failure(model, keys[model], batch, reason)
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
    given: Mapping[str, Choice],
    on_progress: Progress | None,
    runtime_env: dict[str, Any] | None,
) -> Iterator[Any]:
    import ray

    shared = ray.put(job)
    task = ray.remote(_train_chunk).options(runtime_env=runtime_env, max_retries=1, **job.spec.train.reserved.options)
    keys = {partition.model: partition.key for chunk in chunks for partition in chunk.partitions}

    def start(rows: Any, models: Sequence[str]) -> Any:
        values = {model: keys[model] for model in models}
        return task.remote(shared, rows, values, {model: given[model] for model in models})

    wanted = [(chunk, [model for model in chunk.models if model in given]) for chunk in chunks]
    tasks = [Task(models, partial(start, chunk.rows)) for chunk, models in wanted if models]
    done, total = 0, sum(len(each.models) for each in tasks)
    for ended, result in finished(tasks):
        if isinstance(result, Failed):
            yield from [_failure(model, keys[model], job.batch, result.reason) for model in ended.models]
        else:
            yield from result
        done += len(ended.models)
        if on_progress is not None:
            on_progress(done, total, "models trained")


def _failure(model: str, key: Mapping[str, str], batch: str, reason: str) -> TrainingFailed:
    """Named with its partition, which the name of a model need not spell out."""
    where = ", ".join(f"{column} {value}" for column, value in key.items())
    return TrainingFailed(model=model, batch=batch, reason=f"{where}: {reason}" if where else reason)


def _load(partitions: Sequence[Partition], layout: Layout, store: ObjectStore) -> list[tuple[str, Rows]]:
    """Runs in a worker; the arrays stay in Ray's object store, from which every task reads without a copy."""
    return [(partition.model, partition.load(store, layout)) for partition in partitions]


def _train_chunk(
    job: _Job,
    rows: list[tuple[str, Rows]],
    values: Mapping[str, dict[str, str]],
    choices: Mapping[str, Choice],
) -> list[Any]:
    """Runs in a worker, on one core: it shares the machine with as many others as there are cores."""
    with one_thread():
        return [
            _train_one(job, model, values[model], window, choices[model]) for model, window in rows if model in values
        ]


def _train_one(job: _Job, model: str, key: dict[str, str], window: Rows, choice: Choice) -> Any:
    try:
        if isinstance(choice, Drawn):
            found = best_of(job.spec, job.schema, model, window, choice.samples, job.plan)
            if isinstance(found, str):
                return _failure(model, key, job.batch, found)
            choice = found
        return job.finish(train_model(job.spec, job.schema, model, key, window, choice, job.plan))
    except Exception as error:  # noqa: BLE001 - whatever one model raises, the others go on and this one is reported
        return _failure(model, key, job.batch, told(error))


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
