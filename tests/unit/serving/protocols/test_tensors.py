import math
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.errors import RequestError, SchemaMismatch, Unsupported
from runtime.domain.schema import Schema
from runtime.serving.protocols import oip
from runtime.serving.protocols.request import Asked, Output, Prediction, Rendered
from runtime.serving.protocols.tensors import RAW, raw_bytes
from tests.unit.serving.conftest import MIXED
from tests.unit.serving.conftest import SCHEMA as NUMBERS


def tensor(name: str, shape: list[int], datatype: str, size: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}


def ask(schema: Schema, inputs: list[Any], raw: bytes, **more: Any) -> Asked:
    header = orjson.dumps({"inputs": inputs, **more})
    return oip.Reader(schema).asked(header + raw, len(header))


def texts(*values: str) -> bytes:
    return raw_bytes("BYTES", list(values))


@pytest.mark.parametrize("datatype", sorted(RAW))
def test_raw_numbers_of_every_datatype_are_little_endian_and_row_major(datatype: str) -> None:
    values = np.array([[1, 0], [1, 1]]).astype(RAW[datatype])
    request = ask(NUMBERS, [tensor("x", [2, 2], datatype, values.nbytes)], values.tobytes()).request
    assert request.columns["a"].dtype == np.float64
    assert request.numbers == ([1.0, 1.0], [0.0, 1.0])


def test_raw_and_json_tensors_stand_together_in_the_order_of_the_inputs() -> None:
    inputs = [
        tensor("b", [2, 1], "FP32", 8),
        {"name": "dest", "shape": [2], "datatype": "BYTES", "data": ["LAX", None]},
        tensor("a", [2], "INT16", 4),
    ]
    raw = np.array([1.5, 2.5], "<f4").tobytes() + np.array([-1, 7], "<i2").tobytes()
    request = ask(MIXED, inputs, raw).request
    assert request.numbers == ([-1.0, 7.0], [1.5, 2.5])
    assert request.texts == (["LAX", None],)


def test_raw_bytes_carry_whole_rows_of_text_and_numbers() -> None:
    raw = texts("1.5", "Zürich", "", "2", "", "3")
    request = ask(MIXED, [tensor("x", [2, 3], "BYTES", len(raw))], raw).request
    assert request.texts == (["Zürich", ""],)
    np.testing.assert_array_equal(request.numbers, [[1.5, 2.0], [math.nan, 3.0]])


def test_nan_is_a_missing_value_and_an_infinity_does_not_fit() -> None:
    raw = np.array([math.nan, 1.0]).tobytes()
    assert math.isnan(ask(NUMBERS, [tensor("x", [1, 2], "FP64", 16)], raw).request.columns["a"][0])
    raw = np.array([-math.inf, 1.0]).tobytes()
    with pytest.raises(SchemaMismatch, match="an infinity"):
        ask(NUMBERS, [tensor("x", [1, 2], "FP64", 16)], raw)
    with pytest.raises(SchemaMismatch, match="input 'a': got an infinity"):
        ask(NUMBERS, [tensor("a", [1], "FP64", 8), tensor("b", [1], "FP64", 8)], raw)
    raw = texts("inf", "LAX", "1")
    with pytest.raises(SchemaMismatch, match="input 'a': got an infinity"):
        ask(MIXED, [tensor("x", [1, 3], "BYTES", len(raw))], raw)


X = [1, 2]


@pytest.mark.parametrize(
    ("inputs", "raw", "where", "found"),
    [
        ([tensor("x", X, "FP64", 16)], bytes(15), "input 'x': parameters.binary_data_size", "16 bytes"),
        ([tensor("x", X, "FP64", 16)], bytes(17), "body", "1 bytes after the last tensor"),
        ([tensor("x", X, "FP64", 8)], bytes(8), "input 'x': parameters.binary_data_size", "8 bytes"),
        ([tensor("x", X, "FP64", -1)], b"", "input 'x': parameters.binary_data_size", "-1"),
        ([tensor("x", X, "FP64", "16")], bytes(16), "input 'x': parameters.binary_data_size", "'16'"),
        ([tensor("x", X, "FP64", True)], bytes(16), "input 'x': parameters.binary_data_size", "true"),
        ([{**tensor("x", X, "FP64", 16), "data": [1, 2]}], bytes(16), "input 'x'", "data and binary_data_size"),
        ([{**tensor("x", X, "FP64", 16), "parameters": [1]}], bytes(16), "input 'x': parameters", "a list"),
        ([tensor("x", [10**9, 10**9], "FP64", 16)], bytes(16), "input 'x': parameters.binary_data_size", "16 bytes"),
        ([tensor("x", [1] * 9, "FP64", 8)], bytes(8), "input 'x': shape", "9 axes"),
        ([tensor("x", X, "BF16", 4)], bytes(4), "input 'x': datatype", "'BF16'"),
        ([tensor("x", X, "BYTES", 7)], bytes(7), "input 'x': binary data", "7 bytes"),
        ([tensor("x", X, "BYTES", 9)], bytes(9), "input 'x': binary data", "1 bytes after the last element"),
        ([tensor("x", X, "BYTES", 9)], texts("abcde"), "input 'x': binary data", "the end after 1 elements"),
        ([tensor("x", X, "BYTES", 8)], struct.pack("<II", 5, 0), "input 'x': binary data", "an element of 5 bytes"),
        ([tensor("x", X, "BYTES", 10)], struct.pack("<IIH", 0, 2, 0xFFFF), "input 'x': binary data", "'utf-8' codec"),
    ],
)
def test_raw_data_of_another_size_than_it_says_is_malformed(
    inputs: list[Any], raw: bytes, where: str, found: str
) -> None:
    with pytest.raises(RequestError) as caught:
        ask(NUMBERS, inputs, raw)
    assert type(caught.value) is RequestError
    assert caught.value.where == where
    assert caught.value.found.startswith(found)


