"""What training jobs share: a spec applied, its data prepared, versions built, each recorded as it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from actors.connect import governor
from actors.quiescence import ask
from actors.recording import record
from runtime.domain.behaviour import ReplayedGate
from runtime.domain.events import SegmentSealed, SpecApplied, TrainingFailed
from runtime.domain.ids import derived_id, new_id
from runtime.domain.model_state import ModelState
from runtime.domain.spec import Spec
from runtime.domain.state import BatchState
from runtime.ledger.log import Log
from runtime.pipeline.changed import changed
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.lineage.sinks import opened
from runtime.pipeline.lineage.telling import Lineage, Run
from runtime.pipeline.prepare import prepare
from runtime.pipeline.probing import Recorded
from runtime.pipeline.production import Production
from runtime.pipeline.recorded import Asked, lately_asked
from runtime.pipeline.retrain import Batch, Built, Champion, build_challengers, build_versions
from runtime.pipeline.sample import sample
from runtime.pipeline.search import Progress, check_search
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore

RETRAIN = "job:retrain"


def apply_spec(spec: Spec, settings: Settings) -> None:
    """From now on the spec's policies hold. Nothing is recorded if they do already."""
    applied = ask(governor().specs.remote).get(spec.name)
    if applied is None or applied.digest != spec.digest:
        event = SpecApplied(name=spec.name, digest=spec.digest, spec=spec.as_document())
        record([event], settings.principal, new_id())


def declare(spec: Spec, settings: Settings, *, as_of: datetime, count: int | None) -> PreparedDataset:
    """Applies the spec, prepares its data before ``as_of``, and declares a model for each usable partition."""
    check_search(spec)
    apply_spec(spec, settings)
    production = Production(settings.database, ObjectStore.open(settings.store))
    models = None if count is None else sample(spec, count, as_of=as_of, production=production)
    with lineage_of(settings) as lineage, lineage.run("prepare", spec) as run:
        dataset = prepare(spec, store=production.store, as_of=as_of, models=models, production=production)
        record(dataset.events, settings.principal, spec.digest, dataset.digest)
        run.gave(dataset)
    return dataset


def train(
    spec: Spec, dataset: PreparedDataset, settings: Settings, *, as_of: datetime, on_progress: Progress | None = None
) -> tuple[int, list[TrainingFailed]]:
    """Builds a version of every partition; how many were registered, and the models that failed.

    Training the same data under the same spec again changes nothing: its versions are there already.
    """
    batch_id = derived_id("train", spec.digest, dataset.digest)
    known = {model.name: model for model in ask(governor().models.remote)}
    wanted = {partition.model for partition in dataset.partitions}
    done = {name for name in wanted & set(known) if _built_in(known[name], batch_id)}
    open_ = tuple(partition for partition in dataset.partitions if partition.model not in done)
    batch = Batch(batch_id, as_of, versions={p.model: known[p.model].next_version for p in open_})
    if not open_:
        return len(done), []
    given = replace(dataset, partitions=open_, skipped=())
    with lineage_of(settings) as lineage, lineage.run("train", spec, batch=batch_id, dataset=given) as run:
        built = build_versions(spec, given, batch, store=ObjectStore.open(settings.store), on_progress=on_progress)
        registered, failed = _record_all(built, settings.principal, batch_id, run)
    return registered + len(done), failed


def only_changed(spec: Spec, dataset: PreparedDataset, settings: Settings) -> PreparedDataset:
    """The dataset without the partitions whose newest version was made of these very rows under this very spec."""
    known = [model for model in ask(governor().models.remote) if model.versions]
    packages = {model.name: model.versions[max(model.versions)].registered.package for model in known}
    return changed(spec, dataset, packages, ObjectStore.open(settings.store))


def retrain(batch: BatchState, settings: Settings) -> tuple[int, list[TrainingFailed]]:
    """Builds a challenger for every model of the batch that has none of it yet."""
    models = [model for model in ask(governor().models.remote) if model.name in batch.models]
    spec = ask(governor().specs.remote)[batch.spec]
    open_ = [model for model in models if model.serving is not None and not _built_in(model, batch.batch)]
    if not open_:
        return 0, []
    work = Batch(
        batch.batch,
        batch.as_of,
        versions={model.name: model.next_version for model in open_},
        champions={model.name: _champion(model) for model in open_},
        recorded=_recorded(spec, open_, settings),
    )
    with lineage_of(settings) as lineage, lineage.run("retrain", spec, batch=batch.batch) as run:
        store = ObjectStore.open(settings.store)
        dataset, built = build_challengers(spec, work, store=store, production=Production(settings.database, store))
        record(dataset.events[:1], RETRAIN, batch.batch, dataset.digest)  # what the versions' ``dataset`` is
        run.took(dataset)
        skipped = [
            TrainingFailed(model=model.name, batch=batch.batch, reason=skip.reason)
            for skip in dataset.skipped
            for model in open_
            if model.partition == skip.partition
        ]
        record(skipped, RETRAIN, batch.batch)
        for each in skipped:
            run.failed(each)
        registered, failed = _record_all(built, RETRAIN, batch.batch, run)
    return registered, [*skipped, *failed]


@contextmanager
def lineage_of(settings: Settings) -> Iterator[Lineage]:
    """Who is told of this job's runs. What a collector did not take is said on stderr, and changes nothing."""
    lineage = Lineage(opened(settings.lineage), namespace=settings.origin)
    try:
        yield lineage
    finally:
        if lost := str(lineage.close()):
            print(lost, file=sys.stderr)


def _record_all(built: Iterable[Built], principal: str, batch: str, run: Run) -> tuple[int, list[TrainingFailed]]:
    """Records each version as soon as it is built: what is done stays done if this job dies."""
    registered, failed = 0, []
    for each in built:
        if isinstance(each, TrainingFailed):
            failed.append(each)
            record([each], principal, batch)
            run.failed(each)
        else:
            registered += 1
            record(each.events, principal, batch)
            run.registered(each.registered)
    return registered, failed


def _built_in(model: ModelState, batch: str) -> bool:
    return any(version.registered.batch == batch for version in model.versions.values())


def _champion(model: ModelState) -> Champion:
    version = model.serving
    if version is None:
        raise ValueError(f"{model.name} has no champion")
    return Champion(version.number, version.registered.artifact, version.registered.parameters)


def _recorded(spec: Spec, models: Sequence[ModelState], settings: Settings) -> dict[str, Recorded]:
    """What these models' champions were asked lately, where a gate of the spec replays it."""
    rows = max((gate.replayed for gate in spec.gates if isinstance(gate, ReplayedGate)), default=0)
    champions = {model.name: model.serving.registered for model in models if model.serving is not None}
    if not rows or not champions:
        return {}
    with Log.open_read_only(settings.database) as log:
        sealed = [entry.event for entry in log.entries(kinds=["segment_sealed"])]
    segments = [event for event in sealed if isinstance(event, SegmentSealed)]
    wanted = {name: Asked(version.version, version.schema_, rows) for name, version in champions.items()}
    return lately_asked(ObjectStore.open(settings.store), segments, wanted)
