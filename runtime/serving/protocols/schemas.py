"""JSON Schemas of the bodies on the wire, for the OpenAPI document. Requests are checked by their readers alone."""

from __future__ import annotations

from typing import Any

_DATATYPES = [
    "BOOL",
    *(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *(f"FP{bits}" for bits in (16, 32, 64)),
    "BYTES",
]
_TEXT, _OBJECT = {"type": "string"}, {"type": "object"}
_CELL = {"type": ["number", "string", "boolean", "null"]}
_ROW = {"anyOf": [_CELL, {"type": "array", "items": _CELL}, {"type": "object", "additionalProperties": _CELL}]}
_ROWS = {"type": "array", "minItems": 1, "items": _ROW}
_COLUMNS = {"type": "object", "additionalProperties": {"anyOf": [_CELL, {"type": "array"}]}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _list(of: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "minItems": least, "items": of}


_CONTEXT = {
    "type": "object",
    "description": "Others than these are ignored.",
    "properties": {
        "decision_id": {"type": "string", "format": "uuid"},
        "sticky_key": _TEXT,
        "event_time": {"type": "string", "format": "date-time"},
        "binary_data_output": {"type": "boolean"},
    },
}
_SHAPE = {"type": "array", "minItems": 1, "maxItems": 8, "items": {"type": "integer", "minimum": 1}}
_TENSOR = _object(
    {"name": _TEXT, "datatype": {"enum": _DATATYPES}, "shape": {"type": "array", "items": {"type": "integer"}}}
)
_TRUTH: dict[str, Any] = {"type": ["number", "string"], "description": "A number; of a classification, the class"}
_OUTCOME = _object(
    {"decision_id": {"type": "string", "format": "uuid"}, "actual": _TRUTH},
    {"row": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}},
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "Anything": _OBJECT,
    "Binary": {"type": "string", "format": "binary"},
    "Text": _TEXT,
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "error": _TEXT},
        {"where": _TEXT, "found": _TEXT, "expected": _TEXT, "override": _TEXT},
    ),
    "ServerMetadata": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    "ServerState": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "ModelNames": _object({"models": _list(_TEXT)}),
    "ModelReady": _object({"name": _TEXT, "ready": {"type": "boolean"}}),
    "TensorMetadata": _TENSOR,
    "ModelMetadata": _object(
        {
            "name": _TEXT,
            "versions": _list(_TEXT, 1),
            "platform": _TEXT,
            "inputs": _list(_ref("TensorMetadata"), 1),
            "outputs": _list(_ref("TensorMetadata"), 1),
        },
        {"classes": _list(_TEXT, 2)},
    ),
    "IndexRequest": _object({}, {"ready": {"type": "boolean"}}),
    "RepositoryIndex": _list(
        _object({"name": _TEXT, "version": _TEXT, "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": _TEXT})
    ),
    "InputTensor": _object(
        {"name": _TEXT, "shape": _SHAPE, "datatype": {"enum": _DATATYPES}},
        {
            "data": {"type": "array", "description": "Flat or nested, row-major; null is a missing value."},
            "parameters": _object({}, {"binary_data_size": {"type": "integer", "minimum": 0}}),
        },
    ),
    "InferRequest": _object(
        {"inputs": _list(_ref("InputTensor"), 1)},
        {
            "id": _TEXT,
            "parameters": _CONTEXT,
            "outputs": _list(
                _object({"name": _TEXT}, {"parameters": _object({}, {"binary_data": {"type": "boolean"}})})
            ),
        },
    ),
    "InferAnswer": _object(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "parameters": _object(
                {"decision_id": _TEXT, "variant": {"enum": ["champion", "canary"]}}, {"override": _TEXT}
            ),
            "outputs": _list(_ref("TensorMetadata"), 1),
        },
        {"id": _TEXT},
    ),
    "Predictions": _object({"predictions": {"type": "array"}}),
    "Explanations": _object(
        {
            "explanations": _list(_object({"output": {"type": "number"}, "contributions": {"type": "object"}})),
            "method": _TEXT,
            "scale": _TEXT,
            "base": {"type": "number"},
            "tolerance": {"type": "number"},
            "model_version": _TEXT,
            "decision_id": _TEXT,
        },
        {"seed": {"type": ["integer", "null"]}},
    ),
    "DecisionExplanation": _object(
        {
            "decision_id": _TEXT,
            "model": _TEXT,
            "version": {"type": "integer"},
            "artifact": _TEXT,
            "rows": _list(_object({"output": {"type": "number"}, "contributions": {"type": "object"}}), 1),
            "method": _TEXT,
            "scale": _TEXT,
            "base": {"type": "number"},
            "tolerance": {"type": "number"},
        },
        {"seed": {"type": ["integer", "null"]}, "overrides": _list(_list(_TEXT))},
    ),
    "KServeRequest": {
        "oneOf": [
            _object({"instances": _ROWS}, {"parameters": _CONTEXT}),
            _object({"inputs": {"anyOf": [_ROWS, _COLUMNS]}}, {"parameters": _CONTEXT}),
        ]
    },
    "MLflowRequest": {
        "oneOf": [
            _object(
                {"dataframe_split": _object({"data": _list(_list(_CELL), 1)}, {"columns": _list(_TEXT), "index": {}})},
                {"params": _CONTEXT},
            ),
            _object(
                {"dataframe_records": _list({"type": "object", "additionalProperties": _CELL}, 1)}, {"params": _CONTEXT}
            ),
            _object({"instances": _ROWS}, {"params": _CONTEXT}),
            _object({"inputs": {"anyOf": [_ROWS, _COLUMNS]}}, {"params": _CONTEXT}),
        ]
    },
    "OutcomesRequest": {
        "oneOf": [
            _object({"outcomes": _list(_OUTCOME, 1)}),
            _object(
                {"decision_id": {"type": "string", "format": "uuid"}, "actuals": _list(_TRUTH, 1)},
            ),
        ]
    },
    "OutcomesAccepted": _object({"model_name": _TEXT, "accepted": {"type": "integer", "minimum": 1}}),
}
