"""Laws of records: a frame gives back what went in, and a fast leaf is the leaf that RFC 8785 defines."""

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.storage.frames import (
    NumberedDecision,
    NumberedOutcomes,
    decode_frame,
    decode_frames,
    encode_decision,
    encode_outcomes,
)
from runtime.storage.leaves import record_leaf, record_leaves
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import check_segment, read_segment, seal
from runtime.storage.wal import frame_of, read_frames

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=30))])
moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001 - zones follow
floats = st.floats() | st.floats(-1000, 1000) | st.integers(-(2**53), 2**53).map(float)
numbers = st.integers(1, 2**50)


@st.composite
def decisions(draw: st.DrawFn, largest: int = 4) -> Decision:
    rows = draw(st.integers(1, largest))

    def columns(value: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[list[object], ...]]:
        return st.lists(st.lists(value, min_size=rows, max_size=rows), max_size=4).map(tuple)

    return Decision(
        decision_id=draw(texts),
        time=draw(moments),
        event_time=draw(moments),
        model=draw(texts),
        version=draw(st.integers(1, 2**31 - 1)),
        artifact=draw(texts),
        grant_id=draw(texts),
        variant=draw(st.sampled_from(Variant)),
        caller=draw(texts | st.just("null")),
        trace_id=draw(texts),
        latency_us=draw(st.integers(0, 2**40)),
        numbers=draw(columns(floats | st.none())),  # type: ignore[arg-type]
        texts=draw(columns(texts | st.none())),  # type: ignore[arg-type]
        outputs=draw(st.lists(floats, min_size=rows, max_size=rows)),
        flags=tuple(draw(st.lists(texts, max_size=2))),
    )


@st.composite
def outcomes(draw: st.DrawFn) -> Outcomes:
    rows = draw(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4))
    actuals = draw(st.lists(floats, min_size=len(rows), max_size=len(rows)))
    return Outcomes(draw(texts), draw(moments), draw(texts), draw(texts), rows, actuals)


def alike(one: object, other: object) -> bool:
    """Equal, where NaN is equal to NaN (as it is in repr)."""
    return repr(one) == repr(other)


def in_utc(decision: Decision) -> tuple[datetime, datetime]:
    return decision.time.astimezone(UTC), decision.event_time.astimezone(UTC)


@given(number=numbers, decision=decisions())
def test_a_decision_comes_back_from_its_frame(number: int, decision: Decision) -> None:
    frame = decode_frame(encode_decision(number, decision))
    assert isinstance(frame, NumberedDecision)
    assert frame.number == number
    assert in_utc(frame.decision) == in_utc(decision)
    for field in Decision.__dataclass_fields__.keys() - {"time", "event_time"}:
        assert alike(getattr(frame.decision, field), getattr(decision, field)), field


@given(number=numbers, given_outcomes=outcomes())
def test_outcomes_come_back_from_their_frame(number: int, given_outcomes: Outcomes) -> None:
    frame = decode_frame(encode_outcomes(number, given_outcomes))
    assert isinstance(frame, NumberedOutcomes)
    assert frame.number == number
    assert frame.outcomes.time == given_outcomes.time
    assert alike(frame.outcomes.actuals, given_outcomes.actuals)
    assert frame.outcomes.rows == given_outcomes.rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    some=st.lists(decisions() | decisions(largest=1), min_size=1, max_size=6),
    truths=st.lists(outcomes(), max_size=3),
    gap=st.integers(0, 3),
)
def test_frames_read_in_columns_seal_to_the_same_bytes_as_one_by_one(
    tmp_path: Path, some: list[Decision], truths: list[Outcomes], gap: int
) -> None:
    store, payloads, number = ObjectStore.open(str(tmp_path)), [], 1
    for at, decision in enumerate(some):
        payloads.append(encode_decision(number, decision))
        number += decision.rows + (gap if at == 2 else 0)
    number = 1
    for at, truth in enumerate(truths):
        payloads.insert(2 * at + 1, encode_outcomes(number, truth))
        number += len(truth.rows)
    one_by_one = seal(map(decode_frame, payloads), store, "replica", "epoch")
    assert seal(decode_frames(payloads), store, "replica", "epoch") == one_by_one


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(st.binary(min_size=1, max_size=30), max_size=5), kept=st.integers(0, 300))
def test_a_file_cut_anywhere_gives_exactly_the_frames_before_the_cut(
    tmp_path: Path, payloads: list[bytes], kept: int
) -> None:
    path, frames = tmp_path / "any.wal", [frame_of(b"x" + payload) for payload in payloads]
    path.write_bytes(b"".join(frames)[:kept])
    whole = [i for i in range(len(frames)) if sum(map(len, frames[: i + 1])) <= kept]
    content = read_frames(path)
    assert content.records == tuple(b"x" + payloads[i] for i in whole)
    assert bool(content.damage) == (path.stat().st_size != sum(len(frames[i]) for i in whole))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(some=st.lists(decisions(), min_size=1, max_size=4), truths=st.lists(outcomes(), max_size=3))
