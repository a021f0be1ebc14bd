"""A partition has one name, whether its rows came in a frame or in a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtime.domain.errors import DataError
from runtime.pipeline.grouping import find_groups
from runtime.pipeline.keys import coded_frame, texts_of
from runtime.pipeline.streamed import _keyed, _values
from tests.unit.pipeline.flights import a_spec, arrow, frame

KINDS: dict[str, Any] = {
    "float": [1.0, 2.5, 1.0, np.nan],
    "float32": np.array([0.1, 2.5, 0.1, np.nan], dtype=np.float32),
    "truth": [True, False, True, True],
    "whole": [1, 2, 1, 3],
    "whole with gaps": pd.array([1, None, 1, 2], dtype="Int64"),
    "text": ["a", "", "a", None],
    "category": pd.Categorical(["a", "b", "a", None]),
    "moment": pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-01", pd.NaT], tz="UTC"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_and_a_stream_part_rows_alike(kind: str) -> None:
    spec = a_spec()
    given = frame(4).assign(carrier=KINDS[kind])
    groups, positions, skipped = find_groups(spec, given, 1, None)
    keyed = _keyed(arrow(given), spec, list(given.columns), None)
    streamed: dict[str, list[int]] = {}
    for place, key in enumerate(keyed["__partition"].to_pylist()):
        streamed.setdefault(key, []).append(place)
    found = {group.key["carrier"]: rows.tolist() for group, rows in zip(groups, positions, strict=True)}
    assert found == {_values(spec, key)["carrier"]: rows for key, rows in streamed.items() if key}
    assert len(skipped) == sum(not key for key in streamed)


def test_the_text_is_pythons_own() -> None:
    assert texts_of(pa.array([1.0, None, float("nan"), 1e22])).to_pylist() == ["1.0", "", "", "1e+22"]
    assert texts_of(pa.chunked_array([[True], [False, None]])).to_pylist() == ["True", "False", ""]
    assert texts_of(pa.array([0.1], pa.float32())).to_pylist() == ["0.1"]
    assert texts_of(pa.array([], pa.string())).to_pylist() == []


def test_two_columns_part_rows_by_their_pairs() -> None:
    spec = a_spec(name="m-{carrier}-{origin}", for_each={"by": ["carrier", "origin"]})
    given = frame(6).assign(carrier=pd.Series(["B", "A", "B", "A", "B", None]), origin=["x", "x", "y", "x", "x", "y"])
    groups, positions, skipped = find_groups(spec, given, 1, None)
    assert {group.model: rows.tolist() for group, rows in zip(groups, positions, strict=True)} == {
        "m-A-x": [1, 3],
        "m-B-x": [0, 4],
        "m-B-y": [2],
    }
    assert [(each.partition, each.reason) for each in skipped] == [
        ({"carrier": "", "origin": "y"}, "partition column 'carrier' is missing or empty")
    ]


def test_a_value_that_makes_no_name_is_skipped_and_the_others_go_on() -> None:
    given = frame(4).assign(carrier=["UA", "x" * 200, "UA", "UA"])
    groups, _, skipped = find_groups(a_spec(), given, 1, None)
    assert [group.model for group in groups] == ["flight-time-UA"]
    assert "makes no model's name" in skipped[0].reason


def test_a_column_that_mixes_types_is_named() -> None:
    with pytest.raises(DataError, match="flights: column 'carrier' mixes types"):
        coded_frame("flights", pd.DataFrame({"carrier": pd.Series(["UA", 7], dtype=object)}), "carrier")
