"""What the log promises to those who append and read, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.domain.entry import Draft, prepare
from runtime.domain.errors import IdempotencyConflict, LedgerCorrupt
from runtime.domain.events import ModelResumed, RolloutStarted, SpecApplied, Stage, Step
from runtime.ledger.errors import EntryUnwritable, LedgerFull, LedgerHeld, LedgerLocked, LedgerUnavailable
from runtime.ledger.log import READ_ROWS, Log
from runtime.ledger.merkle import EMPTY_ROOT, leaf_hash, root
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock

MakeDraft = Callable[..., Draft]
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database."""
    return database_url


def test_an_empty_ledger_has_the_empty_root(log: Log) -> None:
    assert (log.size, log.root) == (0, EMPTY_ROOT.hex())
    assert list(log.entries()) == []
    assert log.find("event-0") is None


def test_entries_are_numbered_from_0_in_the_order_of_their_drafts(log: Log, draft: MakeDraft) -> None:
    appended = log.append([draft(0), draft(1)]) + log.append([draft(2)])
    assert [(entry.seq, entry.event_id) for entry in appended] == [(0, "event-0"), (1, "event-1"), (2, "event-2")]
    assert list(log.entries()) == appended
    assert log.find("event-1") == appended[1]


def test_the_root_is_that_of_the_leaves(log: Log, draft: MakeDraft) -> None:
    log.append([draft(number) for number in range(11)])
    assert log.root == root(leaf_hash(entry.leaf()) for entry in log.entries()).hex()


def test_an_entry_carries_the_time_of_the_clock(log: Log, clock: ManualClock, draft: MakeDraft) -> None:
    (first,) = log.append([draft(0)])
    clock.move(seconds=90)
    (second,) = log.append([draft(1)])
    assert (first.time, second.time) == (clock.now - timedelta(seconds=90), clock.now)


def test_time_stands_still_while_the_clock_is_behind(log: Log, clock: ManualClock, draft: MakeDraft) -> None:
    start = clock.now
    log.append([draft(0)])
    clock.move(seconds=-3600)
    log.append([draft(1)])
    clock.move(seconds=3601)
    log.append([draft(2)])
    assert [entry.time for entry in log.entries()] == [start, start, start + timedelta(seconds=1)]


