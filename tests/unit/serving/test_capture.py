"""Capture: what a policy promises of a decision, and what becomes of those it does not keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import NotServable
from runtime.domain.events import RecordsDropped, SegmentContent
from runtime.domain.ids import derived_id
from runtime.domain.spec import Capture as Policy
from runtime.serving.capture import Capture, FlushFailed, is_kept
from runtime.storage.objects import ObjectStore
from tests.unit.storage.records import Ledger, a_decision, an_outcome, files_no_larger_than

STRICT, SAMPLED = Policy(policy="strict"), Policy(policy="sampled", share=0.25)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "store"))


@pytest.fixture
def capture(tmp_path: Path, store: ObjectStore, ledger: Ledger) -> Iterator[Capture]:
    capture = Capture("replica", tmp_path / "wal", store, ledger.publish, principal="p")
    yield capture
    capture.close()


def dropped(ledger: Ledger) -> dict[tuple[SegmentContent, str], int]:
    """How many records the ledger says were not kept, by content and model."""
    counts: dict[tuple[SegmentContent, str], int] = {}
    for event in ledger.events():
        if isinstance(event, RecordsDropped):
            key = event.content, event.model
            counts[key] = counts.get(key, 0) + event.records
    return counts


def test_a_strict_decision_that_cannot_be_kept_is_not_answered_and_takes_no_number(
    capture: Capture, ledger: Ledger, store: ObjectStore
) -> None:
    capture.record(a_decision(0), STRICT)
    with files_no_larger_than(600), pytest.raises(NotServable, match="the decision cannot be kept"):
        capture.record(a_decision(1), STRICT)
    capture.record(a_decision(2), STRICT)
    capture.flush()
    assert ledger.numbers(store) == [1, 2]
    assert ledger.losses() == []
    assert (capture.counts.refused, capture.counts.lost) == (1, 0)


def test_a_bounded_decision_that_cannot_be_kept_is_answered_and_its_numbers_are_told_as_lost(
    capture: Capture, ledger: Ledger, store: ObjectStore
) -> None:
    capture.record(a_decision(0))
    with files_no_larger_than(600):
        capture.record(a_decision(1, rows=3))
    capture.record(a_decision(2))
    capture.flush()
    assert ledger.numbers(store) == [1, 5]
    assert [(loss.first_number, loss.last_number) for loss in ledger.losses()] == [(2, 4)]
    assert (capture.counts.refused, capture.counts.lost) == (0, 3)


def test_a_sample_keeps_its_share_and_counts_the_rest(capture: Capture, ledger: Ledger, store: ObjectStore) -> None:
    for index in range(2_000):
        capture.record(a_decision(index, rows=2), SAMPLED)
    capture.flush()
    kept = len(ledger.numbers(store))
    assert 0.22 < kept / 4_000 < 0.28
    assert ledger.numbers(store) == list(range(1, kept + 1)), "what is not kept takes no numbers"
    assert dropped(ledger) == {(SegmentContent.DECISIONS, a_decision().model): 4_000 - kept}
    assert capture.counts.dropped == 4_000 - kept
    assert capture.counts.recorded == kept
    assert ledger.losses() == []


def test_whether_a_decision_is_sampled_hangs_on_its_id_alone() -> None:
    ids = [derived_id("decision", index) for index in range(1_000)]
    kept = [decision_id for decision_id in ids if is_kept(decision_id, SAMPLED)]
    assert kept == [decision_id for decision_id in ids if is_kept(decision_id, SAMPLED)]
    larger = Policy(policy="sampled", share=0.5)
    assert all(is_kept(decision_id, larger) for decision_id in kept), "a larger share only adds"
    assert all(is_kept(decision_id, Policy()) and is_kept(decision_id, STRICT) for decision_id in ids)


def test_outcomes_are_kept_with_their_decisions(capture: Capture, ledger: Ledger, store: ObjectStore) -> None:
    for index in range(200):
        capture.record(a_decision(index), SAMPLED)
        capture.outcomes(an_outcome(index), SAMPLED)
    capture.flush()
    assert len(ledger.numbers(store)) == len(ledger.numbers(store, SegmentContent.OUTCOMES)) > 0
    counts = dropped(ledger)
    model = a_decision().model
    assert counts[SegmentContent.DECISIONS, model] == counts[SegmentContent.OUTCOMES, model] > 0


def test_a_file_that_holds_nothing_but_a_count_is_published_too(capture: Capture, ledger: Ledger) -> None:
    index = next(index for index in range(1_000) if not is_kept(a_decision(index).decision_id, SAMPLED))
    capture.record(a_decision(index), SAMPLED)
    capture.record(a_decision(index, model="other"), SAMPLED)
    capture.flush()
    assert list(dropped(ledger).values()) == [1, 1]
    assert capture.flush() == []
    capture.record(a_decision(index), SAMPLED)
    capture.flush()
    assert list(dropped(ledger).values()) == [2, 1]


def test_what_a_dead_replica_left_is_sealed_by_another_with_its_counts(
    tmp_path: Path, store: ObjectStore, ledger: Ledger, capture: Capture
) -> None:
    def away(drafts: list[Draft]) -> None:
        raise OSError("the governor is away")

    gone = Capture("gone", tmp_path / "wal", store, away, principal="p")
    for index in range(40):
        gone.record(a_decision(index), SAMPLED)
    with pytest.raises(FlushFailed, match="the governor is away"):
        gone.close()
    published = capture.adopt_orphans()
    assert {event.replica for event in published} == {"gone"}
    assert len(ledger.numbers(store)) + sum(dropped(ledger).values()) == 40
    assert capture.adopt_orphans() == []
