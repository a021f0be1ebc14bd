"""A version as a CycloneDX 1.7 ML-BOM: what it is, what it was made of, and the digests that prove it.

    metadata.component   the version: machine-learning-model, hash of its artifact, modelCard
    components           its data (a dataset), the libraries it was made with, Python
    dependencies         the version rests on all of them

Written by hand, since the maintained Python library has no model cards yet; tests hold it to the published schema.
The same records give the same document. https://cyclonedx.org/docs/1.7/json/
"""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any
from urllib.parse import quote

from runtime.documents.told import Told
from runtime.domain.base import rfc3339
from runtime.domain.events import VersionRegistered
from runtime.domain.ids import Digest, derived_id
from runtime.domain.reports import EvaluationReport
from runtime.domain.schema import Field
from runtime.domain.spec import Spec

MEDIA_TYPE = "application/vnd.cyclonedx+json"

_NOT_LIBRARIES = frozenset({"python", "platform"})
_SLICE = "slice:"


def ml_bom(told: Told) -> dict[str, Any]:
    """The document, JSON-able."""
    registered = told.version.registered
    model, data = _model(told), _data(told)
    libraries = [_library(name, pin) for name, pin in registered.environment.items() if name not in _NOT_LIBRARIES]
    components = [data, *_python(registered), *libraries]
    tool = {"type": "application", "name": "fleetward", "version": installed("fleetward")}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{derived_id('ml-bom', registered.package)}",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(told.version.registered_at),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [tool]},
            "component": model,
        },
        "components": components,
        "dependencies": [
            {"ref": model["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]},
            *({"ref": each["bom-ref"]} for each in components),
        ],
    }


def _model(told: Told) -> dict[str, Any]:
    spec, registered = told.spec, told.version.registered
    owner = {"name": spec.owner.team, "contact": [_contact(spec.owner.contact)]}
    properties = {
        "package": registered.package,
        "baseline": registered.baseline,
        "flavor": registered.flavor,
        "seed": registered.seed,
        "artifact_bytes": registered.artifact_bytes,
        "code_revision": registered.code_revision,
        "batch": registered.batch,
        "status": told.version.status.value,
        "risk_tier": spec.risk_tier.value,
        "platform": registered.environment.get("platform"),
        **{f"parameter.{name}": value for name, value in registered.parameters.items()},
    }
    ancestors = [_ancestor(told, parent)] if (parent := registered.parent) is not None else []
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{registered.model}@{registered.version}",
        "supplier": owner,
        "name": registered.model,
        "version": str(registered.version),
        "description": spec.purpose,
        "hashes": [_hash(registered.artifact)],
        **({"pedigree": {"ancestors": ancestors}} if ancestors else {}),
        "modelCard": _model_card(told),
        "properties": _properties(properties),
    }


def _ancestor(told: Told, number: int) -> dict[str, Any]:
    """The version that this one challenged, with its artifact's hash where it is still known."""
    known = told.model.versions.get(number)
    found = {"type": "machine-learning-model", "name": told.model.name, "version": str(number)}
    return {**found, "hashes": [_hash(known.registered.artifact)]} if known else found


def _model_card(told: Told) -> dict[str, Any]:
    spec, registered = told.spec, told.version.registered
    card: dict[str, Any] = {
        "modelParameters": {
            **({"approach": {"type": "supervised"}} if spec.train.is_fitted else {}),
            "task": f"tabular-{spec.task.value}",
            "architectureFamily": registered.flavor,
            "modelArchitecture": registered.estimator,
            "datasets": [{"ref": _data_ref(registered)}],
            "inputs": [_column(field) for field in registered.schema_.inputs],
            "outputs": [_column(field) for field in registered.schema_.outputs],
        },
        "considerations": _considerations(spec),
    }
    if told.report is not None:
        card["quantitativeAnalysis"] = {"performanceMetrics": _measured(told.report)}
    return card


def _considerations(spec: Spec) -> dict[str, Any]:
    """What the owner says; what they do not say is absent, not blank."""
    said = {
        "useCases": [spec.intended_use or spec.purpose],
        "technicalLimitations": [
            text for text in (spec.limitations, spec.assumptions, spec.operating_boundaries) if text
        ],
        "ethicalConsiderations": [{"name": f"out of scope: {spec.out_of_scope_use}"}] if spec.out_of_scope_use else [],
    }
    return {name: value for name, value in said.items() if value}


def _measured(report: EvaluationReport) -> list[dict[str, Any]]:
    """Metrics, what each gate over slices found in its worst one, and the comparison with its interval."""
    metrics: list[dict[str, Any]] = [{"type": name, "value": f"{value:g}"} for name, value in report.metrics.items()]
    metrics += [
        {"type": f"gate {gate.gate}", "value": f"{gate.value:g}", "slice": gate.gate.removeprefix(_SLICE)}
        for gate in report.gates
        if gate.gate.startswith(_SLICE) and gate.value is not None
    ]
    if (found := report.comparison) is not None:
        compared: dict[str, Any] = {
            "type": f"error of {found.metric} minus the champion's, at {found.confidence:g}",
            "value": f"{found.difference:g}",
        }
        if found.low is not None and found.high is not None:
            compared["confidenceInterval"] = {"lowerBound": f"{found.low:g}", "upperBound": f"{found.high:g}"}
        metrics.append(compared)
    return metrics


def _data(told: Told) -> dict[str, Any]:
    """The rows it was made of. Their file's hash stands in the package; the ledger has the whole dataset's digest."""
    registered, source = told.version.registered, told.spec.data.named
    packaged = {} if told.package is None else told.package["data"]
    properties = {
        "dataset": registered.dataset,
        "content": packaged.get("content"),
        "rows": registered.train_rows,
        "first_time": rfc3339(registered.first_time),
        "last_time": rfc3339(registered.last_time),
        "as_of": rfc3339(registered.as_of),
        **{f"partition.{name}": value for name, value in told.model.partition.items()},
    }
    contents = {"properties": _properties(properties)}
    return {
        "type": "data",
        "bom-ref": _data_ref(registered),
        "name": str(packaged.get("source", source)),
        "version": registered.dataset,
        **({"hashes": [_hash(packaged["parquet"])]} if "parquet" in packaged else {}),
        "data": [{"type": "dataset", "name": registered.dataset, "contents": contents}],
    }


def _data_ref(registered: VersionRegistered) -> str:
    return f"data:{registered.dataset}:{registered.model}"


def _python(registered: VersionRegistered) -> list[dict[str, Any]]:
    pin = registered.environment.get("python")
    return [] if pin is None else [{"type": "platform", "bom-ref": f"python@{pin}", "name": "python", "version": pin}]


def _library(name: str, pin: str) -> dict[str, Any]:
    """Its package URL is also its reference: https://github.com/package-url/purl-spec."""
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(pin, safe='')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": pin, "purl": purl}


def _column(field: Field) -> dict[str, str]:
    return {"format": f"{field.name}: {field.kind.value}"}


def _contact(contact: str) -> dict[str, str]:
    return {"email": contact} if "@" in contact and " " not in contact else {"name": contact}


def _hash(digest: Digest) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}


def _properties(values: dict[str, Any]) -> list[dict[str, str]]:
    """Under Fleetward's own namespace, as the taxonomy of property names asks."""
    return [{"name": f"fleetward:{name}", "value": str(value)} for name, value in values.items() if value is not None]
