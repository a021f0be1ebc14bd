"""Two writers never both write: the lease, and the epoch that fences the older one off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from runtime.domain.entry import Draft
from runtime.ledger.database import Database
from runtime.ledger.errors import LedgerError, LedgerHeld, LedgerLocked, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.postgres import OPENING
from runtime.ledger.verify import verify_log
from tests.postgres import PostgresServer
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock
from tests.waiting import wait_until

MakeDraft = Callable[..., Draft]
SHORT = timedelta(milliseconds=300)
LONG = timedelta(minutes=10)
PATIENCE = timedelta(seconds=20)


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database, unless it asks for the server."""
    return database_url


on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def lease_of(behind: Behind) -> tuple[int, str]:
    """Epoch and end."""
    epoch, expires = behind.execute("SELECT epoch, expires FROM leases WHERE name = 'writer'").fetchone()
    return epoch, expires


# --- on both ---------------------------------------------------------------------------------------


def test_each_writer_has_the_next_epoch(url: str, clock: ManualClock) -> None:
    epochs = []
    for _ in range(3):
        with Log.open(url, clock) as log:
            epochs.append(log.epoch)
    assert epochs == [1, 2, 3]


def test_a_refused_writer_takes_no_epoch(url: str, log: Log, clock: ManualClock, behind: Behind) -> None:
    with pytest.raises(LedgerHeld):
        Log.open(url, clock)
    assert lease_of(behind)[0] == log.epoch


@pytest.mark.parametrize(
    "loss", ["UPDATE leases SET epoch = epoch + 1", "UPDATE leases SET epoch = epoch - 1", "DELETE FROM leases"]
)
def test_a_writer_whose_lease_is_gone_writes_nothing_more(
    log: Log, draft: MakeDraft, behind: Behind, loss: str
) -> None:
    log.append([draft(0)])
    before = log.root
    behind.execute(loss)
    for _ in range(2):
        with pytest.raises(LedgerHeld, match=f"this writer's epoch is {log.epoch}"):
            log.append([draft(1)])
        with pytest.raises(LedgerHeld), log.database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM entries")
    assert (log.size, log.root) == (1, before)


def test_a_fenced_writer_does_not_settle_its_doubt_by_writing(
    log: Log, draft: MakeDraft, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_connection: object) -> None:
        raise OSError("the answer got lost")

    log.append([draft(0)])
    monkeypatch.setattr(log.database.engine.dialect, "do_commit", lost)
    with pytest.raises(OSError, match="lost"):
        log.append([draft(1)])
    monkeypatch.undo()
    behind.execute("UPDATE leases SET epoch = epoch + 1")
    with pytest.raises(LedgerHeld):
        log.append([draft(1)])
    assert behind.execute("SELECT count(*) FROM entries").fetchone() == (1,)


def test_a_patient_writer_waits_for_the_other_to_end(url: str, log: Log, clock: ManualClock) -> None:
    ending = threading.Timer(0.3, log.close)
    ending.start()
    with Log.open(url, clock, patience=PATIENCE) as later:
        assert later.epoch == log.epoch + 1
    ending.join()


def test_a_patient_writer_waits_for_a_lock_that_somebody_left(url: str, clock: ManualClock, behind: Behind) -> None:
    Log.open(url, clock).close()
    behind.lock_writers_out()
    leaving = threading.Timer(0.4, behind.close)
    leaving.start()
    with Log.open(url, clock, lock_timeout=timedelta(milliseconds=50), patience=PATIENCE) as log:
        assert log.epoch == 2
    leaving.join()


def test_patience_ends(url: str, log: Log, clock: ManualClock) -> None:
    began = time.monotonic()
    with pytest.raises(LedgerHeld, match="another writer lives"):
        Log.open(url, clock, patience=timedelta(milliseconds=400))
    assert time.monotonic() - began >= 0.4


def test_of_many_who_open_a_new_ledger_at_once_one_becomes_its_writer(url: str, clock: ManualClock) -> None:
    opened, refused = list[Log](), list[LedgerError]()
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        try:
            opened.append(Log.open(url, clock))
        except LedgerHeld as error:
            refused.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(refused)) == (1, 3)
    opened[0].close()


