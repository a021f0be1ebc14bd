"""OpenLineage run events (specification 2-0-2) as JSON-able documents.

    eventType   START, then one of COMPLETE and FAIL           eventTime   RFC 3339, UTC
    run         runId (UUIDv7), facets: engine, error, what Fleetward knows of the run
    job         namespace, name SPEC.prepare | SPEC.train | SPEC.retrain, facets: type, purpose, owner, the spec
    inputs      datasets, each with its version                outputs     datasets, or versions of models

A dataset and a model keep their names from run to run; what changes stands in the facet ``version``. Each facet names
its producer and its published schema. https://openlineage.io/docs/spec/object-model
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import version as installed
from typing import Any
from urllib.parse import urlsplit

import yaml

from runtime.domain.base import rfc3339
from runtime.domain.data import name_of
from runtime.domain.events import VersionRegistered
from runtime.domain.ids import new_id
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.pipeline.dataset import PreparedDataset

Facet = dict[str, Any]

_SPECIFICATION = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_PUBLISHED = {
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationJobFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipJobFacet": "1-0-1",
    "ProcessingEngineRunFacet": "1-1-1",
    "SchemaDatasetFacet": "1-2-0",
    "SourceCodeJobFacet": "1-0-1",
}
"""The facets that are used, and the version of each one's schema."""


class Transition(StrEnum):
    """How far a run is."""

    START = "START"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Job:
    """What runs: one of prepare, train and retrain, of a spec."""

    namespace: str
    kind: str
    spec: Spec

    @property
    def name(self) -> str:
        """The same for each run of it."""
        return f"{self.spec.name}.{self.kind}"

    def as_document(self) -> dict[str, Any]:
        """With its facets: the spec is its source code."""
        source = yaml.safe_dump(_without_catalog(self.spec), sort_keys=False, allow_unicode=True)
        facets = {
            "jobType": facet(
                "JobTypeJobFacet", processingType="BATCH", integration="FLEETWARD", jobType=self.kind.upper()
            ),
            "documentation": facet("DocumentationJobFacet", description=self.spec.purpose),
            "ownership": facet("OwnershipJobFacet", owners=[{"name": self.spec.owner.team, "type": "OWNER"}]),
            "sourceCode": facet("SourceCodeJobFacet", language="YAML", sourceCode=source),
        }
        return {"namespace": self.namespace, "name": self.name, "facets": facets}


@dataclass
class RunFacts:
    """What becomes known of a run while it lasts."""

    run_id: str = field(default_factory=new_id)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    """Models that could not be made, each with the reason."""
    about: dict[str, str] = field(default_factory=dict)
    """What else is known of it: the code's revision, the batch."""


def run_event(
    transition: Transition, at: datetime, job: Job, run: RunFacts, *, error: str | None = None
) -> dict[str, Any]:
    """The event. ``error``: why the run failed, in one line."""
    own = {"specDigest": job.spec.digest, **run.about, "modelsFailed": list(run.failures)}
    facets = {
        "processing_engine": facet(
            "ProcessingEngineRunFacet", version=installed("ray"), name="Ray", openlineageAdapterVersion=_version()
        ),
        "fleetward_run": {"_producer": _producer(), "_schemaURL": f"{_SPECIFICATION}/RunFacet", **own},
    }
    if error is not None:
        facets["errorMessage"] = facet("ErrorMessageRunFacet", message=error, programmingLanguage="Python")
    return {
        "eventType": transition.value,
        "eventTime": rfc3339(at.astimezone(UTC)),
        "producer": _producer(),
        "schemaURL": f"{_SPECIFICATION}/RunEvent",
        "run": {"runId": run.run_id, "facets": facets},
        "job": job.as_document(),
        "inputs": list(run.inputs),
        "outputs": list(run.outputs),
    }


def source_of(spec: Spec) -> dict[str, Any]:
    """Where raw rows come from, named as OpenLineage names its kind; no query and no password stands in it."""
    source = spec.data.source
    if isinstance(source, str):
        return {"namespace": "python", "name": source}
    kind, _, first = name_of(source).partition(" ")
    if kind == "sql":
        return {"namespace": "sql", "name": str(getattr(source, "connection", ""))}
    if kind == "decisions":
        return {"namespace": "fleetward", "name": f"decisions/{first}"}
    parts = urlsplit(first)
    if not parts.scheme:
        return {"namespace": kind if kind == "iceberg" else "file", "name": first}
    host = parts.hostname or ""
    return {"namespace": f"{parts.scheme}://{host}" if host else parts.scheme, "name": parts.path.lstrip("/") or "/"}


def dataset_given(namespace: str, dataset: PreparedDataset) -> dict[str, Any]:
    """A prepared dataset as an input."""
    rows = facet("InputStatisticsInputDatasetFacet", rowCount=dataset.rows)
    return {**_dataset(namespace, dataset), "inputFacets": {"inputStatistics": rows}}


def dataset_made(namespace: str, dataset: PreparedDataset) -> dict[str, Any]:
    """A prepared dataset as an output."""
    rows = facet("OutputStatisticsOutputDatasetFacet", rowCount=dataset.rows)
    return {**_dataset(namespace, dataset), "outputFacets": {"outputStatistics": rows}}


def version_made(namespace: str, registered: VersionRegistered) -> dict[str, Any]:
    """A version of a model as an output: its number with the digest of its artifact."""
    number = f"{registered.version} {registered.artifact}"
    size = facet("OutputStatisticsOutputDatasetFacet", size=registered.artifact_bytes)
    return {
        "namespace": namespace,
        "name": f"models/{registered.model}",
        "facets": {"version": _version_facet(number), "schema": _columns(registered.schema_)},
        "outputFacets": {"outputStatistics": size},
    }


def facet(name: str, /, **fields: Any) -> Facet:
    """A facet of the published ones, with who says it and by which schema."""
    url = f"https://openlineage.io/spec/facets/{_PUBLISHED[name]}/{name}.json#/$defs/{name}"
    return {"_producer": _producer(), "_schemaURL": url, **fields}


def _without_catalog(spec: Spec) -> dict[str, Any]:
    """The spec without the options of an Iceberg catalog: a password may stand there, and a collector is a stranger."""
    document = spec.as_document()
    source = document["data"]["source"]
    if isinstance(source, dict):
        source.pop("catalog", None)
    return document


def _dataset(namespace: str, dataset: PreparedDataset) -> dict[str, Any]:
    types: Mapping[str, Any] = dataset.layout.types
    facets = {
        "version": _version_facet(dataset.digest),
        "schema": _fields((name, str(kind)) for name, kind in types.items()),
    }
    return {"namespace": namespace, "name": f"datasets/{dataset.spec}", "facets": facets}


def _version_facet(version: str) -> Facet:
    return facet("DatasetVersionDatasetFacet", datasetVersion=version)


def _columns(schema: Schema) -> Facet:
    """What the model takes and gives."""
    return _fields((each.name, each.kind.value) for each in (*schema.inputs, *schema.outputs))


def _fields(columns: Iterable[tuple[str, str]]) -> Facet:
    return facet("SchemaDatasetFacet", fields=[{"name": name, "type": kind} for name, kind in columns])


@cache
def _version() -> str:
    return installed("fleetward")


def _producer() -> str:
    return f"urn:fleetward:{_version()}"
