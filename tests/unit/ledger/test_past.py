"""A writer opens by the last checkpoint and its tiles, and by the leaf hashes where those are of no help."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.log import Log
from runtime.ledger.merkle import Frontier
from runtime.ledger.note import Signer
from runtime.ledger.past import published_frontier, root_at
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.ledger.tiles import check_tiles

SIZE = 3 * 256 + 17
Clock = Callable[[], datetime]


@pytest.fixture
def tiled(url: str, clock: Clock, draft: Callable[..., Draft], path: Path) -> str:
    """A ledger of three full tiles and a rest, of which a checkpoint was published before a few more; its root."""
    key = SigningKey.load_or_create(path.with_name("key.pem"))
    with Log.open(url, clock) as log:
        log.append([draft(number) for number in range(SIZE - 5)])
        assert Publisher(log, Signer(key, "example.com/log"), clock).publish()
        log.append([draft(number) for number in range(SIZE - 5, SIZE)])
        return log.root


def covered(url: str) -> int:
    with Log.open_read_only(url) as log, log.database.reading() as connection:
        return published_frontier(connection).size


def test_an_opened_log_goes_on_with_the_tree_that_tiles_and_rest_make(
    url: str, clock: Clock, tiled: str, draft: Callable[..., Draft]
) -> None:
    assert covered(url) == 3 * 256
    with Log.open(url, clock) as log:
        assert (log.size, log.root) == (SIZE, tiled)
        log.append([draft(SIZE)])
        assert root_at(log.database, SIZE).hex() == tiled
        with Log.open_read_only(url) as reader:
            assert reader.root == log.root, "a reader takes every leaf hash"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM tiles",
        "UPDATE tiles SET hashes = substr(hashes, 2) WHERE level = 0 AND position = 1",
        "UPDATE tiles SET hashes = substr(hashes, 2) WHERE level = 1",
        "UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1",
        "UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND position = 2",
        "UPDATE tiles SET hashes = zeroblob(96) WHERE level = 1",
        "UPDATE checkpoints SET root = zeroblob(32)",
        "DELETE FROM checkpoints",
    ],
)
def test_what_is_gone_cut_or_forged_is_done_without(
    damage: str, url: str, clock: Clock, tiled: str, raw: sqlite3.Connection
) -> None:
    assert raw.execute(damage).rowcount > 0
    with Log.open(url, clock) as log:
        assert (log.size, log.root) == (SIZE, tiled)


def test_an_entry_that_was_edited_does_not_change_what_was_signed(
    url: str, clock: Clock, tiled: str, raw: sqlite3.Connection
) -> None:
    raw.execute("UPDATE entries SET leaf_hash = zeroblob(32) WHERE seq = 300")
    with Log.open(url, clock) as log:
        assert log.root == tiled
        with log.database.reading() as connection, pytest.raises(LedgerCorrupt):
            check_tiles(connection, 1)


@pytest.mark.parametrize(("where", "bad"), [("seq = 300", 300), ("seq >= 500", 500), ("seq = 0", 0)])
def test_entries_that_are_missing_under_the_tiles_are_noticed(
    where: str, bad: int, url: str, clock: Clock, tiled: str, raw: sqlite3.Connection
) -> None:
    assert covered(url) == 3 * 256
    raw.execute(f"DELETE FROM entries WHERE {where}")  # noqa: S608 - of the test's own table
    assert covered(url) == 0
    if where == "seq >= 500":  # a cut end is a shorter log: who kept a checkpoint notices
        with Log.open(url, clock) as log:
            assert log.size == bad
    else:
        with pytest.raises(LedgerCorrupt) as failure:
            Log.open(url, clock)
        assert failure.value.seq == bad


@pytest.mark.parametrize(("size", "peaks"), [(3, 1), (4, 2), (0, 1)])
def test_a_frontier_has_a_peak_for_each_one_bit_of_its_size(size: int, peaks: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} leaves has"):
        Frontier.of(size, [bytes(32)] * peaks)
