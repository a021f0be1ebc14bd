import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.domain.errors import DigestMismatch, RequestError
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.storage.frames import FrameUnreadable, NumberedDecision, NumberedOutcomes, decode_frame, encode_decision
from runtime.storage.leaves import record_leaves
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import (
    RecordsOutOfOrder,
    SegmentMismatch,
    check_segment,
    gaps,
    read_decisions,
    read_outcomes,
    read_segment,
    seal,
)
from tests.unit.storage.records import MODEL, START, a_decision, an_outcome, root_of

Frames = list[NumberedDecision | NumberedOutcomes]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def some_frames() -> Frames:
    return [
        NumberedDecision(1, a_decision(0, rows=2)),
        NumberedOutcomes(1, an_outcome(0)),
        NumberedDecision(3, a_decision(1)),
    ]


def test_each_content_becomes_one_segment_that_says_what_it_holds(store: ObjectStore) -> None:
    decisions, outcomes = seal(some_frames(), store, "replica", "epoch")
    assert (decisions.content, decisions.records) == (SegmentContent.DECISIONS, 3)
    assert (decisions.first_number, decisions.last_number) == (1, 3)
    assert (decisions.first_time, decisions.last_time) == (START, START + timedelta(seconds=1))
    assert (outcomes.content, outcomes.records, outcomes.last_number) == (SegmentContent.OUTCOMES, 1, 1)
    check_segment(store, decisions)
    check_segment(store, outcomes)


def test_a_row_holds_its_own_share_of_the_request(store: ObjectStore) -> None:
    decisions, outcomes = seal(some_frames(), store, "replica", "epoch")
    row = read_segment(store, decisions.digest).to_pylist()[1]
    assert (row["number"], row["row"], row["output"], row["texts"], row["flags"]) == (
        2,
        1,
        322.5,
        ["AA", None],
        ["late"],
    )
    first, missing, odd = row["numbers"]
    assert (first, missing) == (0.25, None)
    assert math.isnan(odd)  # NaN and None stay apart
    assert row["event_time"] == START - timedelta(days=1)
    assert read_segment(store, outcomes.digest).to_pylist()[0]["actual"] == 300.0


def test_the_record_root_is_the_merkle_root_of_the_leaves(store: ObjectStore) -> None:
    segment = seal(some_frames(), store, "replica", "epoch")[0]
    assert segment.record_root == root_of(record_leaves(read_segment(store, segment.digest)))


def test_sealing_the_same_frames_again_gives_the_same_object(store: ObjectStore, tmp_path: Path) -> None:
    once = seal(some_frames(), store, "replica", "epoch")
    again = seal(some_frames(), ObjectStore.open(str(tmp_path / "other")), "replica", "epoch")
    assert once == again


def test_nothing_seals_to_nothing(store: ObjectStore) -> None:
    assert seal([], store, "replica", "epoch") == []


def test_a_hole_in_the_numbers_ends_a_segment_and_shows_as_a_gap(store: ObjectStore) -> None:
    frames = [NumberedDecision(number, a_decision(number)) for number in (3, 4, 7, 8, 10)]
    segments = seal(frames, store, "replica", "epoch")
    assert [(s.first_number, s.last_number, s.records) for s in segments] == [(3, 4, 2), (7, 8, 2), (10, 10, 1)]
    assert [(g.first_number, g.last_number) for g in gaps(0, segments[::-1])] == [(1, 2), (5, 6), (9, 9)]
    assert [(g.first_number, g.last_number) for g in gaps(2, segments)] == [(5, 6), (9, 9)]
    assert gaps(0, segments)[0].reason == "decisions: no frame holds these numbers"
    for segment in segments:
        check_segment(store, segment)


def test_a_number_used_twice_is_refused(store: ObjectStore) -> None:
    frames = [NumberedDecision(1, a_decision(0, rows=2)), NumberedDecision(2, a_decision(1))]
    with pytest.raises(RecordsOutOfOrder, match="record 2 comes after 2"):
        seal(frames, store, "replica", "epoch")


def test_a_flipped_bit_anywhere_in_a_segment_is_caught(store: ObjectStore) -> None:
    segment = seal(some_frames(), store, "replica", "epoch")[0]
    path = Path(store.path_of(segment.digest))
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DigestMismatch):
            check_segment(store, segment)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("record_root", "0" * 64),
        ("records", 4),
        ("first_number", 2),
        ("last_number", 4),
        ("replica", "another"),
        ("epoch", "another"),
        ("content", SegmentContent.OUTCOMES),
        ("first_time", START - timedelta(seconds=1)),
        ("last_time", START),
    ],
)
def test_an_entry_that_claims_something_else_is_caught_by_name(store: ObjectStore, field: str, value: object) -> None:
    claimed = seal(some_frames(), store, "replica", "epoch")[0].model_copy(update={field: value})
    with pytest.raises(SegmentMismatch) as caught:
        check_segment(store, claimed)
    assert caught.value.what == field


def test_bytes_that_are_no_segment_are_named_as_such(store: ObjectStore) -> None:
    with pytest.raises(SegmentMismatch, match="format"):
        read_segment(store, store.put(b"not Parquet"))


def test_decisions_are_read_by_model_and_time(store: ObjectStore) -> None:
    frames: Frames = [NumberedDecision(n, a_decision(n, model=MODEL if n % 2 else "other")) for n in range(1, 7)]
    segments = [*seal(frames, store, "replica", "epoch"), *seal([NumberedOutcomes(1, an_outcome())], store, "r", "e")]

    def numbers(**choice: object) -> object:
        return read_decisions(store, segments, **choice)["number"].to_pylist()  # type: ignore[arg-type]

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers(model=MODEL) == [1, 3, 5]
    assert numbers(since=START + timedelta(seconds=3), until=START + timedelta(seconds=5)) == [3, 4]
    assert numbers(since=START + timedelta(days=3)) == []
    assert read_outcomes(store, segments)["actual"].to_pylist() == [300.0]


def unequal() -> bytes:
    decision = a_decision(0, rows=2)
    decision.outputs.append(1.0)
    return encode_decision(1, decision)


def no_zone() -> bytes:
    from dataclasses import replace

    return encode_decision(1, replace(a_decision(), time=START.replace(tzinfo=None)))


def lone_surrogate() -> bytes:
    from dataclasses import replace

    return encode_decision(1, replace(a_decision(), caller="\ud800"))


@pytest.mark.parametrize("encode", [unequal, no_zone, lone_surrogate])
def test_what_could_not_be_sealed_later_is_refused_before_it_is_written(encode: Callable[[], bytes]) -> None:
    with pytest.raises(RequestError):
        encode()


@pytest.mark.parametrize("payload", [b"[]", b'["z",1]', b'["d",1]', b"not json", b"7"])
def test_a_frame_of_another_release_is_named_not_guessed(payload: bytes) -> None:
    with pytest.raises(FrameUnreadable):
        decode_frame(payload)


def test_an_event_survives_the_ledger(store: ObjectStore) -> None:
    segment = seal(some_frames(), store, "replica", "epoch")[0]
    assert SegmentSealed.model_validate_json(segment.model_dump_json()) == segment
