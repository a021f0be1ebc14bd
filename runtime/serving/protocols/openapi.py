"""The OpenAPI document of what a replica answers, built from the endpoints themselves.

An endpoint without an ``_Operation`` under its handler's name fails when the application is built, so nothing is
answered that is not described. Bodies are described as their readers take them; what depends on a model (its features)
is in that model's metadata.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from runtime.serving.protocols import arrow, mlflow, problem
from runtime.serving.protocols.schemas import SCHEMAS
from runtime.serving.router import Endpoint

JSON, CSV = "application/json", mlflow.CSV
_RAW = "application/octet-stream"


class _Operation(NamedTuple):
    summary: str
    answers: dict[str, str]
    """Media type to the name of its schema."""
    takes: dict[str, str] = {}
    fails: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    is_decision: bool = False
    unready: bool = False
    """Answers 503 with the same body while it is not ready."""
    body_required: bool = True


_BODY_FAILS = (400, 404, 410, 413, 415, 422, 501, 503)
_DECISION_FAILS = (*_BODY_FAILS, 409)
_DECIDES = ("fleetward-caller", "fleetward-version", "idempotency-key", "traceparent")

_OPERATIONS = {
    "server_metadata": _Operation("The server: name, version, extensions", {JSON: "ServerMetadata"}),
    "server_live": _Operation("Whether the process answers", {JSON: "ServerState"}),
    "server_ready": _Operation("Whether the first routes are in place", {JSON: "ServerState"}, unready=True),
    "description": _Operation("This document", {JSON: "Anything"}),
    "model_names": _Operation("The models that this replica knows", {JSON: "ModelNames"}),
    "model_metadata": _Operation(
        "A model's versions, inputs and outputs", {JSON: "ModelMetadata"}, fails=(404, 410, 503)
    ),
    "model_ready": _Operation(
        "Whether a model, or this version of it, can be served", {JSON: "ModelReady"}, fails=(404,), unready=True
    ),
    "repository_index": _Operation(
        "Every model with its version, and why one is not ready",
        {JSON: "RepositoryIndex"},
        {JSON: "IndexRequest"},
        (400, 413, 415),
        body_required=False,
    ),
    "infer": _Operation(
        "Predict; the Open Inference Protocol's request, or an Arrow stream",
        {JSON: "InferAnswer", _RAW: "Binary", arrow.MEDIA_TYPE: "Binary"},
        {JSON: "InferRequest", _RAW: "Binary", arrow.MEDIA_TYPE: "Binary"},
        _DECISION_FAILS,
        (*_DECIDES, "inference-header-content-length"),
        is_decision=True,
    ),
    "kserve_predict": _Operation(
        "Predict; KServe's v1 request",
        {JSON: "Predictions"},
        {JSON: "KServeRequest"},
        _DECISION_FAILS,
        _DECIDES,
        is_decision=True,
    ),
    "kserve_explain": _Operation(
        "Predict, and say what each feature contributed",
        {JSON: "Explanations"},
        {JSON: "KServeRequest"},
        (*_DECISION_FAILS, 500),
        _DECIDES,
        is_decision=True,
    ),
    "explain": _Operation(
        "Predict, and say what each feature contributed, as one output more",
        {JSON: "InferAnswer"},
        {JSON: "InferRequest", _RAW: "Binary", arrow.MEDIA_TYPE: "Binary"},
        (*_DECISION_FAILS, 500),
        (*_DECIDES, "inference-header-content-length"),
        is_decision=True,
    ),
    "decision_explanation": _Operation(
        "Why an earlier decision was what it was, by the version that made it",
        {JSON: "DecisionExplanation"},
        fails=(403, 404, 409, 410, 500, 501, 503),
        headers=("fleetward-caller",),
    ),
    "mlflow_invocations": _Operation(
        "Predict; MLflow's scoring request",
        {JSON: "Predictions"},
        {JSON: "MLflowRequest", CSV: "Text"},
        _DECISION_FAILS,
        _DECIDES,
        is_decision=True,
    ),
    "outcomes": _Operation(
        "Report the truth of earlier decisions",
        {JSON: "OutcomesAccepted"},
        {JSON: "OutcomesRequest", arrow.MEDIA_TYPE: "Binary"},
        _BODY_FAILS,
        ("fleetward-caller",),
    ),
    "unsupported": _Operation("A part of the protocol that is not here", {}, fails=(501,)),
}

_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "fleetward-caller": ("Who asks, as decision records have it", {"type": "string", "pattern": "^[!-~]{1,128}$"}),
    "fleetward-version": (
        "Which live version answers, for testers",
        {"type": "string", "pattern": "^([0-9]{1,9}|champion|challenger)$"},
    ),
    "idempotency-key": ("The decision id of a retry", {"type": "string", "format": "uuid"}),
    "traceparent": ("W3C trace context", {"type": "string"}),
    "inference-header-content-length": ("Bytes of JSON before raw tensors", {"type": "integer", "minimum": 0}),
}
_PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "model": ("A model's name", {"type": "string", "minLength": 1}),
    "version": ("A version's number", {"type": "string", "minLength": 1}),
    "decision": ("A decision's id, which came with its answer", {"type": "string", "format": "uuid"}),
    "region": ("A region of shared memory", {"type": "string", "minLength": 1}),
}


_OVERRIDE = {
    "description": "Which of the model's overrides fired, as a list of RFC 9651",
    "required": False,
    "schema": {"type": "string"},
}
_SUNSET = {
    name: {"description": description, "required": False, "schema": {"type": "string"}}
    for name, description in {
        "deprecation": "Since when the model's end is announced (RFC 9745)",
        "sunset": "When the model ends (RFC 8594)",
        "link": "What answers after it, with rel successor-version",
    }.items()
}


def document(endpoints: Iterable[Endpoint], version: str) -> bytes:
    """The document's bytes. Raises ``KeyError`` for an endpoint that nobody described."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _described(endpoint)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Fleetward", "version": version, "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {"schemas": SCHEMAS},
        }
    )


