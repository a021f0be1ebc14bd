"""KServe's and MLflow's bodies: rows, records, columns and CSV to the same columns."""

import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from runtime.domain.errors import RequestError, SchemaMismatch
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.serving.protocols import kserve, mlflow
from runtime.serving.protocols.columns import Table
from runtime.serving.protocols.request import Asked, Output, Prediction
from tests.unit.serving.conftest import MIXED

TABLE = Table(MIXED)
ONE = Table(Schema(inputs=(Field(name="a", kind=FieldKind.NUMBER),), outputs=MIXED.outputs))
Read = Callable[[Table, bytes], Asked]


def ask(read: Read, document: Any, table: Table = TABLE) -> Asked:
    return read(table, orjson.dumps(document))


RECORDS: list[dict[str, Any]] = [{"a": 1, "dest": "LAX", "b": True}, {"b": 2.5, "a": None, "dest": None}]
LISTS: list[list[Any]] = [[1, "LAX", True], [None, None, 2.5]]
COLUMNS: dict[str, list[Any]] = {"b": [True, 2.5], "dest": ["LAX", None], "a": [1, None]}


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (kserve.read, {"instances": RECORDS}),
        (kserve.read, {"instances": LISTS}),
        (kserve.read, {"inputs": LISTS}),
        (kserve.read, {"inputs": COLUMNS}),
        (kserve.read, {"inputs": {name: [[cell] for cell in column] for name, column in COLUMNS.items()}}),
        (mlflow.read, {"instances": RECORDS}),
        (mlflow.read, {"inputs": COLUMNS}),
        (mlflow.read, {"dataframe_records": RECORDS}),
        (mlflow.read, {"dataframe_split": {"data": LISTS}}),
        (
            mlflow.read,
            {
                "dataframe_split": {
                    "columns": ["b", "dest", "a"],
                    "index": [7, 8],
                    "data": [row[::-1] for row in LISTS],
                }
            },
        ),
    ],
)
def test_every_spelling_of_the_same_rows_is_the_same_request(read: Read, document: Any) -> None:
    request = ask(read, document).request
    assert (request.rows, list(request.columns)) == (2, ["a", "dest", "b"])
    assert request.texts == (["LAX", None],)
    first, second = request.numbers
    assert (first[0], second) == (1.0, [1.0, 2.5])
    assert first[1] is not None
    assert math.isnan(first[1])


def test_csv_is_the_same_request_too_with_empty_cells_missing() -> None:
    request = mlflow.read_csv(TABLE, b'\xef\xbb\xbfb,dest,a\r\n1,"LA,X",1\r\n\r\n2.5,,\r\n').request
    assert request.texts == (["LA,X", None],)
    assert request.numbers[1] == [1.0, 2.5]
    assert str(request.numbers[0]) == "[1.0, nan]"


def test_one_feature_needs_no_list_and_one_row_of_columns_no_lists() -> None:
    assert ask(kserve.read, {"instances": [1, 2]}, ONE).request.numbers == ([1.0, 2.0],)
    assert ask(kserve.read, {"inputs": {"a": 1, "dest": "LAX", "b": 2}}).request.texts == (["LAX"],)


def test_context_stands_in_parameters_and_in_params() -> None:
    more = {"sticky_key": "u1", "event_time": "2013-05-01T12:00:00Z"}
    for read, name in ((kserve.read, "parameters"), (mlflow.read, "params")):
        assert ask(read, {"instances": LISTS, name: more}).request.sticky_key == "u1"
        with pytest.raises(RequestError, match=rf"{name}.sticky_key"):
            ask(read, {"instances": LISTS, name: {"sticky_key": 7}})