# --- by time and session, in PostgreSQL ------------------------------------------------------------


@on_postgres
def test_two_openings_never_make_the_same_tables_at_once(url: str, clock: ManualClock, behind: Behind) -> None:
    behind.execute("BEGIN")
    behind.execute(OPENING.text)
    with pytest.raises(LedgerLocked):
        Log.open(url, clock, lock_timeout=timedelta(milliseconds=50))
    behind.execute("COMMIT")
    Log.open(url, clock).close()


@on_postgres
def test_an_idle_writer_keeps_its_lease_past_its_time(url: str, clock: ManualClock, behind: Behind) -> None:
    with Log.open(url, clock, lease=SHORT) as log:
        epoch, first = lease_of(behind)
        ends = datetime.fromisoformat(first) + SHORT
        wait_until(lambda: datetime.fromisoformat(lease_of(behind)[1]) > ends)
        with pytest.raises(LedgerHeld, match=f"under epoch {epoch}"):
            Log.open(url, clock)
        assert lease_of(behind)[0] == log.epoch


@on_postgres
def test_a_writer_that_closes_gives_its_lease_back(url: str, clock: ManualClock) -> None:
    Log.open(url, clock, lease=LONG).close()
    with Log.open(url, clock) as log:
        assert log.epoch == 2


@on_postgres
def test_a_silent_writer_is_replaced_after_its_lease_and_refused_when_it_wakes(
    url: str, clock: ManualClock, draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log.open(url, clock, lease=SHORT) as silent:
        silent.append([draft(0)])
        monkeypatch.setattr("runtime.ledger.lease.move", lambda *_: None)  # alive, and renews nothing
        with Log.open(url, clock, patience=PATIENCE) as later:
            monkeypatch.undo()
            later.append([draft(1)])
            with pytest.raises(LedgerHeld, match="the lease has gone to epoch 2"):
                silent.append([draft(2)])
            later.append([draft(3)])
        assert [entry.event_id for entry in silent.entries()] == ["event-0", "event-1", "event-3"]


@on_postgres
def test_a_writer_whose_sessions_ended_is_replaced_before_its_lease_ends_and_fenced_off(
    url: str, clock: ManualClock, draft: MakeDraft, postgres: PostgresServer
) -> None:
    with Log.open(url, clock, lease=LONG) as cut_off:
        cut_off.append([draft(0)])
        postgres.end_sessions()
        with Log.open(url, clock, patience=PATIENCE) as later:
            later.append([draft(1)])
            with pytest.raises(LedgerHeld):
                cut_off.append([draft(2)])
    assert verify_log(url).size == 2


@on_postgres
def test_a_keeper_whose_session_ended_takes_up_another(
    url: str, clock: ManualClock, draft: MakeDraft, postgres: PostgresServer, behind: Behind
) -> None:
    with Log.open(url, clock, lease=SHORT) as log:
        postgres.end_sessions()
        with Behind(url) as watcher:
            wait_until(lambda: _ties(watcher) == 1)
        with pytest.raises(LedgerHeld):
            Log.open(url, clock)
        assert [entry.seq for entry in log.append([draft(0)])] == [0]


@on_postgres
def test_a_writer_that_sleeps_inside_a_transaction_keeps_nobody_out(
    url: str, clock: ManualClock, draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = Database.open_for_writing(url, timedelta(seconds=5), SHORT)
    monkeypatch.setattr("runtime.ledger.lease.move", lambda *_: None)
    try:
        with pytest.raises(LedgerUnavailable), asleep.writing() as connection:  # noqa: PT012
            connection.exec_driver_sql("DELETE FROM entries")
            with Log.open(url, clock, patience=PATIENCE) as later:
                later.append([draft(0)])
            monkeypatch.undo()
    finally:
        asleep.close()
    assert verify_log(url).size == 1


def _ties(watcher: Behind) -> int:
    """Sessions that an epoch is tied to."""
    (count,) = watcher.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    return int(count)