@pytest.mark.parametrize(
    ("datatype", "value"), [("INT8", 128), ("INT8", -129), ("UINT8", -1), ("UINT32", 2**32), ("INT64", 2**63)]
)
def test_an_integer_out_of_its_datatypes_range_is_malformed(datatype: str, value: int) -> None:
    data = [value, None]
    with pytest.raises(RequestError, match=datatype):
        ask(NUMBERS, [{"name": "x", "shape": [1, 2], "datatype": datatype, "data": data}], b"")


def test_classification_is_refused_by_name() -> None:
    outputs = [{"name": "y", "parameters": {"classification": 3}}]
    with pytest.raises(Unsupported, match="output 'y': classification"):
        ask(NUMBERS, [tensor("x", [1, 2], "FP64", 16)], bytes(16), outputs=outputs)


@pytest.mark.parametrize(
    ("more", "is_raw"),
    [
        ({}, False),
        ({"parameters": {"binary_data_output": True}}, True),
        ({"parameters": {"binary_data_output": False}}, False),
        ({"outputs": [{"name": "y"}], "parameters": {"binary_data_output": True}}, True),
        ({"outputs": [{"name": "y", "parameters": {"binary_data": True}}]}, True),
        (
            {
                "outputs": [{"name": "y", "parameters": {"binary_data": False}}],
                "parameters": {"binary_data_output": True},
            },
            False,
        ),
    ],
)
def test_an_output_is_raw_where_the_request_says_so(more: dict[str, Any], *, is_raw: bool) -> None:
    asked = ask(NUMBERS, [tensor("x", [1, 2], "FP64", 16)], bytes(16), **more)
    rendered = asked.render(Prediction("m", 1, "id", "champion", (Output("y", "FP64", [1.5, math.nan]),)))
    header, raw = _split(rendered)
    [output] = orjson.loads(header)["outputs"]
    assert ("data" in output) is not is_raw
    if is_raw:
        assert rendered.media_type == b"application/octet-stream"
        assert output["parameters"] == {"binary_data_size": 16}
        np.testing.assert_array_equal(np.frombuffer(raw), [1.5, math.nan])


def _split(rendered: Rendered) -> tuple[bytes, bytes]:
    length = int(dict(rendered.headers).get(b"inference-header-content-length", len(rendered.body)))
    return rendered.body[:length], rendered.body[length:]


@given(
    st.lists(
        st.tuples(st.floats(width=32, allow_infinity=False), st.floats(width=32, allow_infinity=False)), min_size=1
    )
)
def test_raw_and_json_say_the_same(rows: list[tuple[float, float]]) -> None:
    values = np.array(rows, dtype="<f4")
    shape = [len(rows), 2]
    raw = ask(NUMBERS, [tensor("x", shape, "FP32", values.nbytes)], values.tobytes()).request
    data = [None if math.isnan(value) else float(value) for value in values.ravel()]
    plain = ask(NUMBERS, [{"name": "x", "shape": shape, "datatype": "FP32", "data": data}], b"").request
    np.testing.assert_array_equal(raw.numbers, plain.numbers)


@given(st.binary(max_size=80), st.integers(0, 80), st.sampled_from(["BYTES", "FP16", "BOOL"]))
def test_no_bytes_at_all_raise_anything_but_a_request_error(raw: bytes, size: int, datatype: str) -> None:
    try:
        request = ask(MIXED, [tensor("x", [2, 3], datatype, size)], raw).request
    except RequestError:
        return
    assert request.rows == 2
