"""Rows on their way to a trainer keep every value, and have one name whatever way they came."""

import numpy as np
import pyarrow as pa
import pytest

from runtime.pipeline.checks import canonical
from runtime.pipeline.rows import Rows, content_digest, from_parquet, moment, to_parquet
from tests.unit.domain.lives import MONDAY
from tests.unit.pipeline.flights import BY_ORIGIN, arrow, frame, layout, rows_of

LAYOUT = layout(BY_ORIGIN)
TABLE = canonical(arrow(frame(50)), LAYOUT)


def same(one: Rows, other: Rows) -> bool:
    texts = all(one.slices[name].tolist() == other.slices[name].tolist() for name in one.slices)
    columns = (
        one.columns["dest"].tolist() == other.columns["dest"].tolist(),
        np.array_equal(one.columns["hour"], other.columns["hour"], equal_nan=True),
    )
    return np.array_equal(one.time, other.time) and np.array_equal(one.target, other.target) and texts and all(columns)


def test_rows_come_back_from_parquet_as_they_were() -> None:
    expected = Rows.from_table(TABLE, LAYOUT)
    assert same(from_parquet(to_parquet(TABLE), LAYOUT), expected)
    assert np.isnan(expected.columns["hour"]).any()
    assert None in expected.columns["dest"].tolist()


def test_the_same_table_is_the_same_parquet() -> None:
    assert to_parquet(TABLE) == to_parquet(pa.concat_tables([TABLE]).combine_chunks())


@pytest.mark.parametrize("at", [1, 17, 49])
def test_a_digest_is_of_the_values_however_they_are_chunked(at: int) -> None:
    pieces = pa.concat_tables([TABLE.slice(0, at), TABLE.slice(at)])
    assert pieces["hour"].num_chunks == 2
    assert content_digest(pieces) == content_digest(TABLE)
    assert content_digest(TABLE).startswith("sha256:")


def test_a_digest_is_of_values_and_not_of_their_spelling() -> None:
    def of(*values: float | None) -> str:
        return content_digest(pa.table({"hour": pa.array(values, type=pa.float64())}))

    assert of(0.0, None) == of(-0.0, float("nan"))
    assert of(0.0, None) != of(None, 0.0)


def test_any_changed_value_changes_the_digest() -> None:
    others = TABLE, TABLE.slice(1), TABLE.rename_columns(TABLE.column_names[::-1])
    digests = {content_digest(table) for table in others}
    for name, column in {"hour": 99.0, "dest": "JFK", "air_time": 1.0}.items():
        kind = TABLE.schema.field(name).type
        values = pa.array([column, *TABLE[name].to_pylist()[1:]], type=kind)
        digests.add(content_digest(TABLE.set_column(TABLE.column_names.index(name), name, values)))
    assert len(digests) == 6


@pytest.mark.parametrize(("one", "other"), [(["ab", "c"], ["a", "bc"]), (["", None], [None, ""])])
def test_texts_do_not_run_into_each_other(one: list[str | None], other: list[str | None]) -> None:
    assert content_digest(pa.table({"dest": one})) != content_digest(pa.table({"dest": other}))


def test_part_and_take_choose_the_same_rows_of_every_column() -> None:
    rows = Rows.from_table(TABLE, LAYOUT)
    assert same(rows.part(10, 20), rows.take(np.arange(10, 20)))
    assert len(rows.part(10, 20)) == 10
    backwards = rows.take(np.arange(50)[::-1])
    assert backwards.slices["origin"].tolist() == rows.slices["origin"].tolist()[::-1]
    assert (backwards.first_time, backwards.last_time) == (rows.first_time, rows.last_time)


def test_times_are_exact() -> None:
    assert rows_of(frame(3)).first_time == MONDAY
    assert moment(1).isoformat() == "1970-01-01T00:00:00.000001+00:00"
