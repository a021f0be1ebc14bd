"""A judged model as a package: the contract between the MLOps plane and the ModelOps plane.

    manifest (canonical JSON; its digest is the package's)
    ├── artifact     the version's bytes                            runtime/flavors/container.py
    ├── baseline     {features, errors, rows, mae, bias, classes? or losses?, slices?, importances?, seen}
    │                what the monitor and overrides compare with
    ├── card         Markdown
    └── data         dataset digest, partition, its Parquet object and content digest

Every part is an object in the store, named by its digest, so whoever signs the manifest signs all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from runtime.domain import canonical
from runtime.domain.events import VersionEvaluated, VersionRegistered
from runtime.domain.ids import Digest, digest_of
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import TWO, Schema, Task
from runtime.domain.spec import Spec
from runtime.domain.watched import Monitoring
from runtime.flavors import Floats
from runtime.pipeline.card import model_card
from runtime.pipeline.dataset import Partition
from runtime.pipeline.importances import importances
from runtime.pipeline.rows import Rows
from runtime.pipeline.seen import check_overrides, seen_in
from runtime.pipeline.straying import straying
from runtime.pipeline.train import TrainedModel
from runtime.policy.budget import own_threshold
from runtime.statistics.classification import counted
from runtime.statistics.dle import LossEstimator
from runtime.statistics.performance import ErrorSummary, error_profile
from runtime.statistics.profile import Kind, Profile
from runtime.statistics.scoring import labels
from runtime.statistics.slices import SliceValues, sliced
from runtime.storage.objects import ObjectStore


@dataclass(frozen=True)
class Origin:
    """Where a version comes from: what is the same for all versions of a batch."""

    spec: Spec
    dataset: Digest
    as_of: datetime
    batch: str
    code_revision: str
    environment: Mapping[str, str]
    source: str = ""
    """Where the rows came from, in one line; empty, from the spec's own source."""


@dataclass(frozen=True)
class Packaged:
    """A version with its objects stored, ready for the ledger."""

    registered: VersionRegistered
    evaluated: VersionEvaluated

    @property
    def events(self) -> tuple[VersionRegistered, VersionEvaluated]:
        """The ledger entries, in order."""
        return self.registered, self.evaluated


def package(
    trained: TrainedModel,
    report: EvaluationReport,
    *,
    origin: Origin,
    partition: Partition,
    version: int,
    parent: int | None,
    store: ObjectStore,
) -> Packaged:
    """Stores artifact, baseline, card and manifest. Stored objects without a ledger entry do no harm.

    Raises ``OverrideUnfit`` for one of the spec's overrides that cannot be tried on this version.
    """
    seen = seen_in(trained, refit=origin.spec.retrain.refit)
    check_overrides(origin.spec.overrides or (), trained, seen)
    baseline = canonical.encode({**baseline_document(trained, origin.spec.monitor), "seen": seen.as_document()})
    documents = {
        "kind": "version_registered",
        "model": trained.model,
        "version": version,
        "parent": parent,
        "artifact": store.put(trained.artifact),
        "artifact_bytes": len(trained.artifact),
        "baseline": store.put(baseline),
        "flavor": trained.predictor.flavor,
        "estimator": trained.estimator,
        "parameters": trained.parameters,
        "seed": trained.seed,
        "schema": trained.predictor.schema,
        "dataset": origin.dataset,
        "train_rows": trained.train_rows,
        "first_time": trained.first_time,
        "last_time": trained.last_time,
        "as_of": origin.as_of,
        "batch": origin.batch,
        "code_revision": origin.code_revision,
        "environment": dict(origin.environment),
    }
    # The card stands in the manifest and shows the other digests; the package's own is known last.
    draft = VersionRegistered.model_validate({**documents, "package": digest_of(baseline)})
    card = store.put(model_card(origin.spec, trained, draft, report).encode())
    manifest = manifest_document(draft, report, origin, partition, card)
    package_digest = store.put(canonical.encode(manifest))
    registered = VersionRegistered.model_validate({**documents, "package": package_digest, "card": card})
    evaluated = VersionEvaluated(model=trained.model, version=version, report=report)
    return Packaged(registered, evaluated)


def baseline_document(trained: TrainedModel, monitor: Monitoring | None = None) -> dict[str, Any]:
    """``runtime/monitoring/baseline.py`` reads it. Counted over rows whose predictions are out of fold or held out.

    All parts count the same rows: an in-sample prediction would make errors look smaller than they will be.
    ``monitor`` says whether it is measured, too, how far the features stray by themselves.
    """
    rows, predictions = trained.honest
    schema = trained.predictor.schema
    if schema.gives_class:
        predictions = labels(predictions)
        errors = (predictions != rows.target).astype(np.float64)
    else:
        errors = predictions - rows.target
    summary = ErrorSummary.from_errors(errors)
    kinds: dict[str, Kind] = dict.fromkeys(schema.numbers, "numeric")
    kinds |= dict.fromkeys(schema.texts, "categorical")
    output = schema.outputs[0].name
    columns = {**rows.columns, output: predictions}
    features = Profile.from_columns(columns, kinds={**kinds, output: "numeric"})
    strayed = None
    if monitor is not None and monitor.delta0 == "measured":
        strayed = straying(features, rows, columns, monitor.every, own_threshold(monitor))
    is_class = schema.task is Task.CLASSIFICATION
    counts = counted(predictions, rows.target, schema.class_count) if is_class else None
    slices = _slices(rows, predictions, schema, () if monitor is None else monitor.slices or ())
    matters = importances(trained.predictor, rows.columns, seed=trained.seed)
    return {
        "features": features.as_document(),
        "errors": error_profile(errors).as_document(),
        "rows": summary.rows,
        "mae": summary.mae,
        "bias": summary.bias,
        **({"classes": counts.as_document()} if counts is not None else {}),
        **({"delta0": strayed} if strayed is not None else {}),
        **({} if is_class else {"losses": LossEstimator.learned(predictions, errors).as_document()}),
        **({"slices": slices} if slices else {}),
        **({"importances": matters} if matters else {}),
    }


def _slices(rows: Rows, predictions: Floats, schema: Schema, names: Sequence[str]) -> dict[str, Any]:
    """Errors of each value of these columns; of two classes, of the labels."""
    classes = schema.class_count if schema.task is Task.CLASSIFICATION else None
    answers = (predictions >= 0.5).astype(np.float64) if classes == TWO else predictions
    found = {}
    for name in names:
        column = rows.columns[name].tolist()
        values = SliceValues.of(column)
        found[name] = sliced(values, values.places(column), answers, rows.target, classes).as_document()
    return found


def manifest_document(
    registered: VersionRegistered, report: EvaluationReport, origin: Origin, partition: Partition, card: Digest
) -> dict[str, Any]:
    """What the package's digest names."""
    spec = origin.spec
    version = registered.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"kind", "package"})
    return {
        "package": 1,
        "version": version,
        "card": card,
        "spec": {"name": spec.name, "digest": spec.digest},
        "owner": spec.owner.as_document(),
        "purpose": spec.purpose,
        "risk_tier": spec.risk_tier.value,
        "data": {
            "source": origin.source or spec.data.named,
            "dataset": registered.dataset,
            "partition": partition.key,
            "content": partition.content,
            "parquet": partition.parquet,
        },
        "report": _finite(report.as_document()),
    }


def _finite(value: Any) -> Any:
    """Canonical JSON has no infinity: such a number becomes its name."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
