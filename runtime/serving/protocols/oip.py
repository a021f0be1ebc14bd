"""Open Inference Protocol v2, JSON: bytes to columns, predictions to bytes, and the metadata documents.

    request  {id?, parameters?, inputs: [{name, shape, datatype, data}], outputs?: [{name}]}
    answer   {model_name, model_version, id?, parameters: {decision_id, variant}, outputs: [{...}]}

Columns come as one tensor a feature (shape [rows] or [rows, 1], by name, any order), or as a single tensor of
shape [rows, features] in schema order, whatever its name. ``data`` is flat or nested, row-major; ``null`` is a
missing value. A number feature takes BOOL, integers and floats; a text feature takes BYTES; a single BYTES tensor
of [rows, features] may carry both, its numbers as JSON numbers or as text.

Request parameters: ``event_time`` (RFC 3339, the moment the data are of), ``sticky_key`` (who must stay on one
side of a canary), ``decision_id`` (a UUID, so that a retry is the same decision). Others are ignored.

https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from runtime.domain.errors import RequestError, SchemaMismatch
from runtime.domain.schema import Field, FieldKind, Schema

_NONE = type(None)
_Types = frozenset[type]
_BOOLEANS: _Types = frozenset([bool, _NONE])
_INTEGERS: _Types = frozenset([int, _NONE])
_FLOATS: _Types = frozenset([float, int, _NONE])
_TEXTS: _Types = frozenset([str, _NONE])
_MIXED: _Types = _FLOATS | _TEXTS
_TYPES: dict[str, _Types] = {
    "BOOL": _BOOLEANS,
    **{f"{sign}INT{bits}": _INTEGERS for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": _FLOATS for bits in (16, 32, 64)},
    "BYTES": _TEXTS,
}
Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that fits its schema. Columns are in schema order, each of ``rows`` values.

    ``columns`` holds float64 arrays (NaN where missing) and object arrays (None where missing) for the predictor,
    ``numbers`` and ``texts`` the same values as lists for the decision record.
    """

    rows: int
    columns: Columns
    numbers: tuple[list[float | None], ...]
    texts: tuple[list[str | None], ...]
    id: str | None = None
    decision_id: str | None = None
    sticky_key: str | None = None
    event_time: datetime | None = None


class Reader:
    """Reads infer requests for one schema; built once a version, so that a request pays only for itself."""

    def __init__(self, schema: Schema) -> None:
        self._fields = schema.inputs
        self._by_name = {field.name: field for field in schema.inputs}
        self._numbers, self._texts = schema.numbers, schema.texts
        self._outputs = frozenset(field.name for field in schema.outputs)

    def read(self, body: bytes) -> InferRequest:
        """The request in the body. Raises ``RequestError`` (malformed) or ``SchemaMismatch`` (does not fit)."""
        document = json_object(body)
        tensors = document.get("inputs")
        if type(tensors) is not list or not tensors:
            raise RequestError("inputs", "an empty list" if tensors == [] else _kind(tensors), "a list of tensors")
        self._check_outputs(document.get("outputs"))
        request_id = document.get("id")
        if request_id is not None and type(request_id) is not str:
            raise RequestError("id", _kind(request_id), "a string")
        parameters = document.get("parameters") or {}
        if type(parameters) is not dict:
            raise RequestError("parameters", _kind(parameters), "an object")
        rows, columns, numbers, texts = self._columns([_tensor(t, i) for i, t in enumerate(tensors)])
        return InferRequest(
            rows,
            columns,
            numbers,
            texts,
            request_id,
            _decision_id(parameters.get("decision_id")),
            _sticky_key(parameters.get("sticky_key")),
            _event_time(parameters.get("event_time")),
        )

    def _check_outputs(self, wanted: Any) -> None:
        if wanted is None:
            return
        if type(wanted) is not list or not all(type(output) is dict for output in wanted):
            raise RequestError("outputs", _kind(wanted), "a list of objects with a name")
        for output in wanted:
            if output.get("name") not in self._outputs:
                raise SchemaMismatch("outputs", repr(output.get("name")), _listed(self._outputs))

    def _columns(self, tensors: list[_Tensor]) -> _Columns:
        first = tensors[0]
        if len(tensors) == 1 and len(first.shape) == 2 and self._is_matrix(first):
            return self._from_matrix(first)
        by_name = {tensor.name: tensor for tensor in tensors}
        if len(by_name) != len(tensors):
            raise RequestError("inputs", "two tensors of one name", "each name once")
        if by_name.keys() != self._by_name.keys():
            self._refuse_names(by_name)
        rows = first.shape[0]
        columns: dict[str, NDArray[Any]] = {}
        for field in self._fields:
            columns[field.name] = _column(by_name[field.name], field, rows)
        return rows, columns, self._listed(columns, self._numbers), self._listed(columns, self._texts)

    def _is_matrix(self, tensor: _Tensor) -> bool:
        return len(self._fields) == tensor.shape[1] or tensor.name not in self._by_name

    def _from_matrix(self, tensor: _Tensor) -> _Columns:
        rows, width = tensor.shape
        if width != len(self._fields):
            expected = f"shape [rows, {len(self._fields)}]: {_listed(self._by_name)}"
            raise SchemaMismatch(f"input {tensor.name!r}", f"shape [{rows}, {width}]", expected)
        if tensor.datatype == "BYTES":
            return self._from_text_matrix(tensor)
        if self._texts:
            expected = f"BYTES, since {_listed(self._texts)} hold text"
            raise SchemaMismatch(f"input {tensor.name!r}", tensor.datatype, expected)
        matrix = np.array(tensor.values(), dtype=np.float64).reshape(rows, width)
        by_column = np.ascontiguousarray(matrix.T)
        columns = dict(zip(self._numbers, by_column, strict=True))
        return rows, columns, tuple(by_column.tolist()), ()

    def _from_text_matrix(self, tensor: _Tensor) -> _Columns:
        width = len(self._fields)
        values = tensor.values(_MIXED)
        columns: dict[str, NDArray[Any]] = {}
        for position, field in enumerate(self._fields):
            part = values[position::width]
            columns[field.name] = _text(part, field) if field.kind is FieldKind.TEXT else _parsed(part, field)
        rows = tensor.shape[0]
        return rows, columns, self._listed(columns, self._numbers), self._listed(columns, self._texts)

    def _listed(self, columns: Columns, names: tuple[str, ...]) -> tuple[list[Any], ...]:
        return tuple([columns[name].tolist() for name in names])

    def _refuse_names(self, given: Mapping[str, _Tensor]) -> None:
        for name in given:
            if name not in self._by_name:
                raise SchemaMismatch(f"input {name!r}", "an unknown feature", _listed(self._by_name))
        missing = [name for name in self._by_name if name not in given]
        raise SchemaMismatch(f"input {missing[0]!r}", "no such tensor", f"features {_listed(self._by_name)}")


