"""Whatever is done to the table behind the ledger's back, the first bad entry is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.events import SpecApplied
from runtime.ledger.errors import LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.merkle import EMPTY_ROOT, leaf_hash
from runtime.ledger.verify import Verification, verify_log
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock

MakeDraft = Callable[..., Draft]
SIZE = 12
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database."""
    return database_url


@pytest.fixture
def held(url: str, clock: ManualClock, draft: MakeDraft) -> Verification:
    """A ledger of 12 entries, a second apart, closed; and what an auditor kept of it."""
    with Log.open(url, clock) as log:
        for number in range(SIZE):
            log.append([draft(number)])
            clock.move(seconds=1)
    return verify_log(url)


def put(behind: Behind, seq: int, leaf: bytes) -> None:
    """Another leaf with a hash that fits."""
    behind.execute("UPDATE entries SET leaf = ?, leaf_hash = ? WHERE seq = ?", [leaf, leaf_hash(leaf), seq])


def test_a_good_ledger_is_reported_with_its_size_root_and_times(url: str, held: Verification) -> None:
    with Log.open_read_only(url) as reader:
        assert held.root == reader.root
    assert (held.size, held.first_time, held.last_time) == (SIZE, START, START.replace(second=SIZE - 1))


def test_an_empty_ledger_is_good(url: str, clock: ManualClock) -> None:
    Log.open(url, clock).close()
    assert verify_log(url) == Verification(0, EMPTY_ROOT.hex(), None, None)
    assert verify_log(url, expected_size=0, expected_root=EMPTY_ROOT.hex()).size == 0


def test_a_ledger_is_verified_while_its_writer_lives(url: str, log: Log, draft: MakeDraft) -> None:
    log.append([draft(0)])
    assert verify_log(url).root == log.root


def test_every_older_root_still_holds_after_more_was_appended(url: str, clock: ManualClock, draft: MakeDraft) -> None:
    roots = []
    with Log.open(url, clock) as log:
        for number in range(SIZE):
            log.append([draft(number)])
            roots.append(log.root)
    for size, root in enumerate(roots, start=1):
        assert verify_log(url, expected_size=size, expected_root=root).size == SIZE


def test_numbers_too_large_for_an_integer_are_canonical_too(url: str, log: Log) -> None:
    spec = {"large": 1e16, "negative": -1.5e17, "tiny": 5e-324, "huge": 1e300}
    log.append([Draft.fresh(SpecApplied(name="s", digest="sha256:" + "0" * 64, spec=spec), "ada")])
    assert verify_log(url).size == 1