def test_what_is_sealed_checks_out_and_seals_to_the_same_bytes_again(
    tmp_path: Path, some: list[Decision], truths: list[Outcomes]
) -> None:
    store = ObjectStore.open(str(tmp_path))
    frames: list[NumberedDecision | NumberedOutcomes] = []
    number = 1
    for decision in some:
        frames.append(NumberedDecision(number, decision))
        number += decision.rows
    number = 1
    for truth in truths:
        frames.append(NumberedOutcomes(number, truth))
        number += len(truth.rows)
    segments = seal(frames, store, "replica", "epoch")
    assert seal(frames, store, "replica", "epoch") == segments
    for segment in segments:
        check_segment(store, segment)
        table = read_segment(store, segment.digest)
        assert record_leaves(table) == [record_leaf(row) for row in table.to_pylist()]
    table = read_segment(store, segments[0].digest)
    kept = [math.nan if math.isnan(value) else value for value in table["output"].to_pylist()]
    assert alike(kept, [math.nan if math.isnan(value) else value for d in some for value in d.outputs])


@given(values=st.lists(st.lists(floats | st.none(), max_size=4), min_size=1, max_size=6), cut=st.integers(0, 3))
def test_the_fast_leaves_are_the_leaves_of_rfc_8785(values: list[list[float | None]], cut: int) -> None:
    table = pa.table({"numbers": pa.array(values, pa.list_(pa.float64())), "n": list(range(len(values)))}).slice(cut)
    assert record_leaves(table) == [record_leaf(row) for row in table.to_pylist()]


@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"])),
            st.lists(texts | st.sampled_from(['"', "\\", "\x1f", "\x7f", "\u2028", "a,b"]) | st.none(), max_size=3),
            st.integers(-(2**53) + 1, 2**53 - 1),
            moments.map(lambda moment: moment.astimezone(UTC)),
            floats | st.none(),
        ),
        min_size=1,
        max_size=6,
    ),
    cut=st.integers(0, 2),
)
def test_a_leaf_of_any_column_is_the_leaf_of_rfc_8785(rows: list[tuple[object, ...]], cut: int) -> None:
    kinds = (pa.string(), pa.list_(pa.string()), pa.int64(), pa.timestamp("us", tz="UTC"), pa.float64())
    columns = zip("tlnmf", zip(*rows, strict=True), kinds, strict=True)
    table = pa.table({name: pa.array(values, kind) for name, values, kind in columns}).slice(cut)
    assert record_leaves(table) == [record_leaf(row) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (1e-7, "1e-7"),
        (1e21, "1e+21"),
        (333333333.33333329, "333333333.3333333"),
        (1e16, "10000000000000000"),
        (math.nan, '"NaN"'),
        (-math.inf, '"-Infinity"'),
    ],
)
def test_numbers_in_leaves_are_written_as_rfc_8785_appendix_b_writes_them(value: float, text: str) -> None:
    expected = f'{{"output":{text}}}'.encode()
    assert record_leaf({"output": value}) == expected
    assert record_leaves(pa.table({"output": [value]})) == [expected]
