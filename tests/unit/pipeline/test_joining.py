"""Point-in-time joins: what a row is given was known at its time."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from runtime.domain.data import Join
from runtime.domain.errors import DataError, MissingColumn
from runtime.pipeline.checks import layout_of
from runtime.pipeline.grouping import Group, Window, Work, process_group
from runtime.pipeline.joining import joined, known_of
from runtime.storage.objects import ObjectStore
from tests.unit.pipeline.flights import SPEC, a_spec, arrow, frame

SOURCE = "tests.unit.pipeline.test_joining:prices"


def prices() -> pd.DataFrame:
    """Two carriers' price of fuel, in no order."""
    days = ["2026-01-20", "2026-01-05", "2026-01-12", "2026-01-05"]
    return pd.DataFrame(
        {"carrier": ["UA", "UA", "UA", "AA"], "day": pd.to_datetime(days), "price": [3.0, 1.0, 2.0, 9.0]}
    )


def spec_with(**join: Any) -> Any:
    given = {"source": SOURCE, "on": ["carrier"], "time": "day", "columns": ["price"], **join}
    data = SPEC.as_document()["data"] | {"join": [given], "time_zone": "UTC"}
    return a_spec(data=data | {"features": [*data["features"], "price"]})


def rows(*times: str, carrier: str = "UA") -> pa.Table:
    moments = pd.to_datetime(list(times), utc=True)
    return pa.table({"scheduled": pa.array(moments), "carrier": [carrier] * len(times)})


def told(table: pa.Table, **join: Any) -> list[Any]:
    spec = spec_with(**join)
    values: list[Any] = joined(table, "scheduled", "UTC", spec.data.join, known_of(spec))["price"].to_pylist()
    return values


def test_a_row_is_given_the_newest_value_of_its_key_that_is_not_from_its_future() -> None:
    table = rows("2026-01-12 00:00", "2026-01-04 10:00", "2026-01-11 23:59", "2026-02-01 00:00")
    assert told(table) == [2.0, None, 1.0, 3.0]
    assert told(rows("2026-01-30", carrier="AA")) == [9.0]
    assert told(rows("2026-01-30", carrier="B6")) == [None]


def test_a_value_that_was_known_late_is_given_late() -> None:
    assert told(rows("2026-01-13", "2026-01-14"), delay="2d") == [1.0, 2.0]


def test_a_value_too_old_is_none() -> None:
    assert told(rows("2026-01-27", "2026-01-28"), within="7d") == [3.0, None]


def test_a_joined_column_is_a_feature_of_the_partition(tmp_path: Any) -> None:
    spec, store = spec_with(), ObjectStore.open(str(tmp_path))
    table = arrow(frame(100))
    layout = layout_of(spec, table.schema.append(pa.field("price", pa.float64())))
    work = Work(spec, layout, Window(None, None), store, known_of(spec))
    record = process_group(table, Group("m", {"carrier": "UA"}, 100), work)
    assert record["reason"] is None
    assert record["rows"] == 100


def test_a_join_that_cannot_be_made_says_so() -> None:
    with pytest.raises(MissingColumn, match="no column 'fuel'; columns are carrier, day, price"):
        known_of(spec_with(columns=["fuel"]))
    with pytest.raises(DataError, match=f"{SOURCE}: time column 'price' is of type double; expected timestamps"):
        known_of(spec_with(time="price"))
    without_zone = a_spec(data=SPEC.as_document()["data"] | {"join": [spec_with().as_document()["data"]["join"][0]]})
    with pytest.raises(DataError, match=r"time column 'day' has no time zone; name it in data.time_zone"):
        known_of(without_zone)


def test_keys_of_different_types_are_told() -> None:
    table = rows("2026-01-12").set_column(1, "carrier", pa.array([7]))
    spec = spec_with()
    with pytest.raises(DataError, match="prices cannot be joined by carrier: "):
        joined(table, "scheduled", "UTC", spec.data.join, known_of(spec))


def test_a_delay_cannot_be_less_than_nothing() -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Join.model_validate({"source": SOURCE, "on": ["a"], "time": "t", "columns": ["c"], "delay": "-1d"})
