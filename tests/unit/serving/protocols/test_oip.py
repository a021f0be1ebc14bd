import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.errors import RequestError, SchemaMismatch
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.serving.protocols import metadata, oip
from runtime.serving.protocols.request import Asked, InferRequest, Output, Prediction

NUMBER, TEXT = FieldKind.NUMBER, FieldKind.TEXT
Y = (Field(name="minutes", kind=NUMBER),)
NUMBERS = Schema(inputs=(Field(name="a", kind=NUMBER), Field(name="b", kind=NUMBER)), outputs=Y)
MIXED = Schema(
    inputs=(Field(name="a", kind=NUMBER), Field(name="dest", kind=TEXT), Field(name="b", kind=NUMBER)), outputs=Y
)
ID = "0190b8a6-7c1f-7d2e-8a52-4f3c2b1a0d9e"


def tensor(name: str, data: Any, shape: list[int] | None = None, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def read(schema: Schema, *inputs: Any, **more: Any) -> InferRequest:
    return oip.Reader(schema).read(orjson.dumps({"inputs": list(inputs), **more}))


def test_one_tensor_a_feature_comes_in_any_order_and_leaves_in_schema_order() -> None:
    request = read(
        MIXED,
        tensor("b", [3, 4], datatype="INT64"),
        tensor("dest", [["LAX"], ["SFO"]], [2, 1], "BYTES"),
        tensor("a", [1.5, None]),
    )
    assert request.rows == 2
    assert list(request.columns) == ["a", "dest", "b"]
    np.testing.assert_array_equal(request.columns["a"], [1.5, math.nan])
    assert request.columns["a"].dtype == request.columns["b"].dtype == np.float64
    assert request.columns["dest"].tolist() == ["LAX", "SFO"]
    assert request.numbers[1] == [3.0, 4.0]
    assert request.texts == (["LAX", "SFO"],)


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]], ids=["flat", "nested"])
def test_one_tensor_of_rows_and_features_is_read_row_major_whatever_its_name(data: Any) -> None:
    request = read(NUMBERS, tensor("anything", data, [2, 2], "FP32"))
    assert request.columns["a"].tolist() == [1, 3]
    assert request.columns["b"].tolist() == [2, 4]
    assert request.numbers == ([1.0, 3.0], [2.0, 4.0])
    assert request.texts == ()


def test_a_bytes_matrix_carries_numbers_and_text_in_schema_order() -> None:
    request = read(MIXED, tensor("x", [["1.5", "LAX", 2], [None, None, "3"]], [2, 3], "BYTES"))
    np.testing.assert_array_equal(request.columns["a"], [1.5, math.nan])
    assert request.columns["dest"].tolist() == ["LAX", None]
    assert request.columns["b"].tolist() == [2, 3]


def test_a_single_feature_is_the_same_as_a_matrix_of_one_column() -> None:
    one = Schema(inputs=(Field(name="a", kind=NUMBER),), outputs=Y)
    for name, shape in (("a", [2]), ("a", [2, 1]), ("x", [2, 1])):
        assert read(one, tensor(name, [1, 2], shape)).columns["a"].tolist() == [1, 2]


def test_null_is_a_missing_value_in_numbers_and_text() -> None:
    request = read(MIXED, tensor("a", [None]), tensor("dest", [None], datatype="BYTES"), tensor("b", [None]))
    assert math.isnan(request.columns["a"][0])
    assert request.columns["dest"][0] is None
    assert request.texts == ([None],)


def test_booleans_are_numbers_only_under_the_datatype_bool() -> None:
    assert read(NUMBERS, tensor("x", [True, False], [1, 2], "BOOL")).numbers == ([1.0], [0.0])
    with pytest.raises(RequestError, match="got true; expected FP64 elements"):
        read(NUMBERS, tensor("x", [True, False], [1, 2]))