def test_time_does_not_go_back_over_a_restart(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    with Log.open(url, clock) as log:
        (first,) = log.append([draft(0)])
    clock.move(seconds=-3600)
    with Log.open(url, clock) as log:
        (second,) = log.append([draft(1)])
    assert second.time == first.time


def test_entries_get_the_time_their_writer_asked_for_before(log: Log, clock: ManualClock, draft: MakeDraft) -> None:
    asked = log.next_time()
    clock.move(seconds=5)
    (entry,) = log.append([draft(0)], at=asked)
    assert entry.time == asked == clock.now - timedelta(seconds=5)


def test_a_time_from_before_the_last_entry_is_not_given(log: Log, clock: ManualClock, draft: MakeDraft) -> None:
    stale = log.next_time()
    clock.move(seconds=5)
    log.append([draft(0)])
    (entry,) = log.append([draft(1)], at=stale)
    assert entry.time == clock.now


def test_the_next_time_knows_of_a_batch_whose_commit_was_in_doubt(
    log: Log, clock: ManualClock, draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now + timedelta(hours=1)
    dialect = log._database.engine.dialect
    commit = dialect.do_commit

    def commit_and_fail(connection: Any) -> None:
        commit(connection)
        raise OSError("the answer got lost")

    monkeypatch.setattr(dialect, "do_commit", commit_and_fail)
    with pytest.raises(OSError, match="lost"):
        log.append([draft(0)], at=later)
    monkeypatch.undo()
    assert log.next_time() == later


def test_a_clock_without_a_zone_is_refused(url: str, draft: MakeDraft) -> None:
    with Log.open(url, lambda: datetime(2026, 1, 1)) as log, pytest.raises(ValueError, match="zone"):  # noqa: DTZ001
        log.append([draft(0)])


def test_reopening_gives_the_same_root_and_the_same_entries(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    with Log.open(url, clock) as log:
        log.append([draft(number) for number in range(77)])
        before = (log.size, log.root, list(log.entries()))
    with Log.open(url, clock) as log:
        assert (log.size, log.root, list(log.entries())) == before


def test_what_append_returns_is_what_a_later_reader_gets(log: Log) -> None:
    spec = {"none": None, "float": 1.0, "big": 1e16, "nested": [{"a": [1, 2.5]}], "text": "ü\u2028\U0001f600\x00"}
    drafts = [
        Draft.fresh(SpecApplied(name="fleet", digest=DIGEST, spec=spec), "ada"),
        Draft.fresh(RolloutStarted(model="m", version=2, steps=(Step(stage=Stage.FULL, share=1, decisions=0),)), "b"),
    ]
    assert log.append(drafts) == list(log.entries())


# --- idempotency -----------------------------------------------------------------------------------


def test_the_same_draft_again_returns_the_first_entry_and_is_not_written(
    log: Log, clock: ManualClock, draft: MakeDraft
) -> None:
    first = log.append([draft(0), draft(1)])
    before = log.root
    clock.move(seconds=60)
    assert log.append([draft(1), draft(0)]) == [first[1], first[0]]
    assert (log.size, log.root) == (2, before)


def test_the_same_draft_after_a_restart_returns_the_first_entry(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    with Log.open(url, clock) as log:
        first = log.append([draft(0)])
    with Log.open(url, clock) as log:
        assert log.append([draft(0)]) == first
        assert log.size == 1


def test_a_draft_repeated_within_a_batch_is_written_once(log: Log, draft: MakeDraft) -> None:
    answers = log.append([draft(0), draft(1), draft(0)])
    assert [entry.seq for entry in answers] == [0, 1, 0]
    assert log.size == 2


@pytest.mark.parametrize("change", [{"reason": "another"}, {"principal": "eve"}])
def test_the_same_id_with_another_body_is_refused_and_writes_nothing(
    log: Log, draft: MakeDraft, change: dict[str, str]
) -> None:
    log.append([draft(0)])
    before = log.root
    with pytest.raises(IdempotencyConflict, match=r"event-0.*entry 0"):
        log.append([draft(1), draft(0, **change), draft(2)])
    assert (log.size, log.root, log.find("event-1")) == (1, before, None)
    assert [entry.seq for entry in log.append([draft(1)])] == [1]


def test_two_bodies_under_one_id_within_a_batch_are_refused(log: Log, draft: MakeDraft) -> None:
    with pytest.raises(IdempotencyConflict):
        log.append([draft(0), draft(0, reason="another")])
    assert log.size == 0


def test_two_bodies_under_an_id_that_is_recorded_are_told_where_it_stands(log: Log, draft: MakeDraft) -> None:
    log.append([draft(0), draft(1)])
    with pytest.raises(IdempotencyConflict, match="entry 1 has another body"):
        log.append([draft(2), draft(1), draft(1, reason="another")])
    assert log.size == 2


def test_a_draft_that_was_prepared_elsewhere_is_recorded_as_any(log: Log, draft: MakeDraft) -> None:
    first = log.append([prepare(draft(0)), draft(1)])
    assert log.append([draft(0), prepare(draft(1))]) == first == list(log.entries())
    with pytest.raises(IdempotencyConflict, match="entry 0"):
        log.append([prepare(draft(0, reason="another"))])


def test_all_ids_of_a_batch_are_looked_up_at_once(log: Log, draft: MakeDraft) -> None:
    entries = log.append([draft(number) for number in range(600)])
    found = log.find_all([*(entry.event_id for entry in entries), "unknown", "\x00", "\ud800"])
    assert found == {entry.event_id: entry for entry in entries}


def test_more_drafts_than_one_query_may_name_are_looked_up(log: Log, draft: MakeDraft) -> None:
    drafts = [draft(number) for number in range(1_200)]
    first = log.append(drafts)
    assert log.append(drafts) == first
    assert log.size == 1_200


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53])
def test_an_event_without_a_canonical_form_is_refused_and_writes_nothing(
    log: Log, draft: MakeDraft, value: float
) -> None:
    bad = Draft(SpecApplied(name="fleet", digest=DIGEST, spec={"value": value}), "ada", "bad")
    with pytest.raises(EntryUnwritable, match="bad"):
        log.append([draft(0), bad])
    assert log.size == 0


def test_an_event_that_its_own_type_refuses_is_never_written(log: Log) -> None:
    unchecked = ModelResumed.model_construct(model="no/such name", reason="")
    with pytest.raises(EntryUnwritable, match="read back"):
        log.append([Draft(unchecked, "ada", "bad")])
    assert log.size == 0


def test_appending_nothing_changes_nothing(log: Log) -> None:
    assert log.append([]) == []
    assert log.size == 0


# --- reading ---------------------------------------------------------------------------------------


def test_entries_are_read_from_a_number_on_and_up_to_a_limit(log: Log, draft: MakeDraft) -> None:
    log.append([draft(number) for number in range(9)])
    assert [entry.seq for entry in log.entries(since=6)] == [6, 7, 8]
    assert [entry.seq for entry in log.entries(since=2, limit=3)] == [2, 3, 4]
    assert list(log.entries(since=9)) == list(log.entries(limit=0)) == []


def test_entries_are_read_by_kind(log: Log, draft: MakeDraft) -> None:
    resumed = ModelResumed(model="model-1", reason="repaired")
    log.append([draft(0), Draft.fresh(resumed, "ada"), draft(2), Draft.fresh(resumed, "ada")])
    assert [entry.seq for entry in log.entries(kinds=["model_resumed"])] == [1, 3]
    assert [entry.seq for entry in log.entries(since=2, kinds={"model_resumed", "model_suspended"})] == [2, 3]
    assert list(log.entries(kinds=[])) == []


def test_reading_goes_on_over_many_pages(log: Log, draft: MakeDraft) -> None:
    total = 2 * READ_ROWS + 1
    log.append([draft(number) for number in range(total)])
    assert [entry.seq for entry in log.entries()] == list(range(total))
    assert [entry.seq for entry in log.entries(limit=READ_ROWS + 1)] == list(range(READ_ROWS + 1))


@pytest.mark.parametrize("arguments", [{"since": -1}, {"limit": -1}])
def test_negative_numbers_are_refused_before_anything_is_read(log: Log, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="count from 0"):
        log.entries(**arguments)


def test_an_edited_entry_is_never_handed_out(log: Log, draft: MakeDraft, behind: Behind) -> None:
    log.append([draft(0), draft(1)])
    behind.execute("UPDATE entries SET leaf = ? WHERE seq = 1", [behind.leaf(1).replace(b"drift", b"whims")])
    with pytest.raises(LedgerCorrupt, match="entry 1"):
        list(log.entries())
    with pytest.raises(LedgerCorrupt, match="entry 1"):
        log.find("event-1")


def test_a_reader_follows_the_living_writer(url: str, log: Log, draft: MakeDraft) -> None:
    log.append([draft(0)])
    with Log.open_read_only(url) as reader:
        assert (reader.size, reader.root) == (1, log.root)
        log.append([draft(1), draft(2)])
        assert (reader.size, reader.root) == (3, log.root)
        assert list(reader.entries()) == list(log.entries())


def test_a_reader_needs_no_living_writer(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    with Log.open(url, clock) as log:
        log.append([draft(0)])
        before = log.root
    with Log.open_read_only(url) as reader:
        assert reader.root == before


def test_a_reader_sees_nothing_of_an_open_transaction(url: str, log: Log, draft: MakeDraft, behind: Behind) -> None:
    log.append([draft(0)])
    behind.lock_writers_out()
    behind.execute("DELETE FROM entries")
    with Log.open_read_only(url) as reader:
        assert reader.size == 1
    behind.execute("ROLLBACK")


# --- opening ---------------------------------------------------------------------------------------


def test_a_ledger_has_one_writer(url: str, log: Log, clock: ManualClock) -> None:
    with pytest.raises(LedgerHeld, match="another writer lives"):
        Log.open(url, clock)
    log.close()
    Log.open(url, clock).close()


def test_a_ledger_with_a_missing_entry_does_not_open(
    url: str, clock: ManualClock, draft: MakeDraft, behind: Behind
) -> None:
    with Log.open(url, clock) as log:
        log.append([draft(number) for number in range(5)])
    behind.execute("DELETE FROM entries WHERE seq = 2")
    with pytest.raises(LedgerCorrupt, match="entry 2"):
        Log.open(url, clock)


def test_a_closed_ledger_is_not_used(log: Log, draft: MakeDraft) -> None:
    entries = log.entries()
    log.close()
    log.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        log.append([draft(0)])
    with pytest.raises(LedgerUnavailable, match="closed"):
        next(entries)


# --- the database says no --------------------------------------------------------------------------


def test_a_database_locked_for_too_long_is_said_so_and_used_again_later(
    url: str, clock: ManualClock, draft: MakeDraft, behind: Behind
) -> None:
    with Log.open(url, clock, lock_timeout=timedelta(milliseconds=30)) as log:
        log.append([draft(0)])
        behind.lock_writers_out()
        with pytest.raises(LedgerLocked, match="timeout"):
            log.append([draft(1)])
        assert log.size == 1
        behind.execute("ROLLBACK")
        assert [entry.seq for entry in log.append([draft(1)])] == [1]


def test_a_writer_stops_when_somebody_else_wrote(log: Log, draft: MakeDraft, behind: Behind) -> None:
    log.append([draft(0)])
    behind.execute("INSERT INTO entries SELECT 1, 'foreign', time, kind, leaf_hash, leaf FROM entries")
    for _ in range(2):
        with pytest.raises(LedgerHeld, match="2 entries where this writer left 1"):
            log.append([draft(1)])


@pytest.mark.parametrize("error", [LedgerFull("sqlite:///x", "full"), EntryUnwritable("id", "reason")])
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin)) == (type(error), str(error))


def test_times_are_kept_in_utc(url: str, draft: MakeDraft) -> None:
    moment = datetime.fromisoformat("2026-03-01T14:00:00.000001+02:00")
    with Log.open(url, lambda: moment) as log:
        (entry,) = log.append([draft(0)])
    assert (entry.time, entry.time.tzinfo) == (moment, UTC)
