import math
import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from runtime.domain.errors import FleetwardError, RequestError, RequestTooLarge, SchemaMismatch, Unsupported
from runtime.domain.ids import new_id
from runtime.serving.protocols import arrow, outcomes
from runtime.serving.protocols.columns import Table
from runtime.serving.protocols.request import Output, Prediction
from tests.unit.serving.conftest import MIXED

TABLE = Table(MIXED)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"b": pa.array([1, None], pa.int16()), "dest": pa.array(["LAX", None]), "a": pa.array([1.5, math.nan])}


def stream(columns: Any, metadata: dict[str, str] | None = None, compression: str | None = None) -> bytes:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    table = table.replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=1)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"dest": GOOD["dest"].dictionary_encode()},
        {"dest": GOOD["dest"].cast(pa.large_string())},
        {"dest": GOOD["dest"].cast(pa.string_view())},
        {"b": GOOD["b"].cast(pa.float32())},
        {"b": pa.array([True, None])},
        {"b": pa.array([1, None]).dictionary_encode()},
    ],
)
def test_columns_come_by_name_in_any_order_and_of_any_fitting_type(change: dict[str, Any]) -> None:
    request = arrow.read(TABLE, stream({**GOOD, **change}, {"sticky_key": "u1"})).request
    assert (request.rows, list(request.columns), request.sticky_key) == (2, ["a", "dest", "b"], "u1")
    assert request.texts == (["LAX", None],)
    assert str(request.numbers) == "([1.5, nan], [1.0, nan])"


def test_a_column_of_nothing_but_nulls_is_missing_of_either_kind() -> None:
    nothing = pa.nulls(2)
    request = arrow.read(TABLE, stream({**GOOD, "b": nothing, "dest": nothing})).request
    assert request.texts == ([None, None],)
    assert str(request.numbers[1]) == "[nan, nan]"


def test_an_answer_is_a_stream_that_says_where_it_came_from() -> None:
    outputs = (Output("y", "FP64", [1.0, math.nan]), Output("label", "BYTES", ["low", "high"]))
    rendered = arrow.answer(Prediction("m", 3, "id-1", "canary", outputs))
    table = pa.ipc.open_stream(rendered.body).read_all()
    assert str(table.to_pydict()) == "{'y': [1.0, nan], 'label': ['low', 'high']}"
    assert table.schema.metadata == {
        b"model_name": b"m",
        b"model_version": b"3",
        b"decision_id": b"id-1",
        b"variant": b"canary",
    }


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", RequestError, "a whole Arrow IPC stream"),
        (stream(GOOD)[:-40], RequestError, "a whole Arrow IPC stream"),
        (b"PAR1" * 20, RequestError, "a whole Arrow IPC stream"),
        (stream(pa.table([[1], [2]], names=["a", "a"])), RequestError, "two columns of one name"),
        (stream({"a": [1]}), SchemaMismatch, "input 'dest'"),
        (stream({**GOOD, "a": ["1", "2"]}), SchemaMismatch, "input 'a': got string; expected a column of numbers"),
        (stream({**GOOD, "dest": [1, 2]}), SchemaMismatch, "input 'dest': got int64; expected a column of text"),
        (stream({**GOOD, "a": [[1], [2]]}), SchemaMismatch, "input 'a'"),
        (stream({**GOOD, "a": [1.0, math.inf]}), SchemaMismatch, "an infinity"),
        (stream({name: column[:0] for name, column in GOOD.items()}), SchemaMismatch, "0 rows"),
        (stream(GOOD, {"event_time": "noon"}), RequestError, "schema metadata.event_time"),
        (stream(GOOD, compression="zstd"), Unsupported, "compressed buffers"),
        (stream({"a": GOOD["dest"].dictionary_encode()}, compression="lz4"), Unsupported, "compressed buffers"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(body: bytes, kind: type[FleetwardError], words: str) -> None:
    with pytest.raises(FleetwardError) as caught:
        arrow.read(TABLE, body)
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_a_short_stream_that_stands_for_a_large_table_is_too_large() -> None:
    rows = arrow.MOST_ROWS + 1
    table = pa.table({name: pa.nulls(rows) for name in GOOD})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert sink.tell() < 2_000
    with pytest.raises(RequestTooLarge, match=f"{rows} rows"):
        arrow.read(TABLE, sink.getvalue().to_pybytes())
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int8()), ["x" * 100_000])
    with pytest.raises(RequestTooLarge, match="characters a column"):
        arrow.texts(pa.chunked_array([long]), "input 'dest'")


def test_no_change_of_a_byte_is_more_than_refused() -> None:
    whole = stream({**GOOD, "dest": GOOD["dest"].dictionary_encode()})
    chance = random.Random(7)
    for _ in range(1_500):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            assert arrow.read(TABLE, bytes(changed)).request.rows >= 1
        except (RequestError, Unsupported):
            continue


def test_outcomes_come_as_columns() -> None:
    one, two = new_id(), new_id()
    columns = {"decision_id": [one, two.upper(), one], "actual": [1, 2, 3], "row": [0, 0, 4]}
    found = outcomes.read_arrow(stream(columns), model="m", caller="ops", at=NOW)
    assert [(each.decision_id, each.rows, each.actuals) for each in found] == [
        (one, [0, 4], [1.0, 3.0]),
        (two, [0], [2.0]),
    ]
    del columns["row"]
    assert outcomes.read_arrow(stream(columns), model="m", caller="ops", at=NOW)[0].rows == [0, 0]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"more": [1]}, "body"),
        ({"decision_id": ["7"]}, "column decision_id, row 0"),
        ({"decision_id": [None]}, "column decision_id, row 0"),
        ({"decision_id": [7]}, "column decision_id"),
        ({"actual": [None]}, "column actual, row 0"),
        ({"actual": [math.inf]}, "column actual, row 0"),
        ({"row": [-1]}, "column row, row 0"),
        ({"row": [0.5]}, "column row, row 0"),
        ({"row": [2.0**40]}, "column row, row 0"),
        ({"row": [None]}, "column row, row 0"),
    ],
)
def test_outcomes_in_columns_that_are_wrong_say_where(change: dict[str, Any], where: str) -> None:
    columns = {"decision_id": [new_id()], "actual": [1.0], **change}
    with pytest.raises(RequestError) as caught:
        outcomes.read_arrow(stream(columns), model="m", caller="ops", at=NOW)
    assert caught.value.where == where