@pytest.mark.parametrize(
    ("read", "document", "kind", "words"),
    [
        (kserve.read, {}, RequestError, "got none of them; expected exactly one of instances, inputs"),
        (kserve.read, {"instances": LISTS, "inputs": LISTS}, RequestError, "instances and inputs"),
        (kserve.read, {"instances": COLUMNS}, RequestError, "a list of rows"),
        (kserve.read, {"instances": []}, RequestError, "an empty list"),
        (kserve.read, {"instances": [1, [2]]}, RequestError, "rows that are not alike"),
        (kserve.read, {"instances": [1, 2]}, RequestError, "rows that are not alike"),
        (kserve.read, {"instances": [[1, "LAX"]]}, SchemaMismatch, "instances[0]: got 2 values"),
        (kserve.read, {"instances": [[1, 2, 3]]}, SchemaMismatch, "input 'dest': got 2; expected text or null"),
        (kserve.read, {"instances": [["1", "LAX", 3]]}, SchemaMismatch, "input 'a': got '1'; expected a number"),
        (kserve.read, {"instances": [[[1], "LAX", 3]]}, SchemaMismatch, "input 'a': got a list"),
        (kserve.read, {"instances": [RECORDS[0], {"a": 1}]}, SchemaMismatch, "instances[1]: input 'dest'"),
        (kserve.read, {"instances": [{**RECORDS[0], "c": 1}]}, SchemaMismatch, "input 'c': got an unknown feature"),
        (kserve.read, {"inputs": {**COLUMNS, "a": 1}}, RequestError, "lists and single values"),
        (kserve.read, {"inputs": {**COLUMNS, "a": [1]}}, SchemaMismatch, "2 rows"),
        (kserve.read, {"inputs": {name: [] for name in COLUMNS}}, SchemaMismatch, "0 rows"),
        (mlflow.read, {"inputs": LISTS, "dataframe_split": {}}, RequestError, "dataframe_split and inputs"),
        (mlflow.read, {"dataframe_records": [1]}, RequestError, "a list of objects"),
        (mlflow.read, {"dataframe_split": []}, RequestError, "an object {columns, data}"),
        (mlflow.read, {"dataframe_split": {"columns": ["a", "a"], "data": []}}, RequestError, "distinct names"),
        (mlflow.read, {"dataframe_split": {"columns": ["a"], "data": []}}, SchemaMismatch, "input 'dest'"),
        (mlflow.read, {"dataframe_split": {"data": []}}, RequestError, "at least one row"),
        (mlflow.read, {"dataframe_split": {"data": [7]}}, SchemaMismatch, "data[0]: got 7"),
    ],
)
def test_what_does_not_fit_is_named(read: Read, document: Any, kind: type[RequestError], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        ask(read, document)
    assert type(caught.value) is kind
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", RequestError, "0 rows"),
        (b"a,dest,b\n", RequestError, "0 rows"),
        (b"a,a,b\n1,2,3\n", RequestError, "a name twice"),
        (b"\xff", RequestError, "CSV in UTF-8"),
        (b'a,dest,b\n"1', RequestError, "CSV in UTF-8"),
        (b"a,dest,b\n1,2\n", SchemaMismatch, "row 0: got 2 cells; expected 3"),
        (b"a,dest\n1,2\n", SchemaMismatch, "input 'b'"),
        (b"a,dest,b\nx,LAX,1\n", SchemaMismatch, "could not convert string to float"),
        (b"a,dest,b\n-inf,LAX,1\n", SchemaMismatch, "an infinity"),
    ],
)
def test_csv_that_does_not_fit_is_named(body: bytes, kind: type[RequestError], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        mlflow.read_csv(TABLE, body)
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_several_outputs_are_objects_and_one_is_its_values() -> None:
    outputs = (Output("y", "FP64", [1.0, 2.0]), Output("label", "BYTES", ["low", "high"]))
    one = kserve.predictions(Prediction("m", 1, "id", "champion", outputs[:1]))
    both = kserve.predictions(Prediction("m", 1, "id", "champion", outputs))
    assert one.body == b'{"predictions":[1.0,2.0]}'
    assert orjson.loads(both.body)["predictions"] == [{"y": 1.0, "label": "low"}, {"y": 2.0, "label": "high"}]


def test_a_classification_answers_with_its_probability_and_its_label() -> None:
    table = Table(Schema(inputs=MIXED.inputs, outputs=outputs_of(Task.CLASSIFICATION)))
    answered = table.answered("probability", [0.2, 0.5])
    assert answered == (Output("probability", "FP64", [0.2, 0.5]), Output("label", "FP64", [0.0, 1.0]))
    assert table.answered("minutes", [7.0]) == (Output("minutes", "FP64", [7.0]),)
