"""A writer learns that it lost its ledger, at the latest from its watch, and tells nothing any more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.governance.fence import LeaseWatch
from runtime.governance.writer import Writer
from runtime.ledger.errors import LedgerHeld, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from tests.unit.domain.lives import MONDAY, a_spec, applied
from tests.unit.ledger.behind import Behind
from tests.waiting import wait_until

OFTEN = timedelta(milliseconds=10)


def watched(answers: list[Exception | None]) -> tuple[LeaseWatch, list[LedgerHeld]]:
    """A watch over a lease of which is said, in turn, what is in the list, and at last that it stands."""
    told: list[LedgerHeld] = []

    def require_lease() -> None:
        answer = answers.pop(0) if answers else None
        if answer is not None:
            raise answer

    return LeaseWatch(require_lease, told.append, interval=OFTEN), told


def test_a_lost_lease_is_told_once() -> None:
    lost = LedgerHeld("url", "gone")
    answers: list[Exception | None] = [None, lost, lost]
    watch, told = watched(answers)
    wait_until(lambda: told)
    watch.stop()
    assert (told, answers) == ([lost], [lost])


def test_a_database_that_does_not_answer_proves_nothing() -> None:
    lost = LedgerHeld("url", "gone")
    watch, told = watched([LedgerUnavailable("url", "away"), LedgerUnavailable("url", "away"), None, lost])
    wait_until(lambda: told)
    watch.stop()
    assert told == [lost]


def test_a_watch_that_is_stopped_asks_no_more() -> None:
    watch, told = watched([])
    watch.stop()
    watch.stop()
    assert told == []


def test_a_fenced_writer_neither_writes_nor_tells_its_state(database_url: str, tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "key")
    with Log.open(database_url, lambda: MONDAY) as log:
        writer = Writer(log, lambda grant: sign_grant(grant, key))
        writer.commit([[Draft(applied(a_spec()), "job:train", "a")]])
        log.database.require_lease()
        with Behind(database_url) as behind:
            behind.execute("UPDATE leases SET epoch = epoch + 1")
        with pytest.raises(LedgerHeld):
            log.database.require_lease()
        assert writer.state.size == 1, "nobody told the writer yet"
        with pytest.raises(LedgerHeld, match="gone to epoch 2"):
            writer.commit([[Draft(applied(a_spec()), "job:train", "b")]])
        with pytest.raises(LedgerHeld, match="gone to epoch 2"):
            _ = writer.state
        with pytest.raises(LedgerHeld):
            writer.commit([[]])
