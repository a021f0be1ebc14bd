"""What holds of a ledger in PostgreSQL only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runtime.domain.entry import Draft, prepare
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database, without_password
from runtime.ledger.errors import LedgerFull, LedgerLocked, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.verify import verify_log
from tests.postgres import PASSWORD, PostgresServer
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock
from tests.waiting import wait_until

MakeDraft = Callable[..., Draft]
SOON = timedelta(seconds=5)


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def raised(log: Log, behind: Behind) -> Callable[[str], None]:
    """From now on the server fails to insert with this SQLSTATE; none: it works again."""

    def set_to(code: str) -> None:
        behind.execute("DROP TRIGGER IF EXISTS failing ON entries")
        if code:
            behind.execute(
                "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{code}'; END $$"
            )
            behind.execute("CREATE TRIGGER failing BEFORE INSERT ON entries EXECUTE FUNCTION fail()")

    return set_to


# --- addresses -------------------------------------------------------------------------------------


def test_the_plain_spelling_of_the_url_works_too(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with Log.open(plain, clock) as log:
        log.append([draft(0)])
    assert verify_log(plain).size == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("ledger:", "stranger:"), "authentication failed"),
        (("/postgres?", "/nowhere?"), "does not exist"),
        (("/postgres?", "/?"), "names no database"),
        (("postgresql+psycopg", "postgresql+asyncpg"), "not a database this ledger writes"),
        (("127.0.0.1:", "127.0.0.1:1"), "invalid port"),
        (("@127.0.0.1", "@127.0.0.2"), "refused"),
    ],
)
def test_an_unusable_url_says_what_is_wrong_and_tells_no_password(
    url: str, change: tuple[str, str], reason: str, clock: ManualClock
) -> None:
    wrong = url.replace(*change)
    assert wrong != url
    openings: list[Callable[[], object]] = [lambda: Log.open(wrong, clock), lambda: Log.open_read_only(wrong)]
    for opening in openings:
        with pytest.raises(LedgerUnavailable, match=reason) as caught:
            opening()
        for secret in (PASSWORD, url.split(":")[2].split("@", maxsplit=1)[0]):
            assert secret not in str(caught.value)


def test_a_password_in_the_query_is_not_shown_either() -> None:
    url = "postgresql://ada:first@host/ledger?password=second&sslpassword=third"
    assert without_password(url) == "postgresql://ada:***@host/ledger"


def test_there_is_nothing_to_read_where_no_ledger_is(url: str) -> None:
    with pytest.raises(LedgerUnavailable, match="holds no ledger"):
        Log.open_read_only(url)


def test_each_schema_has_a_ledger_with_a_writer_of_its_own(
    url: str, postgres: PostgresServer, clock: ManualClock, draft: MakeDraft
) -> None:
    with Log.open(url, clock) as log, Log.open(postgres.new_database(), clock) as other:
        log.append([draft(0), draft(1)])
        other.append([draft(0)])
        assert (log.size, other.size) == (2, 1)


# --- settings --------------------------------------------------------------------------------------


def test_a_commit_waits_for_the_disk_whatever_the_server_says_by_default(
    url: str, postgres: PostgresServer, clock: ManualClock
) -> None:
    with postgres.admin() as admin:
        admin.execute("ALTER ROLE ledger SET synchronous_commit = off")
    try:
        with Log.open(url, clock) as log, log.database.reading() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    finally:
        with postgres.admin() as admin:
            admin.execute("ALTER ROLE ledger RESET synchronous_commit")


def test_ids_are_ordered_by_their_bytes_since_locales_change(log: Log, behind: Behind) -> None:
    query = (
        "SELECT collation_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = 'entries' AND column_name = 'event_id'"
    )
    assert behind.execute(query).fetchone() == ("C",)


def test_a_reader_may_change_nothing(url: str, log: Log, draft: MakeDraft) -> None:
    log.append([draft(0)])
    reader = Database.open_for_reading(url, SOON)
    try:
        with pytest.raises(LedgerUnavailable, match="read-only"), reader.reading() as connection:
            connection.exec_driver_sql("DELETE FROM entries")
    finally:
        reader.close()


# --- the server says no ----------------------------------------------------------------------------


def test_a_full_disk_writes_nothing_of_the_batch(log: Log, draft: MakeDraft, raised: Callable[[str], None]) -> None:
    log.append([draft(0)])
    raised("53100")
    with pytest.raises(LedgerFull, match="no space") as caught:
        log.append([draft(1), draft(2)])
    assert caught.value.status == 507
    assert log.size == 1
    raised("")
    assert [entry.seq for entry in log.append([draft(1), draft(2)])] == [1, 2]


@pytest.mark.parametrize("code", ["XX001", "XX002"])
def test_damage_that_the_server_finds_is_corruption(
    log: Log, draft: MakeDraft, raised: Callable[[str], None], code: str
) -> None:
    raised(code)
    with pytest.raises(LedgerCorrupt, match="damaged"):
        log.append([draft(0)])


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
def test_a_lock_that_is_not_given_leaves_no_doubt(
    log: Log, draft: MakeDraft, raised: Callable[[str], None], code: str
) -> None:
    raised(code)
    with pytest.raises(LedgerLocked):
        log.append([draft(0)])
    raised("")
    assert [entry.seq for entry in log.append([draft(0)])] == [0]


def test_sessions_that_ended_while_they_lay_idle_cost_no_caller_an_error(
    log: Log, draft: MakeDraft, postgres: PostgresServer
) -> None:
    log.append([draft(0)])
    assert postgres.end_sessions() >= 2
    assert [entry.seq for entry in log.append([draft(1)])] == [1]
    postgres.end_sessions()
    assert log.size == len(list(log.entries())) == 2


def test_a_commit_that_is_still_under_way_is_waited_for_before_it_is_judged(
    url: str, log: Log, draft: MakeDraft, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to COMMIT is lost, the server is still busy with it, and the caller tries again."""
    log.append([draft(0)])
    inserted = [_row_of(log, draft(1))]
    dialect = log.database.engine.dialect

    def lost(_connection: object) -> None:
        raise OSError("the answer got lost")

    monkeypatch.setattr(dialect, "do_commit", lost)
    with pytest.raises(OSError, match="lost"):
        log.append([draft(1)])
    monkeypatch.undo()
    behind.lock_writers_out()  # the session that the server goes on with
    for row in inserted:
        behind.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
    answers: list[Any] = []
    retry = threading.Thread(target=lambda: answers.extend(log.append([draft(1), draft(2)])))
    retry.start()
    with Behind(url) as watcher:
        wait_until(lambda: _waiting_for_locks(watcher) == 1)
    behind.execute("COMMIT")
    retry.join()
    assert [entry.seq for entry in answers] == [1, 2]
    assert verify_log(url).size == 3


def _row_of(log: Log, draft: Draft) -> tuple[object, ...]:
    from runtime.ledger.log import _Batch

    batch = _Batch(log.size, log.next_time(), {})
    batch.place(prepare(draft))
    return tuple(batch.rows[0])


def _waiting_for_locks(watcher: Behind) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ledger' AND wait_event_type = 'Lock'"
    (count,) = watcher.execute(query).fetchone()
    return int(count)