def test_id_and_parameters_are_read() -> None:
    parameters = {"event_time": "2013-05-01T12:00:00+02:00", "sticky_key": "u1", "decision_id": ID.upper(), "more": 1}
    request = read(NUMBERS, tensor("x", [1, 2], [1, 2]), id="r1", parameters=parameters)
    assert (request.id, request.sticky_key, request.decision_id) == ("r1", "u1", ID)
    assert request.event_time == datetime(2013, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "where", "found"),
    [
        (b"{", "body", "unexpected end"),
        (b"[]", "body", "a list"),
        (b"{}", "inputs", "nothing"),
        (b'{"inputs": []}', "inputs", "an empty list"),
        (b'{"inputs": [3]}', "inputs[0]", "3"),
        (b'{"inputs": [{"shape": [1]}]}', "inputs[0].name", "nothing"),
    ],
)
def test_a_malformed_body_says_where_and_what(body: bytes, where: str, found: str) -> None:
    with pytest.raises(RequestError) as caught:
        oip.Reader(NUMBERS).read(body)
    assert type(caught.value) is RequestError
    assert caught.value.where == where
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"datatype": "FP8"}, "'FP8'"),
        ({"shape": [-1, 2]}, "a list"),
        ({"shape": []}, "a list"),
        ({"shape": [1.0, 2]}, "a list"),
        ({"shape": [0, 2], "data": []}, "a list"),
        ({"data": [1, 2, 3]}, "3 elements"),
        ({"data": [[1, 2], [3, 4]]}, "2 lists"),
        ({"data": [[1], [2]]}, "2 lists"),
        ({"data": [[1, 2, 3]]}, "nested lists of another size"),
        ({"data": [[[1, 2]]]}, "nested lists of another size"),
        ({"data": [1, [2]]}, "a list"),
        ({"data": [1, "2"]}, "'2'"),
        ({"data": [1, {}]}, "an object"),
        ({"data": None}, "nothing"),
        ({"datatype": "INT64", "data": [1, 2.5]}, "2.5"),
    ],
)
def test_a_malformed_tensor_is_a_request_error(change: dict[str, Any], found: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(NUMBERS, {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2], **change})
    assert type(caught.value) is RequestError
    assert caught.value.found == found


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"id": 7}, "id"),
        ({"parameters": []} | {"parameters": [1]}, "parameters"),
        ({"parameters": {"event_time": "yesterday"}}, "parameters.event_time"),
        ({"parameters": {"event_time": "2013-05-01T12:00:00"}}, "parameters.event_time"),
        ({"parameters": {"event_time": 5}}, "parameters.event_time"),
        ({"parameters": {"sticky_key": 5}}, "parameters.sticky_key"),
        ({"parameters": {"decision_id": "5"}}, "parameters.decision_id"),
        ({"outputs": [1]}, "outputs"),
    ],
)
def test_wrong_metadata_of_a_request_is_named(more: dict[str, Any], where: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(NUMBERS, tensor("x", [1, 2], [1, 2]), **more)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("inputs", "where", "found", "expected"),
    [
        ([tensor("a", [1.0])], "input 'dest'", "no such tensor", "features a, dest, b"),
        ([tensor("c", [1.0]), tensor("a", [1.0])], "input 'c'", "an unknown feature", "a, dest, b"),
        ([tensor("x", [1, 2], [1, 2])], "input 'x'", "shape [1, 2]", "shape [rows, 3]: a, dest, b"),
        ([tensor("x", [1, 2, 3], [1, 3])], "input 'x'", "FP64", "BYTES, since dest hold text"),
        ([tensor("x", ["1", 2, 3], [1, 3], "BYTES")], "input 'dest'", "2", "text or null"),
        ([tensor("x", ["q", "LAX", 3], [1, 3], "BYTES")], "input 'a'", "could not convert", "a number"),
    ],
)
def test_a_request_that_does_not_fit_names_feature_found_and_expected(
    inputs: list[Any], where: str, found: str, expected: str
) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        read(MIXED, *inputs)
    assert caught.value.status == 422
    assert caught.value.where == where
    assert found in caught.value.found
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"shape": [1, 1, 1]}, "shape [1, 1, 1]"),
        ({"shape": [2], "data": ["A", "B"]}, "2 rows"),
        ({"datatype": "FP64", "data": [1]}, "FP64"),
    ],
)
def test_a_wrongly_shaped_or_typed_feature_is_a_mismatch(change: dict[str, Any], found: str) -> None:
    dest = {"name": "dest", "shape": [1], "datatype": "BYTES", "data": ["LAX"], **change}
    with pytest.raises(SchemaMismatch) as caught:
        read(MIXED, tensor("a", [1.0]), dest, tensor("b", [1.0]))
    assert (caught.value.where, caught.value.found) == ("input 'dest'", found)


