"""Rows that break a check are set apart with what they broke; the others go on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pandera
import pyarrow.parquet as pq
import pytest

from runtime.domain.errors import DataError
from runtime.domain.spec import Spec
from runtime.pipeline.checks import canonical, layout_of
from runtime.pipeline.grouping import Group, Window, Work, process_group
from runtime.pipeline.prepare import gathered
from runtime.pipeline.row_checks import RowRules, RowVerdict
from runtime.storage.objects import ObjectStore
from tests.unit.pipeline.flights import SPEC, a_spec, arrow, frame

OWN = pandera.DataFrameSchema({"hour": pandera.Column(checks=pandera.Check.lt(20), nullable=True)})
NOT_A_SCHEMA = 7
WHOLE = pandera.DataFrameSchema({"nowhere": pandera.Column()})


def checked(*checks: dict[str, Any], **data: Any) -> Spec:
    return a_spec(data=SPEC.as_document()["data"] | {"checks": list(checks), **data})


def judged(given: pd.DataFrame, *checks: dict[str, Any]) -> RowVerdict:
    spec = checked(*checks)
    rules = RowRules.of(spec)
    assert rules is not None
    return rules.judge(canonical(arrow(given), layout_of(spec, arrow(given).schema)))


def test_each_check_finds_its_rows_and_says_what_they_broke() -> None:
    given = frame(6)
    given["hour"] = [5.0, 30.0, None, 12.0, 12.0, 12.0]
    given["dest"] = ["LAX", "LAX", "lax", "ORD", None, "ORD"]
    found = judged(
        given,
        {"column": "hour", "min": 6, "max": 24, "missing": False},
        {"column": "dest", "one_of": ["LAX", "ORD"], "matches": "^[A-Z]{3}$"},
        {"unique": ["hour", "dest"]},
    )
    assert found.bad.tolist() == [True, True, True, False, False, True]
    assert found.reasons[1] == "hour is above 24"
    assert found.broken == {
        "dest does not match ^[A-Z]{3}$": 1,
        "dest is none of LAX, ORD": 1,
        "hour is above 24": 1,
        "hour is below 6": 1,
        "hour is missing": 1,
        "hour, dest stand in an earlier row": 1,
    }
    assert set(found.reasons[2].split("; ")) == {
        "hour is missing",
        "dest is none of LAX, ORD",
        "dest does not match ^[A-Z]{3}$",
    }


def test_a_time_in_the_future_is_found() -> None:
    given = frame(3)
    given.loc[2, "scheduled"] = pd.Timestamp("2999-01-01", tz="UTC")
    found = judged(given, {"column": "scheduled", "not_in_future": True})
    assert found.broken == {"scheduled lies in the future": 1}


def test_a_schema_of_ones_own_is_asked_too() -> None:
    given = frame(3)
    given["hour"] = [5.0, 21.0, None]
    found = judged(given, {"pandera": "tests.unit.pipeline.test_row_checks:OWN"})
    assert found.bad.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ({"column": "hours", "min": 0}, "a check of 'hours', a column the spec does not use; it uses air_time, "),
        ({"unique": ["hour", "tail"]}, "a check of 'tail', a column"),
        ({"pandera": "nowhere:SCHEMA"}, "No module named 'nowhere'"),
        ({"pandera": "tests.unit.pipeline.test_row_checks:NOT_A_SCHEMA"}, "it is a int; expected a pandera"),
        ({"pandera": "tests.unit.pipeline.test_row_checks:WHOLE"}, "column_in_dataframe: nowhere"),
    ],
)
def test_a_check_that_cannot_be_made_says_so(check: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        judged(frame(5), check)


def test_bad_rows_are_kept_apart_with_their_reasons(tmp_path: Path) -> None:
    spec = checked({"column": "hour", "max": 20}, {"column": "hour", "missing": False}, bad_rows={"of_all": "50%"})
    given, store = frame(200), ObjectStore.open(str(tmp_path))
    work = Work(spec, layout_of(spec, arrow(given).schema), Window(None, None), store)
    record = process_group(arrow(given), Group("m", {"carrier": "UA"}, 200), work)
    kept = record["quarantined"]
    bad = pq.read_table(io.BytesIO(store.get(kept["parquet"])))
    assert record["rows"] + kept["rows"] == 200
    assert len(bad) == kept["rows"] == sum(kept["broke"].values()) > 0
    assert set(bad["__broke"].to_pylist()) == {"hour is above 20", "hour is missing"}


def dataset(tmp_path: Path, **bad_rows: str) -> Any:
    """A fleet of one: 200 rows, of which some lack their hour."""
    spec = checked({"column": "hour", "missing": False}, bad_rows=bad_rows)
    given, store = frame(200), ObjectStore.open(str(tmp_path))
    work = Work(spec, layout_of(spec, arrow(given).schema), Window(None, None), store)
    group = Group("m", {"carrier": "UA"}, 200)
    return gathered(spec, work.layout, [(group, process_group(arrow(given), group, work))], [], store)


def test_what_was_left_out_stands_in_the_dataset_and_its_entry(tmp_path: Path) -> None:
    made = dataset(tmp_path, of_a_partition="20%", of_all="20%")
    (kept,) = made.quarantined
    assert made.events[0].quarantined == kept.rows
    assert made.events[0].broke == {"hour is missing": kept.rows}


def test_too_many_bad_rows_stop_the_job(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"broke a check, above 1.00% of all; most often: hour is missing \(\d+\)"):
        dataset(tmp_path, of_a_partition="20%", of_all="1%")


def test_a_partition_with_too_many_bad_rows_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no partition can be used; of 1, the first: .* of 200 rows broke a check"):
        dataset(tmp_path, of_a_partition="1%", of_all="20%")