def test_an_edited_leaf_is_named(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("UPDATE entries SET leaf = ? WHERE seq = 5", [behind.leaf(5).replace(b"drift", b"whims")])
    with pytest.raises(LedgerCorrupt, match="ledger entry 5: its leaf hashes to"):
        verify_log(url)


def test_of_two_edits_the_first_is_named(url: str, held: Verification, behind: Behind) -> None:
    for seq in (9, 4):
        behind.execute("UPDATE entries SET leaf = ? WHERE seq = ?", [behind.leaf(seq).replace(b"drift", b"whims"), seq])
    with pytest.raises(LedgerCorrupt) as caught:
        verify_log(url)
    assert caught.value.seq == 4


def test_an_edit_with_a_fitting_hash_is_shown_by_a_root_somebody_held(
    url: str, held: Verification, behind: Behind
) -> None:
    put(behind, 5, behind.leaf(5).replace(b"drift", b"whims"))
    assert verify_log(url).size == SIZE
    with pytest.raises(LedgerCorrupt, match="the first 12 entries have root"):
        verify_log(url, expected_size=SIZE, expected_root=held.root)


def test_an_edited_leaf_hash_is_named(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("UPDATE entries SET leaf_hash = ? WHERE seq = 0", [bytes(32)])
    with pytest.raises(LedgerCorrupt, match="ledger entry 0"):
        verify_log(url)


@pytest.mark.parametrize("gone", [0, 6, SIZE - 2])
def test_a_deleted_entry_is_named(url: str, held: Verification, behind: Behind, gone: int) -> None:
    behind.execute("DELETE FROM entries WHERE seq = ?", [gone])
    with pytest.raises(LedgerCorrupt, match=f"ledger entry {gone}: missing"):
        verify_log(url)


def test_a_renumbered_gap_is_shown_by_a_root_somebody_held(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("DELETE FROM entries WHERE seq = 6")
    for seq in range(7, SIZE):
        behind.execute("UPDATE entries SET seq = ? WHERE seq = ?", [seq - 1, seq])
    assert verify_log(url).size == SIZE - 1
    with pytest.raises(LedgerCorrupt, match="missing: the ledger ends here and once had 12"):
        verify_log(url, expected_size=SIZE, expected_root=held.root)


def test_two_swapped_entries_are_named(url: str, held: Verification, behind: Behind) -> None:
    for source, target in ((3, -1), (7, 3), (-1, 7)):
        behind.execute("UPDATE entries SET seq = ? WHERE seq = ?", [target, source])
    with pytest.raises(LedgerCorrupt, match=r"ledger entry 4: its time .* before"):
        verify_log(url)


def test_two_swapped_entries_of_one_moment_are_shown_by_a_root_somebody_held(
    url: str, log: Log, draft: MakeDraft, behind: Behind
) -> None:
    log.append([draft(number) for number in range(SIZE)])
    root = log.root
    for source, target in ((3, -1), (7, 3), (-1, 7)):
        behind.execute("UPDATE entries SET seq = ? WHERE seq = ?", [target, source])
    verify_log(url)
    with pytest.raises(LedgerCorrupt, match="have root"):
        verify_log(url, expected_size=SIZE, expected_root=root)


def test_a_truncated_ledger_is_shown_by_a_root_somebody_held(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("DELETE FROM entries WHERE seq >= 8")
    assert verify_log(url).size == 8
    with pytest.raises(LedgerCorrupt, match="ledger entry 8: missing"):
        verify_log(url, expected_size=SIZE, expected_root=held.root)


def test_an_entry_slipped_in_before_the_first_is_named(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("INSERT INTO entries SELECT -1, 'foreign', time, kind, leaf_hash, leaf FROM entries WHERE seq = 0")
    with pytest.raises(LedgerCorrupt, match="ledger entry 0: missing: the next row is numbered -1"):
        verify_log(url)


def test_a_repeated_event_is_named(url: str, held: Verification, behind: Behind) -> None:
    behind.execute("CREATE TABLE bare AS SELECT * FROM entries")  # which copies no constraints
    behind.execute("DROP TABLE entries")
    behind.execute("ALTER TABLE bare RENAME TO entries")
    behind.execute("INSERT INTO entries SELECT 12, event_id, time, kind, leaf_hash, leaf FROM entries WHERE seq = 11")
    with pytest.raises(LedgerCorrupt, match="ledger entry 12: its event id 'event-11' is that of entry 11"):
        verify_log(url)


@pytest.mark.parametrize("column", ["event_id", "time", "kind"])
def test_a_column_that_contradicts_its_leaf_is_named(url: str, held: Verification, behind: Behind, column: str) -> None:
    behind.execute(f"UPDATE entries SET {column} = 'other' WHERE seq = 2")  # noqa: S608
    with pytest.raises(LedgerCorrupt, match=f"ledger entry 2: its {column} column says 'other'"):
        verify_log(url)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"kind":"model_suspended"', b'"kind":"model_beloved"', "none that is known"),
        (b'"reason":"drift"', b'"reason":7', "none that is known"),
        (b'"principal":"ada"', b'"principal" : "ada"', "encoding it again"),
        (b'"principal":"ada"', b'"principal":"ada","principal":"ada"', "encoding it again"),
        (b'"principal":"ada"', b'"principal":1', "not all text"),
        (b'"principal":"ada"', b'"principals":"ada"', "not an object of"),
        (b"}", b"", "not canonical JSON"),
        (b"drift", b"\xff", "not canonical JSON"),
    ],
)
def test_a_leaf_that_is_no_canonical_event_is_named(
    url: str, held: Verification, behind: Behind, old: bytes, new: bytes, reason: str
) -> None:
    put(behind, 3, behind.leaf(3).replace(old, new))
    with pytest.raises(LedgerCorrupt, match=f"ledger entry 3: .*{reason}"):
        verify_log(url)


@pytest.mark.parametrize(
    ("time", "reason"),
    [("2026-03-01T12:00:03Z", "spelled"), ("yesterday", "its time is"), ("2026-03-01T11:59:59.000000Z", "before")],
)
def test_a_leaf_with_a_wrong_time_is_named(
    url: str, held: Verification, behind: Behind, time: str, reason: str
) -> None:
    put(behind, 3, behind.leaf(3).replace(b"2026-03-01T12:00:03.000000Z", time.encode()))
    behind.execute("UPDATE entries SET time = ? WHERE seq = 3", [time])
    with pytest.raises(LedgerCorrupt, match=f"ledger entry 3: .*{reason}"):
        verify_log(url)


def test_a_size_without_its_root_is_refused(url: str, held: Verification) -> None:
    with pytest.raises(ValueError, match="belong together"):
        verify_log(url, expected_size=3)
    with pytest.raises(ValueError, match="belong together"):
        verify_log(url, expected_root=held.root)


def test_a_missing_ledger_is_not_a_good_one(url: str) -> None:
    with pytest.raises(LedgerUnavailable, match=r"no such file|holds no ledger"):
        verify_log(url)