_Columns = tuple[int, Columns, tuple[list[float | None], ...], tuple[list[str | None], ...]]


class _Tensor(NamedTuple):  # a frozen dataclass takes four times as long to build
    name: str
    datatype: str
    shape: list[int]
    data: list[Any]

    def values(self, types: _Types | None = None) -> list[Any]:
        """The elements, flat, counted and of the datatype (or of ``types``)."""
        values = _flat(self.data, self.shape, self.name)
        allowed = types or _TYPES[self.datatype]
        if not allowed.issuperset(map(type, values)):
            wrong = next(value for value in values if type(value) not in allowed)
            raise RequestError(f"input {self.name!r}: data", _kind(wrong), f"{self.datatype} elements or null")
        return values


def _tensor(value: Any, position: int) -> _Tensor:
    if type(value) is not dict:
        raise RequestError(f"inputs[{position}]", _kind(value), "an object {name, shape, datatype, data}")
    name, shape, datatype, data = value.get("name"), value.get("shape"), value.get("datatype"), value.get("data")
    if type(name) is not str:
        raise RequestError(f"inputs[{position}].name", _kind(name), "a string")
    if datatype not in _TYPES:
        raise RequestError(f"input {name!r}: datatype", repr(datatype), f"one of {_listed(_TYPES)}")
    if type(shape) is not list or not shape or {*map(type, shape)} != {int} or min(shape) < 1:
        raise RequestError(f"input {name!r}: shape", _kind(shape), "a list of whole numbers above 0")
    if type(data) is not list:
        raise RequestError(f"input {name!r}: data", _kind(data), "a list (JSON data; no binary extension here)")
    return _Tensor(name, datatype, shape, data)


def _flat(data: list[Any], shape: list[int], name: str) -> list[Any]:
    """Row-major elements of flat or nested data; every level must have the size its shape says."""
    if data and type(data[0]) is list:
        where = f"input {name!r}: data"
        if len(data) != shape[0]:
            raise RequestError(where, f"{len(data)} lists", f"{shape[0]} for shape {shape}")
        for axis, size in enumerate(shape[1:], 1):
            if not all(type(part) is list and len(part) == size for part in data):
                expected = f"lists of {size} along axis {axis} of shape {shape}"
                raise RequestError(where, "nested lists of another size", expected)
            data = list(chain.from_iterable(data))
    elif len(data) != math.prod(shape):
        expected = f"{math.prod(shape)} for shape {shape}"
        raise RequestError(f"input {name!r}: data", f"{len(data)} elements", expected)
    return data


