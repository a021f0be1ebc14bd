"""What of a source's outcomes is handed in, and what is left out under which name; never an exception."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pyarrow as pa
import pytest

from runtime.domain.decision import Decision, Variant
from runtime.domain.errors import DataError
from runtime.domain.events import SegmentSealed
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.pipeline.outcomes import Columns, Left, Period, Recorded, Sorting, Tally, recorded_of, requests
from runtime.serving.protocols import outcomes
from runtime.serving.protocols.outcomes import truth_of
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.monitoring.world import Traffic, frames

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ONE, TWO, THREE = (str(UUID(int=at)) for at in (1, 2, 3))
RECORDED = Recorded({ONE: 3, TWO: 1}, {(TWO, 0): 40.0})
ROWS = Columns(row="row")
TIMED = Columns(row="row", time="at")


def table(*rows: tuple[Any, Any, Any]) -> pa.Table:
    """Decision id, row, actual, as texts where they differ in kind."""
    return pa.table({"decision_id": [r[0] for r in rows], "row": [r[1] for r in rows], "actual": [r[2] for r in rows]})


def sorting(columns: Columns = ROWS, recorded: Recorded = RECORDED, schema: Schema | None = None) -> Sorting:
    return Sorting(columns, truth_of(schema), recorded, Period(NOW))


def left(tally: Tally) -> dict[Left, int]:
    return dict(tally.left)


def test_new_outcomes_are_handed_in_as_the_wire_takes_them() -> None:
    sorter = sorting()
    good = sorter.take(table((ONE, 0, 41.5), (ONE.upper(), 2, 12.0)))
    (request,) = requests(MODEL, good)
    assert request.path == f"/v2/models/{MODEL}/outcomes"
    (told,) = outcomes.read(request.body, model=MODEL, caller="test", at=NOW)
    assert (told.decision_id, told.rows, told.actuals) == (ONE, [0, 2], [41.5, 12.0])
    assert sorter.tally.read == 2
    assert not sorter.tally.left


def test_what_is_told_before_and_what_is_unknown_is_counted_and_named() -> None:
    sorter = sorting()
    batch = table(
        (TWO, 0, 40.0), (TWO, 0, 41.0), (ONE, 0, 1.0), (ONE, 0, 1.0), (ONE, 0, 2.0), (THREE, 0, 1.0), (ONE, 3, 1.0)
    )
    assert len(sorter.take(batch)) == 1
    assert left(sorter.tally) == {Left.KNOWN: 2, Left.CONTRADICTED: 2, Left.UNKNOWN: 2}
    assert sorter.tally.names[Left.UNKNOWN] == [f"{THREE} row 0", f"{ONE} row 3"]
    assert sorter.tally.names[Left.CONTRADICTED] == [f"{TWO} row 0: 41, before 40", f"{ONE} row 0: 2, before 1"]


def test_a_source_that_is_handed_in_twice_changes_nothing_the_second_time() -> None:
    batch = table((ONE, 0, 1.0), (ONE, 1, 2.0), (TWO, 0, 40.0))
    sorter = sorting()
    told = {(row["decision_id"], row["row"]): row["actual"] for row in sorter.take(batch)}
    again = sorting(recorded=Recorded(RECORDED.rows, {**RECORDED.told, **told}))
    assert again.take(batch) == []
    assert left(again.tally) == {Left.KNOWN: 3}


@pytest.mark.parametrize(
    ("id_", "row", "actual", "reason"),
    [
        ("not-a-uuid", "0", "1", Left.NO_DECISION),
        (None, "0", "1", Left.NO_DECISION),
        (ONE, "-1", "1", Left.NO_ROW),
        (ONE, "one", "1", Left.NO_ROW),
        (ONE, None, "1", Left.NO_ROW),
        (ONE, str(1 << 31), "1", Left.NO_ROW),
        (ONE, "0", None, Left.NO_ACTUAL),
        (ONE, "0", "", Left.NO_ACTUAL),
        (ONE, "0", "late", Left.WRONG_ACTUAL),
        (ONE, "0", "inf", Left.WRONG_ACTUAL),
        (ONE, "0", "nan", Left.WRONG_ACTUAL),
    ],
)
def test_what_cannot_be_read_has_a_reason(id_: Any, row: Any, actual: Any, reason: Left) -> None:
    sorter = sorting()
    assert sorter.take(table((id_, row, actual))) == []
    assert left(sorter.tally) == {reason: 1}


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([True]),
        pa.array([datetime(2013, 1, 1, tzinfo=UTC)]),
        pa.array([b"41"]),
        pa.array([[41.0]]),
        pa.array([{"a": 1}]),
        pa.array([float("inf")]),
    ],
    ids=str,
)
def test_actuals_of_any_other_type_are_counted_and_stop_nothing(cells: pa.Array) -> None:
    sorter = sorting(Columns())
    assert sorter.take(pa.table({"decision_id": [ONE], "actual": cells})) == []
    assert left(sorter.tally) == {Left.WRONG_ACTUAL: 1}


def test_numbers_come_as_integers_decimals_and_texts() -> None:
    for cell in (pa.array([41]), pa.array([Decimal("41.00")]), pa.array(["41"]), pa.array([41.0], pa.float32())):
        (row,) = sorting(Columns()).take(pa.table({"decision_id": [ONE], "actual": cell}))
        assert row["actual"] == 41


def classes(*names: str) -> Schema:
    inputs = (Field(name="hour", kind=FieldKind.NUMBER),)
    return Schema(inputs=inputs, outputs=outputs_of(Task.CLASSIFICATION, names), classes=names)


@pytest.mark.parametrize(
    ("names", "actual", "number"), [(("early", "late"), "late", 1.0), (("2", "4"), "4", 1.0), (("2", "4"), 4, 1.0)]
)
def test_a_class_is_told_by_its_name_and_arrives_as_that_class(
    names: tuple[str, ...], actual: Any, number: float
) -> None:
    schema = classes(*names)
    sorter = sorting(Columns(), schema=schema)
    (request,) = requests(MODEL, sorter.take(pa.table({"decision_id": [ONE], "actual": [actual]})))
    (told,) = outcomes.read(request.body, model=MODEL, caller="test", at=NOW, truth=truth_of(schema))
    assert told.actuals == [number]


def test_what_is_no_class_of_the_model_is_counted() -> None:
    sorter = sorting(Columns(), schema=classes("early", "late"))
    assert sorter.take(pa.table({"decision_id": [ONE], "actual": ["never"]})) == []
    assert sorter.tally.names == {Left.WRONG_ACTUAL: [f"{ONE}: 'never'"]}


def test_outcomes_of_another_time_of_none_and_of_a_time_to_come_are_left_out() -> None:
    sorter = Sorting(TIMED, truth_of(None), RECORDED, Period(NOW, since=MONDAY, until=MONDAY + timedelta(days=1)))
    times = ["2013-03-04T05:00", "2013-03-04T05:00:00Z", "2013-03-05", "yesterday", None, "2027-01-01"]
    times[0] = MONDAY.replace(tzinfo=None).isoformat()
    times[1] = MONDAY.isoformat()
    times[2] = (MONDAY + timedelta(days=1)).date().isoformat()
    rows = pa.table({"decision_id": [ONE] * 6, "row": [0, 1, 2, 2, 2, 2], "actual": [1.0] * 6, "at": times})
    assert [row["row"] for row in sorter.take(rows)] == [0, 1]
    assert left(sorter.tally) == {Left.OTHER_TIME: 1, Left.NO_TIME: 2, Left.AHEAD: 1}


def test_times_may_be_arrow_times_and_dates() -> None:
    for cell in (pa.array([MONDAY]), pa.array([MONDAY.date()]), pa.array([MONDAY.replace(tzinfo=None)])):
        period = Period(NOW, since=MONDAY.replace(hour=0), until=MONDAY + timedelta(days=1))
        sorter = Sorting(Columns(time="at"), truth_of(None), RECORDED, period)
        assert len(sorter.take(pa.table({"decision_id": [ONE], "actual": [1.0], "at": cell}))) == 1


def test_of_each_reason_only_the_first_few_are_named() -> None:
    sorter = sorting()
    sorter.take(table(*((str(uuid4()), 0, 1.0) for _ in range(1000))))
    assert sorter.tally.left[Left.UNKNOWN] == 1000
    assert len(sorter.tally.names[Left.UNKNOWN]) == 5
    document = sorter.tally.as_document()
    assert orjson.loads(orjson.dumps(document))["left_out"]["unknown"]["rows"] == 1000


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    assert Columns.found_in(["decision_id", "row", "actual"], "decision_id", "actual", None, None) == ROWS
    assert Columns.found_in(["id", "truth"], "id", "truth", None, None) == Columns("id", "truth")
    with pytest.raises(DataError, match="no column truth; columns are decision_id, actual"):
        Columns.found_in(["decision_id", "actual"], "decision_id", "truth", None, None)


# --- what is recorded ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def sealed(store: ObjectStore) -> list[SegmentSealed]:
    """Two days; what came of the first, what another version said of the second, and a decision of another model."""
    first, second = Traffic(0), Traffic(1, rows=10)
    other = _changed(Traffic(2).decision, model="somebody-else")
    shadow = _changed(Traffic(3, rows=99).decision, variant=Variant.SHADOW)
    records = (first.decision, second.decision, other, shadow, first.outcomes)
    return list(seal(frames(*records), store, "replica", "epoch"))


def _changed(decision: Decision, **changes: object) -> Decision:
    return Decision(**{name: getattr(decision, name) for name in decision.__slots__} | changes)


def test_what_is_recorded_is_the_models_own_decisions_and_outcomes(store: ObjectStore) -> None:
    recorded = recorded_of(store, sealed(store), MODEL)
    first, second = Traffic(0), Traffic(1, rows=10)
    assert recorded.rows == {first.decision.decision_id: 50, second.decision.decision_id: 10}
    actuals = enumerate(first.outcomes.actuals)
    assert recorded.told == {(first.decision.decision_id, row): actual for row, actual in actuals}
    assert recorded.missing == 0


def test_where_a_segment_is_gone_no_decision_is_called_unknown(store: ObjectStore) -> None:
    segments = sealed(store)
    Path(store.path_of(segments[0].digest)).unlink()
    recorded = recorded_of(store, segments, MODEL)
    assert recorded.missing == 1
    assert sorting(recorded=recorded).take(table((THREE, 0, 1.0)))


def test_rows_travel_in_requests_of_bounded_size() -> None:
    rows = [{"decision_id": ONE, "row": row, "actual": 1.0} for row in range(25)]
    assert [request.rows for request in requests(MODEL, rows, size=10)] == [10, 10, 5]
    assert list(requests(MODEL, [])) == []