def test_text_for_a_number_feature_is_a_mismatch() -> None:
    with pytest.raises(SchemaMismatch, match="input 'a': got BYTES; expected a number datatype"):
        read(NUMBERS, tensor("a", ["1"], datatype="BYTES"), tensor("b", [1.0]))


def test_two_tensors_of_one_name_are_malformed_and_an_unknown_output_is_a_mismatch() -> None:
    with pytest.raises(RequestError, match="two tensors of one name"):
        read(NUMBERS, tensor("a", [1.0]), tensor("a", [1.0]))
    with pytest.raises(SchemaMismatch, match="'hours'; expected minutes"):
        read(NUMBERS, tensor("x", [1, 2], [1, 2]), outputs=[{"name": "hours"}])
    read(NUMBERS, tensor("x", [1, 2], [1, 2]), outputs=[{"name": "minutes"}])


@given(st.lists(st.tuples(*[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1))
def test_matrix_and_columns_say_the_same(rows: list[tuple[float | None, float | None]]) -> None:
    matrix = read(NUMBERS, tensor("x", [value for row in rows for value in row], [len(rows), 2]))
    columns = read(
        NUMBERS, *(tensor(name, list(part)) for name, part in zip("ab", zip(*rows, strict=True), strict=True))
    )
    for name in "ab":
        np.testing.assert_array_equal(matrix.columns[name], columns.columns[name])
    np.testing.assert_array_equal(matrix.numbers, columns.numbers)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: (
            st.lists(s) | st.dictionaries(st.sampled_from(["inputs", "name", "shape", "datatype", "data", "x"]), s)
        ),
        max_leaves=30,
    )
)
def test_no_json_at_all_raises_anything_but_a_request_error(document: Any) -> None:
    try:
        body = orjson.dumps(document)
    except TypeError:  # an integer over 64 bits
        return
    with pytest.raises(RequestError):
        oip.Reader(MIXED).read(body)


def answered(asked: Asked, *values: float) -> Any:
    rendered = asked.render(Prediction("m", 3, ID, "canary", (Output("minutes", "FP64", list(values)),)))
    return orjson.loads(rendered.body)


def test_an_answer_echoes_the_id_and_names_its_decision_and_variant() -> None:
    body = orjson.dumps({"id": "r1", "inputs": [tensor("x", [1, 2], [1, 2])]})
    assert answered(oip.Reader(NUMBERS).asked(body), 1.5, math.nan) == {
        "model_name": "m",
        "model_version": "3",
        "id": "r1",
        "parameters": {"decision_id": ID, "variant": "canary"},
        "outputs": [{"name": "minutes", "shape": [2], "datatype": "FP64", "data": [1.5, None]}],
    }


def test_an_answer_to_a_request_without_id_has_none() -> None:
    body = orjson.dumps({"inputs": [tensor("x", [1, 2], [1, 2])]})
    assert "id" not in answered(oip.Reader(NUMBERS).asked(body), 1.0)


def test_metadata_describes_tensors_with_variable_rows() -> None:
    document = orjson.loads(metadata.model_metadata("m", [3, 4], MIXED))
    assert (document["name"], document["versions"]) == ("m", ["3", "4"])
    assert document["inputs"][1] == {"name": "dest", "datatype": "BYTES", "shape": [-1]}
    assert document["outputs"] == [{"name": "minutes", "datatype": "FP64", "shape": [-1]}]


def test_the_repository_index_says_why_a_model_is_not_ready() -> None:
    assert orjson.loads(metadata.repository_index([("a", 2, ""), ("b", None, "suspended")])) == [
        {"name": "a", "version": "2", "state": "READY", "reason": ""},
        {"name": "b", "version": "", "state": "UNAVAILABLE", "reason": "suspended"},
    ]