def _column(tensor: _Tensor, field: Field, rows: int) -> NDArray[Any]:
    shape = tensor.shape
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise SchemaMismatch(f"input {field.name!r}", f"shape {shape}", "shape [rows] or [rows, 1]")
    if shape[0] != rows:
        raise SchemaMismatch(f"input {field.name!r}", f"{shape[0]} rows", f"{rows} rows, as the first input has")
    if (tensor.datatype == "BYTES") is not (field.kind is FieldKind.TEXT):
        expected = "BYTES (text)" if field.kind is FieldKind.TEXT else "a number datatype such as FP64"
        raise SchemaMismatch(f"input {field.name!r}", tensor.datatype, expected)
    if field.kind is FieldKind.TEXT:
        return _text(tensor.values(), field)
    return np.array(tensor.values(), dtype=np.float64)


def _text(values: list[Any], field: Field) -> NDArray[Any]:
    if not _TEXTS.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in _TEXTS)
        raise SchemaMismatch(f"input {field.name!r}", _kind(wrong), "text or null")
    return np.array(values, dtype=object)


def _parsed(values: list[Any], field: Field) -> NDArray[Any]:
    try:
        return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    except ValueError as error:
        raise SchemaMismatch(f"input {field.name!r}", str(error), "a number, as text or as it is") from error


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises ``RequestError``."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError("body", str(error), "a JSON object") from error
    if type(document) is not dict:
        raise RequestError("body", _kind(document), "a JSON object")
    return document


def decision_id(text: Any, where: str) -> str:
    """A UUID in its canonical form. Raises ``RequestError``."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError) as error:
        raise RequestError(where, repr(text), "a UUID") from error


def _decision_id(value: Any) -> str | None:
    return None if value is None else decision_id(value, "parameters.decision_id")


def _sticky_key(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value or None
    raise RequestError("parameters.sticky_key", _kind(value), "a string")


def _event_time(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise RequestError("parameters.event_time", repr(value), "an RFC 3339 moment") from error
    if moment.tzinfo is None:
        raise RequestError("parameters.event_time", repr(value), "an RFC 3339 moment with its offset or Z")
    return moment.astimezone(UTC)


def _kind(value: Any) -> str:
    """What was found, for a message: a scalar's value, else the JSON type's name. Never a whole payload."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "...")
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return orjson.dumps(value).decode()


def _listed(names: Any) -> str:
    return ", ".join(names)


# --- answers and metadata --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an answer says: the first output column, and where it came from."""

    model: str
    version: int
    output: str
    decision_id: str
    variant: str
    values: Sequence[float]
    request_id: str | None = None


def answer(prediction: Prediction) -> bytes:
    """The infer answer. A value that is not finite becomes ``null``: JSON has no NaN."""
    document: dict[str, Any] = {"model_name": prediction.model, "model_version": str(prediction.version)}
    if prediction.request_id is not None:
        document["id"] = prediction.request_id
    document["parameters"] = {"decision_id": prediction.decision_id, "variant": prediction.variant}
    values = prediction.values
    tensor = {"name": prediction.output, "shape": [len(values)], "datatype": "FP64", "data": values}
    document["outputs"] = [tensor]
    return orjson.dumps(document)


def server_metadata(version: str) -> bytes:
    """``GET /v2``."""
    return orjson.dumps({"name": "fleetward", "version": version, "extensions": ["outcomes", "model_repository"]})


def server_state(state: str, *, holds: bool) -> bytes:
    """``GET /v2/health/live`` and ``/v2/health/ready``; clients go by the status, people read this."""
    return orjson.dumps({state: holds})


def model_metadata(model: str, versions: Sequence[int], schema: Schema) -> bytes:
    """``GET /v2/models/{m}[/versions/{v}]``; -1 is the variable number of rows."""
    return orjson.dumps(
        {
            "name": model,
            "versions": [str(version) for version in versions],
            "platform": "fleetward",
            "inputs": [_tensor_metadata(field) for field in schema.inputs],
            "outputs": [_tensor_metadata(field) for field in schema.outputs],
        }
    )


def _tensor_metadata(field: Field) -> dict[str, Any]:
    return {"name": field.name, "datatype": field.kind.datatype, "shape": [-1]}


def model_ready(model: str, *, ready: bool) -> bytes:
    """``GET .../ready``."""
    return orjson.dumps({"name": model, "ready": ready})


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
