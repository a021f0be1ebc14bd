"""The whole way from a spec to packaged versions: the first of a fleet, or challengers for some of its models.

build_versions      every partition, searched for if the spec leaves a choice
build_challengers   named models, on the window ``retrain.data`` before ``as_of``, each with its champion's
                    parameters, judged against its champion on the same rows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from runtime.domain.events import TrainingFailed
from runtime.domain.ids import Digest
from runtime.domain.spec import Spec
from runtime.flavors import load
from runtime.pipeline.dataset import Partition, PreparedDataset
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.fleet import run_fleet
from runtime.pipeline.package import Origin, Packaged, package
from runtime.pipeline.plan import Plan
from runtime.pipeline.prepare import prepare
from runtime.pipeline.probing import Recorded
from runtime.pipeline.production import Production
from runtime.pipeline.provenance import code_revision, environment
from runtime.pipeline.search import Progress
from runtime.pipeline.train import TrainedModel
from runtime.storage.objects import ObjectStore

Built: TypeAlias = Packaged | TrainingFailed


@dataclass(frozen=True)
class Champion:
    """The version to beat: its number, artifact and parameters."""

    version: int
    artifact: Digest
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """One build. ``versions``: the numbers to give, 1 where none is given; ``as_of``: a moment in the data's time.

    ``recorded``: what champions were asked lately, where a gate replays it.
    """

    id: str
    as_of: datetime
    versions: Mapping[str, int] = field(default_factory=dict)
    champions: Mapping[str, Champion] = field(default_factory=dict)
    recorded: Mapping[str, Recorded] = field(default_factory=dict)


@dataclass(frozen=True)
class _Finish:
    """What happens to a trained model in the worker that trained it."""

    origin: Origin
    store: ObjectStore
    partitions: Mapping[str, Partition]
    batch: Batch

    def __call__(self, trained: TrainedModel) -> Packaged:
        champion = self.batch.champions.get(trained.model)
        loaded = load(self.store.get(champion.artifact)) if champion else None
        return package(
            trained,
            evaluate(self.origin.spec, trained, loaded, self.batch.recorded.get(trained.model)),
            origin=self.origin,
            partition=self.partitions[trained.model],
            version=self.batch.versions.get(trained.model, 1),
            parent=champion.version if champion else None,
            store=self.store,
        )


def build_versions(
    spec: Spec, dataset: PreparedDataset, batch: Batch, *, store: ObjectStore, on_progress: Progress | None = None
) -> Iterator[Built]:
    """Trains, judges and packages every partition of the dataset, in order of completion.

    A model with a champion in the batch keeps its parameters and is judged against it.
    """
    origin = Origin(spec, dataset.digest, batch.as_of, batch.id, code_revision(), environment(), dataset.source)
    partitions = {partition.model: partition for partition in dataset.partitions}
    candidates = {model: champion.parameters for model, champion in batch.champions.items() if model in partitions}
    finish = _Finish(origin, store, partitions, batch)
    plan = Plan.challenger(spec, batch.as_of) if batch.champions else Plan.first(spec)
    return run_fleet(
        spec,
        dataset,
        finish,
        store=store,
        batch=batch.id,
        candidates=candidates,
        plan=plan,
        on_progress=on_progress,
    )


def build_challengers(
    spec: Spec,
    batch: Batch,
    *,
    store: ObjectStore,
    production: Production | None = None,
    on_progress: Progress | None = None,
) -> tuple[PreparedDataset, Iterator[Built]]:
    """The dataset of the window before ``as_of`` for the models of ``batch.champions``, and what was built of it.

    Partitions that cannot be used stand in the dataset's ``skipped``. The fleet's ``min_rows`` is judged over all
    rows given, as it was for the first versions. ``production`` is where ``retrain.source`` may find decisions. Raises
    ``DataError`` if no partition can be used.
    """
    dataset = prepare(
        spec.for_retraining,
        store=store,
        as_of=batch.as_of,
        since=None if spec.retrain.data == "all" else batch.as_of - spec.retrain.data,
        models=set(batch.champions),
        production=production,
    )
    return dataset, build_versions(spec, dataset, batch, store=store, on_progress=on_progress)
