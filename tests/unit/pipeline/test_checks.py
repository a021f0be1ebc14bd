"""Data that cannot be used are refused before training: what is wrong, where, and what was expected."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtime.domain.errors import DataError, MissingColumn, TooFewRows, UnusableTarget
from runtime.domain.schema import FieldKind
from runtime.pipeline import checks
from runtime.pipeline.sources import frame_schema
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import BY_ORIGIN, SPEC, a_spec, arrow, frame, layout

SOURCE = SPEC.data.named


def changed(**columns: Any) -> pa.Table:
    """Twenty flights with these columns instead."""
    return arrow(frame(20).assign(**columns))


def ordered(**columns: Any) -> pa.Table:
    return checks.canonical(changed(**columns), layout())


# --- the dataset -----------------------------------------------------------------------------------


def test_a_layout_holds_what_the_spec_needs_and_no_more() -> None:
    found = checks.layout_of(BY_ORIGIN, changed(other=1.0).schema)
    assert list(found.types) == ["scheduled", "air_time", "hour", "dest", "carrier", "origin"]
    assert [field.kind for field in found.features] == [FieldKind.NUMBER, FieldKind.TEXT]
    assert (found.group, found.slices) == (("carrier",), ("origin",))


@pytest.mark.parametrize("column", ["scheduled", "air_time", "hour", "carrier", "origin"])
def test_a_missing_column_is_named_beside_those_that_are_there(column: str) -> None:
    table = changed().drop_columns([column])
    with pytest.raises(MissingColumn) as refused:
        checks.layout_of(BY_ORIGIN, table.schema)
    assert str(refused.value) == f"{SOURCE}: no column '{column}'; columns are {', '.join(table.column_names)}"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"scheduled": "2026-03-02"}, "time column 'scheduled' is of type .*string; expected timestamps"),
        (
            {"scheduled": pd.date_range("2026-03-02", periods=20)},
            "time column 'scheduled' has no time zone; name it in data.time_zone",
        ),
        ({"air_time": "an hour"}, "target 'air_time' is of type .*string; expected numbers"),
        ({"hour": pd.date_range("2026-03-02", periods=20)}, "feature 'hour' is of type timestamp.*; expected numbers"),
        ({"dest": [["LAX"]] * 20}, "feature 'dest' is of type list.*; expected numbers or text"),
    ],
    ids=["text as time", "no zone", "text as target", "time as feature", "list as feature"],
)
def test_a_column_of_the_wrong_type_is_named(columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=f"{SOURCE}: {reason}"):
        checks.layout_of(SPEC, changed(**columns).schema)


def test_a_column_of_mixed_types_is_named() -> None:
    mixed = frame(3).assign(dest=pd.Series(["LAX", 7, None], dtype=object))
    with pytest.raises(
        DataError, match=f"{SOURCE}: column 'dest' mixes types: .*int.*; expected numbers or text alone"
    ):
        frame_schema(SPEC, mixed)


def test_a_frame_is_read_column_by_column_as_arrow_reads_it_whole() -> None:
    assert frame_schema(SPEC, frame(20)).equals(arrow(frame(20)).schema, check_metadata=False)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(20), FieldKind.NUMBER),
        ([True, False] * 10, FieldKind.NUMBER),
        (pd.Categorical(["LAX", "SFO"] * 10), FieldKind.TEXT),
        (pd.array([1, None] * 10, dtype="Int64"), FieldKind.NUMBER),
        ([None] * 20, FieldKind.NUMBER),
    ],
    ids=["whole", "truth", "categories", "whole with gaps", "nothing"],
)
def test_a_feature_is_a_number_or_a_text(values: Any, kind: FieldKind) -> None:
    found = checks.layout_of(SPEC, changed(hour=values).schema)
    assert found.features[0].kind is kind


def test_no_feature_may_take_the_name_of_the_output() -> None:
    data = SPEC.data.as_document() | {"features": ["hour", "prediction"]}
    with pytest.raises(DataError, match="a feature cannot be named 'prediction': it is the name of the output"):
        checks.layout_of(a_spec(data=data), changed(prediction=1.0).schema)


# --- one partition ---------------------------------------------------------------------------------


def test_rows_are_put_in_order_of_time() -> None:
    given = frame(20)
    shuffled = given.sample(frac=1, random_state=1)
    assert checks.canonical(arrow(shuffled), layout()).equals(checks.canonical(arrow(given), layout()))
    assert ordered()["scheduled"].to_pylist() == sorted(given["scheduled"].tolist())


def test_rows_of_one_moment_are_put_in_order_too() -> None:
    given = frame(20).assign(scheduled=MONDAY)
    assert checks.canonical(arrow(given[::-1]), layout()).equals(checks.canonical(arrow(given), layout()))


def test_nan_and_null_are_the_same_gap() -> None:
    table = ordered(hour=[np.nan, 1.0] * 10)
    assert table["hour"].null_count == 10


def test_a_row_without_a_time_is_refused() -> None:
    with pytest.raises(DataError, match="scheduled: time 'scheduled' is missing in 1 rows"):
        ordered(scheduled=[pd.NaT, *pd.date_range(MONDAY, periods=19)])


def test_a_value_that_does_not_fit_its_column_is_refused_by_the_columns_name() -> None:
    with pytest.raises(DataError, match=r"hour: column 'hour' does not hold what it should: .*noon"):
        ordered(hour=["noon"] * 20)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_target_that_is_no_number_is_refused_with_how_many_rows(bad: float) -> None:
    table = ordered(air_time=[bad, bad, *range(18)])
    with pytest.raises(UnusableTarget) as refused:
        checks.check_values(MODEL, table, layout())
    assert str(refused.value) == f"{MODEL}: target 'air_time' is missing or not finite in 2 of 20 rows"


def test_a_feature_that_is_missing_in_all_rows_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=f"{MODEL}: feature 'dest' is missing in all 20 rows"):
        checks.check_features(MODEL, ordered(dest=None), layout())
    checks.check_features(MODEL, ordered(dest=[None] * 19 + ["LAX"]), layout())


def test_a_feature_that_is_infinite_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=f"{MODEL}: feature 'hour' is infinite in 1 of 20 rows"):
        checks.check_features(MODEL, ordered(hour=[np.inf] + [1.0] * 19), layout())


def test_too_few_rows_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(TooFewRows, match=f"{MODEL}: 12 rows, fewer than the 365 required"):
        checks.check_rows(MODEL, 12, 365)
    checks.check_rows(MODEL, 365, 365)
    with pytest.raises(TooFewRows, match=f"{MODEL}: 0 rows, fewer than the 1 required"):
        checks.check_values(MODEL, ordered().slice(0, 0), layout())


def test_a_window_holds_its_first_moment_and_not_its_last() -> None:
    times = ordered()["scheduled"].to_pylist()
    found = checks.within(ordered(), layout(), since=times[2], until=times[5])
    assert found["scheduled"].to_pylist() == times[2:5]
    assert checks.within(ordered(), layout(), since=None, until=MONDAY + timedelta(days=99)).equals(ordered())
