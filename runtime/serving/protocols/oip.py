"""Open Inference Protocol v2: infer requests to columns, predictions to answers, in JSON and with raw tensors.

    request  {id?, parameters?, inputs: [{name, shape, datatype, data}], outputs?: [{name}]}
    answer   {model_name, model_version, id?, parameters: {decision_id, variant, override?}, outputs: [{...}]}

Columns come as one tensor a feature (shape [rows] or [rows, 1], by name, any order), or as a single tensor of
shape [rows, features] in schema order, whatever its name. ``data`` is flat or nested, row-major; ``null`` is a
missing value. A number feature takes BOOL, integers and floats; a text feature takes BYTES; a single BYTES tensor
of [rows, features] may carry both, its numbers as JSON numbers or as text.

With the binary tensor extension the body is the JSON, whose length stands in ``Inference-Header-Content-Length``,
and then raw tensors (see ``tensors``). The answer is raw where the request says so: ``binary_data`` of an output, or
else ``binary_data_output`` of the request.

https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from numpy.typing import NDArray

from runtime.domain.errors import RequestError, SchemaMismatch, Unsupported
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.explaining.explanation import Explanation
from runtime.serving.protocols.columns import Table, number, text
from runtime.serving.protocols.document import json_object, kind, listed
from runtime.serving.protocols.request import Asked, Context, Fitted, InferRequest, Prediction, Rendered, asked, context
from runtime.serving.protocols.tensors import MIXED, NO_RAW, Raw, Tensor, raw_bytes, refuse_shared_memory, tensor

RAW_MEDIA = b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"


class Wanted(NamedTuple):
    """What the answer is to hold: which outputs (None: all), and which of them raw."""

    id: str | None
    names: tuple[str, ...] | None = None
    raw: frozenset[str] = frozenset()
    all_raw: bool = False


class Reader:
    """Reads infer requests for one schema; built once a version, so that a request pays only for itself."""

    def __init__(self, schema: Schema) -> None:
        self.table = Table(schema)

    def read(self, body: bytes) -> InferRequest:
        """The request in a JSON body. Raises ``RequestError`` (malformed) or ``SchemaMismatch`` (does not fit)."""
        return self.asked(body).request

    def asked(self, body: bytes, json_length: int | None = None) -> Asked:
        """The request in a body whose first ``json_length`` bytes (all, where there is none) are JSON.

        Raises as ``read``, and ``Unsupported`` for shared memory and classification.
        """
        raw = NO_RAW
        if json_length is None:
            document = json_object(body)
        else:
            whole = memoryview(body)
            document, raw = json_object(whole[:json_length]), Raw(whole[json_length:])
        tensors = document.get("inputs")
        if type(tensors) is not list or not tensors:
            raise RequestError("inputs", "an empty list" if tensors == [] else kind(tensors), "a list of tensors")
        request_id = document.get("id")
        if request_id is not None and type(request_id) is not str:
            raise RequestError("id", kind(request_id), "a string")
        parameters = document.get("parameters")
        beside = context(parameters)
        wanted = self.wanted(request_id, document.get("outputs"), parameters)
        read = [tensor(value, position, raw) for position, value in enumerate(tensors)]
        raw.end()
        return self.asked_in(read, beside, lambda prediction: answer(prediction, wanted), request_id)

    def asked_in(
        self, tensors: list[Tensor], beside: Context, render: Callable[[Prediction], Rendered], request_id: str | None
    ) -> Asked:
        """The request in tensors that were read already. Raises ``RequestError``, ``SchemaMismatch``."""
        return asked(self._fitted(tensors), beside, render, request_id)

    def wanted(self, request_id: str | None, outputs: Any, parameters: Any) -> Wanted:
        """What the request asks to be answered with. Raises as ``asked``."""
        everything = bool(parameters) and parameters.get("binary_data_output") is True
        if outputs is None:
            return Wanted(request_id, all_raw=everything)
        if type(outputs) is not list or not all(type(output) is dict for output in outputs):
            raise RequestError("outputs", kind(outputs), "a list of objects with a name")
        raw = set()
        for output in outputs:
            name = output.get("name")
            if type(name) is not str or name not in self.table.outputs:
                raise SchemaMismatch("outputs", kind(name), listed(self.table.outputs))
            if _is_raw(output.get("parameters"), f"output {name!r}", otherwise=everything):
                raw.add(name)
        return Wanted(request_id, tuple(output["name"] for output in outputs) or None, frozenset(raw))

    def _fitted(self, tensors: list[Tensor]) -> Fitted:
        first, table = tensors[0], self.table
        if len(tensors) == 1 and len(first.shape) == 2 and self._is_matrix(first):
            return self._matrix(first)
        by_name = {tensor.name: tensor for tensor in tensors}
        if len(by_name) != len(tensors):
            raise RequestError("inputs", "two tensors of one name", "each name once")
        table.check_names(by_name)
        rows = first.shape[0]
        return table.fitted(rows, {field.name: _column(by_name[field.name], field, rows) for field in table.fields})

    def _is_matrix(self, tensor: Tensor) -> bool:
        return tensor.shape[1] == self.table.width or tensor.name not in self.table.by_name

    def _matrix(self, tensor: Tensor) -> Fitted:
        rows, width = tensor.shape
        table = self.table
        if width != table.width:
            expected = f"shape [rows, {table.width}]: {listed(table.by_name)}"
            raise SchemaMismatch(f"input {tensor.name!r}", f"shape [{rows}, {width}]", expected)
        if tensor.datatype == "BYTES":
            values = tensor.values(MIXED)
            return table.mixed(list(values), rows)
        if table.texts:
            expected = f"BYTES, since {listed(table.texts)} hold text"
            raise SchemaMismatch(f"input {tensor.name!r}", tensor.datatype, expected)
        return table.matrix(tensor.values(), rows)


def _is_raw(parameters: Any, where: str, *, otherwise: bool) -> bool:
    if not parameters:
        return otherwise
    if type(parameters) is not dict:
        raise RequestError(f"{where}: parameters", kind(parameters), "an object")
    refuse_shared_memory(parameters, where)
    if parameters.get("classification"):
        raise Unsupported(f"{where}: classification; the answer holds the output itself")
    return parameters.get("binary_data", otherwise) is True


def _column(tensor: Tensor, field: Field, rows: int) -> NDArray[Any]:
    shape = tensor.shape
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise SchemaMismatch(f"input {field.name!r}", f"shape {shape}", "shape [rows] or [rows, 1]")
    if shape[0] != rows:
        raise SchemaMismatch(f"input {field.name!r}", f"{shape[0]} rows", f"{rows} rows, as the first input has")
    if (tensor.datatype == "BYTES") is not (field.kind is FieldKind.TEXT):
        expected = "BYTES (text)" if field.kind is FieldKind.TEXT else "a number datatype such as FP64"
        raise SchemaMismatch(f"input {field.name!r}", tensor.datatype, expected)
    values = tensor.values()
    return text(values, field) if field.kind is FieldKind.TEXT else number(values, field)


def json_length(headers: Mapping[bytes, bytes], body: bytes) -> int | None:
    """How much of the body is JSON, by its header. Raises ``RequestError``."""
    value = headers.get(JSON_LENGTH)
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18 or int(value) > len(body):
        found, expected = repr(value[:40].decode("latin-1")), f"a number of bytes up to the body's {len(body)}"
        raise RequestError("header inference-header-content-length", found, expected)
    return int(value)


def answer(prediction: Prediction, wanted: Wanted) -> Rendered:
    """The infer answer. In JSON a value that is not finite becomes ``null``: JSON has no NaN."""
    document: dict[str, Any] = {"model_name": prediction.model, "model_version": str(prediction.version)}
    if wanted.id is not None:
        document["id"] = wanted.id
    document["parameters"] = {"decision_id": prediction.decision_id, "variant": prediction.variant}
    if prediction.override:
        document["parameters"]["override"] = prediction.override
    parts: list[bytes] = []
    document["outputs"] = tensors = []
    for output in prediction.outputs:
        if wanted.names is not None and output.name not in wanted.names:
            continue
        described: dict[str, Any] = {"name": output.name, "shape": [len(output.values)], "datatype": output.datatype}
        if wanted.all_raw or output.name in wanted.raw:
            part = raw_bytes(output.datatype, output.values)
            described["parameters"] = {"binary_data_size": len(part)}
            parts.append(part)
        else:
            described["data"] = output.values
        tensors.append(described)
    header = orjson.dumps(document)
    if not parts:
        return Rendered(header)
    return Rendered(b"".join((header, *parts)), RAW_MEDIA, ((JSON_LENGTH, b"%d" % len(header)),))


CONTRIBUTIONS = "contributions"


def explanation(prediction: Prediction, explained: Explanation, request_id: str | None) -> Rendered:
    """The infer answer in JSON with one output more: what each feature contributed, [rows, features] as in the inputs.

    How it was found stands in its parameters.
    """
    document = orjson.loads(answer(prediction, Wanted(request_id)).body)
    columns = list(explained.contributions.values())
    rows = [value for row in zip(*(column.tolist() for column in columns), strict=True) for value in row]
    told = explained.as_document()
    document["outputs"].append(
        {
            "name": CONTRIBUTIONS,
            "shape": [len(explained.outputs), len(columns)],
            "datatype": "FP64",
            "parameters": {name: told[name] for name in ("method", "scale", "base", "tolerance", "seed")},
            "data": rows,
        }
    )
    return Rendered(orjson.dumps(document))


def json_answer(prediction: Prediction) -> Rendered:
    """The infer answer to a request that was no JSON itself."""
    return answer(prediction, Wanted(None))
