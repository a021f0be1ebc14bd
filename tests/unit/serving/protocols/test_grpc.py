"""The codec against Triton's own: its encoder writes what is read, its generated code reads what is written."""

from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2
from tritonclient.grpc._utils import _get_inference_request

from runtime.domain.errors import RequestError, SchemaMismatch, Unsupported
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.serving.protocols import grpc, grpc_messages
from runtime.serving.protocols.oip import Reader
from runtime.serving.protocols.request import Asked, Output, Prediction

NUMBER, TEXT = FieldKind.NUMBER, FieldKind.TEXT
Y = (Field(name="y", kind=NUMBER),)
NUMBERS = Schema(inputs=(Field(name="a", kind=NUMBER), Field(name="b", kind=NUMBER)), outputs=Y)
MIXED = Schema(inputs=(Field(name="a", kind=NUMBER), Field(name="dest", kind=TEXT)), outputs=Y)
ID = "0190b8a6-7c1f-7d2e-8a52-4f3c2b1a0d9e"
TYPES = {
    "BOOL": np.bool_,
    **{f"INT{bits}": getattr(np, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": getattr(np, f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": getattr(np, f"float{bits}") for bits in (16, 32, 64)},
}
TYPED = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def read(schema: Schema, request: Any) -> Asked:
    return grpc.read(Reader(schema), grpc.infer_request(request.SerializeToString()))


def raw_input(name: str, values: Any, datatype: str) -> triton.InferInput:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def encoded(*inputs: triton.InferInput, outputs: Any = None, parameters: Any = None) -> Any:
    return _get_inference_request(
        model_name="m",
        inputs=list(inputs),
        model_version="",
        request_id="7",
        outputs=outputs,
        sequence_id=0,
        sequence_start=False,
        sequence_end=False,
        priority=0,
        timeout=None,
        parameters=parameters,
    )


def typed(datatype: str, values: list[Any], shape: list[int], field: str | None = None, name: str = "x") -> Any:
    request = service_pb2.ModelInferRequest(model_name="m")
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    getattr(tensor.contents, field or TYPED[datatype]).extend(values)
    return request


@pytest.mark.parametrize("name", sorted(grpc_messages._MESSAGES))
def test_every_message_has_the_fields_of_the_public_interface(name: str) -> None:
    nested = {"TensorMetadata": "ModelMetadataResponse", "ModelIndex": "RepositoryIndexResponse"}
    nested |= dict.fromkeys(("InferInputTensor", "InferRequestedOutputTensor"), "ModelInferRequest")
    nested |= {"InferOutputTensor": "ModelInferResponse"}
    outer = nested.get(name)
    public = getattr(getattr(service_pb2, outer), name) if outer else getattr(service_pb2, name)
    own = grpc_messages.message(name).DESCRIPTOR
    for field in own.fields:
        theirs = public.DESCRIPTOR.fields_by_name[field.name]
        assert (field.number, field.type, field.is_repeated) == (theirs.number, theirs.type, theirs.is_repeated)
        assert (field.containing_oneof is None) is (theirs.containing_oneof is None)


@pytest.mark.parametrize("datatype", sorted(TYPES))
def test_raw_tensors_of_tritons_encoder_are_read_bit_by_bit(datatype: str) -> None:
    values = np.array([[1, 0], [3, 1]]).astype(TYPES[datatype])
    request = read(NUMBERS, encoded(raw_input("x", values, datatype))).request
    assert request.rows == 2
    assert request.id == "7"
    assert np.array_equal(np.column_stack(list(request.columns.values())), values.astype(np.float64))


@given(st.lists(st.floats(width=64, allow_infinity=False), min_size=2, max_size=20).filter(lambda v: len(v) % 2 == 0))
def test_typed_and_raw_contents_are_the_same_numbers(values: list[float]) -> None:
    shape = [len(values) // 2, 2]
    raw = read(NUMBERS, encoded(raw_input("x", np.array(values).reshape(shape), "FP64"))).request
    same = read(NUMBERS, typed("FP64", values, shape)).request
    for name in ("a", "b"):
        assert raw.columns[name].tobytes() == same.columns[name].tobytes()


@pytest.mark.parametrize("datatype", sorted(TYPED))
def test_typed_contents_of_every_datatype_are_read(datatype: str) -> None:
    request = read(NUMBERS, typed(datatype, [1, 0, 0, 1], [2, 2])).request
    assert request.numbers == ([1.0, 0.0], [0.0, 1.0])


def test_text_is_read_raw_and_typed() -> None:
    texts = np.array([[b"LAX"], ["Zürich".encode()]], dtype=np.object_)
    raw = read(MIXED, encoded(raw_input("a", np.array([[1.0], [2.0]]), "FP64"), raw_input("dest", texts, "BYTES")))
    request = typed("FP64", [1.0, 2.0], [2], name="a")
    request.inputs.add(name="dest", datatype="BYTES", shape=[2]).contents.bytes_contents.extend(
        each[0] for each in texts.tolist()
    )
    assert raw.request.texts == read(MIXED, request).request.texts == (["LAX", "Zürich"],)


def test_parameters_carry_the_decision_id_the_sticky_key_and_the_subject() -> None:
    parameters = {"decision_id": ID, "sticky_key": "k", "subject": "person-1"}
    request = read(NUMBERS, encoded(raw_input("x", np.ones((1, 2)), "FP64"), parameters=parameters)).request
    assert (request.decision_id, request.sticky_key, request.subject) == (ID, "k", "person-1")


def test_the_answer_is_raw_in_order_and_triton_reads_it() -> None:
    asked = read(NUMBERS, encoded(raw_input("x", np.ones((2, 2)), "FP64")))
    outputs = (Output("y", "FP64", [1.5, float("nan")]), Output("label", "BYTES", ["a", "bc"]))
    rendered = asked.render(Prediction("m", 3, ID, "champion", outputs))
    response = service_pb2.ModelInferResponse.FromString(rendered.body)
    result = triton.InferResult(response)
    assert np.array_equal(result.as_numpy("y"), [1.5, np.nan], equal_nan=True)
    assert result.as_numpy("label").tolist() == [b"a", b"bc"]
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "7")
    assert response.parameters["decision_id"].string_param == ID
    assert len(response.raw_output_contents) == 2


def test_only_the_outputs_that_were_asked_for_are_answered() -> None:
    wanted = [triton.InferRequestedOutput("y")]
    asked = read(NUMBERS, encoded(raw_input("x", np.ones((1, 2)), "FP64"), outputs=wanted))
    outputs = (Output("label", "BYTES", ["a"]), Output("y", "FP64", [1.0]))
    response = service_pb2.ModelInferResponse.FromString(asked.render(Prediction("m", 1, ID, "champion", outputs)).body)
    assert [each.name for each in response.outputs] == ["y"]
    assert len(response.raw_output_contents) == 1


def _with(request: Any, **parts: Any) -> Any:
    for name, value in parts.items():
        del getattr(request, name)[:]
        getattr(request, name).extend(value)
    return request


@pytest.mark.parametrize(
    ("request_", "where", "found"),
    [
        (_with(encoded(raw_input("x", np.ones((1, 2)), "FP64")), raw_input_contents=[b"\0" * 15]), "raw_input", "15"),
        (
            _with(encoded(raw_input("x", np.ones((1, 2)), "FP64")), raw_input_contents=[b"", b""]),
            "raw_input",
            "2 parts",
        ),
        (_with(encoded(raw_input("x", np.ones((1, 2)), "FP64")), inputs=[]), "inputs", "an empty list"),
        (typed("FP64", [1.0], [1, 2]), "fp64_contents", "1 elements"),
        (typed("FP64", [1.0, 2.0], [1, 2], "fp32_contents"), "contents", "fp32_contents"),
        (typed("INT8", [1, 300], [1, 2]), "int_contents", "out of its range"),
        (typed("FP16", [1.0, 2.0], [1, 2], "fp32_contents"), "'x'", "FP16"),
        (typed("BF16", [1.0, 2.0], [1, 2], "fp32_contents"), "datatype", "BF16"),
        (typed("FP64", [1.0, 2.0], [-1, 2]), "shape", "list"),
        (typed("FP64", [], []), "shape", "list"),
    ],
)
def test_a_malformed_request_is_refused_by_its_place(request_: Any, where: str, found: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(NUMBERS, request_)
    assert where in refused.value.where
    assert found in str(refused.value)


def test_contents_beside_raw_contents_are_refused() -> None:
    request = typed("FP64", [1.0, 2.0], [1, 2])
    request.raw_input_contents.append(np.ones(2).tobytes())
    with pytest.raises(RequestError, match="contents and raw_input_contents"):
        read(NUMBERS, request)


def test_an_infinity_does_not_fit_however_it_comes() -> None:
    with pytest.raises(SchemaMismatch, match="an infinity"):
        read(NUMBERS, typed("FP32", [float("inf"), 1.0], [1, 2]))


def test_text_in_place_of_numbers_does_not_fit() -> None:
    with pytest.raises(RequestError):
        read(NUMBERS, typed("BYTES", [b"LAX", b"SFO"], [1, 2], "bytes_contents"))


def test_shared_memory_is_refused_by_name() -> None:
    tensor = triton.InferInput("x", [1, 2], "FP64")
    tensor.set_shared_memory("region-9", 16)
    with pytest.raises(Unsupported, match="region-9"):
        read(NUMBERS, encoded(tensor))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(content: bytes) -> None:
    with pytest.raises(RequestError):  # no short run of random bytes is a whole request for this schema
        grpc.read(Reader(NUMBERS), grpc.infer_request(content))
