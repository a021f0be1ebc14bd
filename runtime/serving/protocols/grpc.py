"""Infer requests over gRPC: ``ModelInferRequest`` to columns, predictions to ``ModelInferResponse``.

    raw     inputs: [{name, datatype, shape}], raw_input_contents: [bytes]     one for each input, in order
    typed   inputs: [{name, datatype, shape, contents: {fp64_contents: [...]}}]

Answers are always raw, in the order of their outputs, since Triton's client reads nothing else. What a tensor's bytes
mean stands in ``tensors``, and what columns may look like in ``oip``; both are the same as over HTTP.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from runtime.domain.errors import RequestError
from runtime.serving.protocols.document import listed
from runtime.serving.protocols.grpc_messages import message
from runtime.serving.protocols.oip import Reader, Wanted
from runtime.serving.protocols.request import Asked, Prediction, Rendered, context
from runtime.serving.protocols.tensors import RAW, Raw, Tensor, bytes_elements, raw_bytes, tensor

MEDIA_TYPE: Final = b"application/grpc"

_REQUEST, _ANSWER = message("ModelInferRequest"), message("ModelInferResponse")

_CONTENTS: Final = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Which list holds the elements of each datatype; FP16 has none and comes raw."""


def decoded(kind: type[Any], content: bytes) -> Any:
    """A message of this kind. Raises ``RequestError``."""
    try:
        return kind.FromString(content)
    except DecodeError:
        raise RequestError("message", f"{len(content)} bytes that are none", f"a {kind.__name__}") from None


def infer_request(content: bytes) -> Any:
    """A ``ModelInferRequest``. Raises ``RequestError``."""
    return decoded(_REQUEST, content)


def read(reader: Reader, request: Any) -> Asked:
    """The request in a ``ModelInferRequest``.

    Raises ``RequestError`` (malformed), ``SchemaMismatch`` (does not fit), ``Unsupported`` for shared memory and
    classification.
    """
    if not request.inputs:
        raise RequestError("inputs", "an empty list", "a list of tensors")
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError("raw_input_contents", f"{len(raw)} parts", f"{len(request.inputs)}, one for each input")
    beside = context(_parameters(request.parameters))
    outputs = [{"name": each.name, "parameters": _parameters(each.parameters)} for each in request.outputs]
    wanted = reader.wanted(request.id or None, outputs or None, None)
    tensors = [_tensor(each, at, raw[at] if raw else None) for at, each in enumerate(request.inputs)]
    return reader.asked_in(tensors, beside, lambda prediction: answer(prediction, wanted), request.id or None)


def _parameters(given: Any) -> dict[str, Any]:
    """The values of a map of ``InferParameter``."""
    chosen = {name: (each, each.WhichOneof("parameter_choice")) for name, each in given.items()}
    return {name: getattr(each, choice) for name, (each, choice) in chosen.items() if choice is not None}


def _tensor(given: Any, position: int, raw: bytes | None) -> Tensor:
    name, datatype, shape = given.name, given.datatype, list(given.shape)
    parameters = _parameters(given.parameters)
    parameters.pop("binary_data_size", None)
    if raw is None:
        part = _typed(given) if "shared_memory_region" not in parameters else b""
    elif given.HasField("contents") and given.contents.ListFields():
        raise RequestError(f"input {name!r}", "contents and raw_input_contents", "one of them")
    else:
        part = raw
        _check_size(part, f"raw_input_contents[{position}] of input {name!r}", datatype, shape)
    parameters["binary_data_size"] = len(part)
    value = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    return tensor(value, position, Raw(memoryview(part)))


def _check_size(part: bytes, where: str, datatype: str, shape: list[int]) -> None:
    """What ``tensor`` would find too, but in the words of gRPC."""
    if datatype in RAW and shape and min(shape) > 0:
        expected = math.prod(shape) * RAW[datatype].itemsize
        if len(part) != expected:
            raise RequestError(where, f"{len(part)} bytes", f"{expected} for {datatype} of shape {shape}")


def _typed(given: Any) -> bytes:
    """The tensor's typed contents as the raw ones would be. Raises ``RequestError``."""
    name, datatype, shape = given.name, given.datatype, list(given.shape)
    field = _CONTENTS.get(datatype)
    if field is None:
        if datatype in RAW:
            raise RequestError(f"input {name!r}", f"{datatype} outside raw_input_contents", "it there")
        raise RequestError(f"input {name!r}: datatype", repr(datatype[:40]), f"one of {listed(_CONTENTS)} or FP16")
    filled = [each.name for each, _ in given.contents.ListFields()]
    if filled not in ([], [field]):
        wrong = next(each for each in filled if each != field)
        raise RequestError(f"input {name!r}: contents", wrong, f"{field}, which holds {datatype}")
    values = getattr(given.contents, field)
    if shape and min(shape) > 0 and len(values) != math.prod(shape):
        expected = f"{math.prod(shape)} for shape {shape}"
        raise RequestError(f"input {name!r}: contents.{field}", f"{len(values)} elements", expected)
    if datatype == "BYTES":
        return bytes_elements(values)
    try:
        return np.array(list(values), dtype=RAW[datatype]).tobytes()
    except OverflowError:
        raise RequestError(f"input {name!r}: contents.{field}", "a number out of its range", datatype) from None


def answer(prediction: Prediction, wanted: Wanted) -> Rendered:
    """The bytes of a ``ModelInferResponse``."""
    response = _ANSWER(model_name=prediction.model, model_version=str(prediction.version), id=wanted.id or "")
    response.parameters["decision_id"].string_param = prediction.decision_id
    response.parameters["variant"].string_param = prediction.variant
    if prediction.override:
        response.parameters["override"].string_param = prediction.override
    for output in prediction.outputs:
        if wanted.names is None or output.name in wanted.names:
            response.outputs.add(name=output.name, datatype=output.datatype, shape=[len(output.values)])
            response.raw_output_contents.append(raw_bytes(output.datatype, output.values))
    return Rendered(response.SerializeToString(), MEDIA_TYPE)
