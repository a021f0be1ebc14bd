"""What holds of a ledger in a file only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.errors import LedgerFull, LedgerHeld, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.verify import verify_log
from tests.unit.ledger.conftest import ManualClock

MakeDraft = Callable[..., Draft]


def test_a_second_name_of_the_file_does_not_let_a_second_writer_in(log: Log, path: Path, clock: ManualClock) -> None:
    alias = path.with_name("alias.sqlite")
    alias.symlink_to(path)
    with pytest.raises(LedgerHeld):
        Log.open(f"sqlite:///{alias}", clock)


def test_a_failed_opening_keeps_no_lock(url: str, path: Path, clock: ManualClock) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerCorrupt, match="damaged"):
        Log.open(url, clock)
    path.unlink()
    Log.open(url, clock).close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("not a url", "not a database URL"),
        ("sqlite://", "a ledger is a file"),
        ("sqlite:///:memory:", "a ledger is a file"),
        ("sqlite:////nowhere/at/all/ledger.sqlite", "does not exist"),
        ("mysql://ada:secret@host/ledger", "not a database this ledger writes"),
    ],
)
def test_an_unusable_url_says_what_is_wrong_and_tells_no_password(wrong: str, reason: str, clock: ManualClock) -> None:
    with pytest.raises(LedgerUnavailable, match=reason) as caught:
        Log.open(wrong, clock)
    assert "secret" not in str(caught.value)


def test_there_is_nothing_to_read_where_no_ledger_is(url: str, path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="no such file"):
        Log.open_read_only(url)
    assert not path.exists()
    sqlite3.connect(path).close()
    with pytest.raises(LedgerUnavailable, match="holds no ledger"):
        Log.open_read_only(url)


def test_a_full_disk_writes_nothing_of_the_batch(log: Log, draft: MakeDraft) -> None:
    log.append([draft(0)])
    before = log.root
    with log._database.engine.connect() as connection:  # one pooled connection, which append will use
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerFull, match="no space") as caught:
        log.append([draft(number) for number in range(1, 400)])
    assert caught.value.status == 507
    assert (log.size, log.root) == (1, before)
    with log._database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert [entry.seq for entry in log.append([draft(1)])] == [1]


def test_the_ledgers_settings_are_the_durable_ones(log: Log) -> None:
    with log._database.engine.connect() as connection:
        mode, level = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        )
    assert (mode, level) == ("wal", 2)


def test_a_damaged_file_is_corrupt_and_not_merely_unavailable(
    url: str, path: Path, clock: ManualClock, draft: MakeDraft
) -> None:
    with Log.open(url, clock) as log:
        log.append([draft(number) for number in range(12)])
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LedgerCorrupt, match="damaged"):
        verify_log(url)
