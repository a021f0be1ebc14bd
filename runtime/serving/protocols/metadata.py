"""The documents of the Open Inference Protocol that describe a server and its models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from runtime.domain.errors import RequestError
from runtime.domain.schema import Field, Schema
from runtime.serving.protocols.document import json_object, kind

EXTENSIONS = ("binary_tensor_data", "model_repository", "outcomes", "arrow_stream")
"""The first two are Triton's names: the binary tensor extension, and the repository's index (not its loading)."""


def server_metadata(version: str) -> bytes:
    """``GET /v2``."""
    return orjson.dumps({"name": "fleetward", "version": version, "extensions": EXTENSIONS})


def server_state(state: str, *, holds: bool) -> bytes:
    """``GET /v2/health/live`` and ``/v2/health/ready``; clients go by the status, people read this."""
    return orjson.dumps({state: holds})


def model_metadata(model: str, versions: Sequence[int], schema: Schema) -> bytes:
    """``GET /v2/models/{m}[/versions/{v}]``; -1 is the variable number of rows. ``classes`` names a label's numbers."""
    named = {} if schema.classes is None else {"classes": schema.classes}
    return orjson.dumps(
        {
            "name": model,
            "versions": [str(version) for version in versions],
            "platform": "fleetward",
            "inputs": [_tensor_metadata(field) for field in schema.inputs],
            "outputs": [_tensor_metadata(field) for field in schema.outputs],
            **named,
        }
    )


def _tensor_metadata(field: Field) -> dict[str, Any]:
    return {"name": field.name, "datatype": field.kind.datatype, "shape": [-1]}


def model_ready(model: str, *, ready: bool) -> bytes:
    """``GET .../ready``, and KServe's ``GET /v1/models/{m}``."""
    return orjson.dumps({"name": model, "ready": ready})


def model_names(models: Sequence[str]) -> bytes:
    """``GET /v1/models`` and ``GET /v2/models``."""
    return orjson.dumps({"models": models})


def repository_index(entries: Sequence[tuple[str, int | None, str]]) -> bytes:
    """``POST /v2/repository/index``: (model, version, reason); one without a version is not ready, and says why."""
    return orjson.dumps(
        [
            {
                "name": model,
                "version": "" if version is None else str(version),
                "state": "UNAVAILABLE" if version is None else "READY",
                "reason": reason,
            }
            for model, version, reason in entries
        ]
    )


def only_ready(body: bytes) -> bool:
    """Whether an index request asks for models that are ready alone. Raises ``RequestError``."""
    wanted = json_object(body).get("ready", False)
    if type(wanted) is not bool:
        raise RequestError("ready", kind(wanted), "true or false")
    return wanted