def _described(endpoint: Endpoint) -> dict[str, Any]:
    operation = _OPERATIONS[endpoint.name]
    described: dict[str, Any] = {
        "operationId": endpoint.path.strip("/").translate(_PLAIN) + "_" + endpoint.method.lower(),
        "summary": operation.summary,
        "parameters": [
            *(_parameter(name, "path", *_PATHS[name], required=True) for name in endpoint.parameters),
            *(_parameter(name, "header", *_HEADERS[name], required=False) for name in operation.headers),
        ],
        "responses": _responses(operation),
    }
    if operation.takes:
        described["requestBody"] = {"required": operation.body_required, "content": _content(operation.takes)}
    return described


_PLAIN = str.maketrans({"/": "_", ":": "_", ".": "_", "{": None, "}": None})


def _parameter(name: str, place: str, text: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "description": text, "required": required, "schema": schema}


def _responses(operation: _Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if operation.answers:
        answer: dict[str, Any] = {"description": "The answer", "content": _content(operation.answers)}
        if operation.is_decision:
            header = {"description": "The decision's id", "required": True, "schema": {"type": "string"}}
            answer["headers"] = {"fleetward-decision-id": header, "fleetward-override": _OVERRIDE, **_SUNSET}
        responses["200"] = answer
        if operation.unready:
            responses["503"] = {"description": "Not ready", "content": _content(operation.answers)}
    # Any endpoint may be refused for its headers (400), and may fail (500).
    for status in sorted({400, 500, *operation.fails}):
        content = _content({problem.MEDIA_TYPE: "Problem"})
        responses.setdefault(str(status), {"description": problem.phrase(status), "content": content})
    return responses


def _content(by_media: dict[str, str]) -> dict[str, Any]:
    return {media: {"schema": {"$ref": f"#/components/schemas/{name}"}} for media, name in by_media.items()}
