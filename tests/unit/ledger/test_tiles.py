"""Tiles: what is stored, and that every proof from them is the oracle's, whatever of them is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, event

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)
from runtime.ledger.schema import TILES
from runtime.ledger.tiles import TILE_WIDTH, Tree, check_tiles, store_tiles, tile_path
from tests.unit.ledger.trees import fill, leaves, levels_of, oracle_consistency, oracle_path

LARGE = 66_403  # one full tile of level 1, 3 roots in the next, 99 leaves behind
SIZES = (1, 255, 256, 257, 512, 600, 4_096, 40_000, 65_535, 66_000, 65_536, 66_303, LARGE)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A tree of three levels of tiles."""
    database = opened(tmp_path_factory.mktemp("large") / "ledger.sqlite")
    fill(database, 0, LARGE)
    assert store_tiles(database, LARGE) == LARGE - LARGE % TILE_WIDTH
    yield database
    database.close()


@pytest.fixture(scope="module")
def hashes() -> list[bytes]:
    return leaves(LARGE)


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = opened(path)
    yield database
    database.close()


def opened(path: Path) -> Database:
    return Database.open_for_writing(f"sqlite:///{path}", timedelta(seconds=5))


def stored(path: Path) -> dict[tuple[int, int], int]:
    """The hashes in each tile."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT level, position, length(hashes) FROM tiles")
        return {(level, position): length // 32 for level, position, length in rows}


@pytest.mark.parametrize(
    ("level", "position", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (0, 1_000, 256, "tile/0/x001/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 3, 66, "tile/1/003.p/66"),
        (63, 5_000_000_000, 1, "tile/63/x005/x000/x000/000.p/1"),
    ],
)
def test_a_tile_is_named_as_the_specification_spells_it(level: int, position: int, width: int, path: str) -> None:
    assert tile_path(level, position, width) == path


@pytest.mark.parametrize("tile", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_what_is_no_tile_has_no_name(tile: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no tile"):
        tile_path(*tile)


def test_every_proof_of_every_size_to_130_is_the_oracles(database: Database) -> None:
    hashes = leaves(130)
    fill(database, 0, 130)
    with database.reading() as connection:
        tree = Tree(connection)
        for size in range(1, 131):
            levels = levels_of(hashes[:size])
            assert tree.root(size) == levels[-1][0]
            for seq in range(size):
                assert tree.inclusion_proof(seq, size) == oracle_path(levels, 0, seq)
                assert tree.consistency_proof(seq, size) == ([] if seq == 0 else oracle_consistency(levels, seq))


def test_tiles_hold_the_hashes_of_their_level(large: Database, hashes: list[bytes]) -> None:
    levels = levels_of(hashes)
    with large.reading() as connection:
        rows = {(row.level, row.position): row.hashes for row in connection.execute(TILES.select())}
    expected = {(0, position): levels[0][position * 256 : position * 256 + 256] for position in range(259)}
    expected |= {(1, 0): levels[8][:256], (1, 1): levels[8][256:259], (2, 0): levels[16][:1]}
    assert rows == {tile: b"".join(content) for tile, content in expected.items()}


def test_proofs_over_three_levels_of_tiles_are_the_oracles(large: Database, hashes: list[bytes]) -> None:
    for size in SIZES[::2]:
        levels = levels_of(hashes[:size])
        whole = levels[-1][0]
        with large.reading() as connection:
            tree = Tree(connection)
            assert tree.root(size) == whole
            for seq in {0, 1, 255, 256, 300, 65_535, 65_536, 66_304, size // 2, size - 1}:
                if seq < size:
                    proof = tree.inclusion_proof(seq, size)
                    assert proof == oracle_path(levels, 0, seq)
                    assert verify_inclusion(hashes[seq], seq, size, proof, whole)
            for old in {*SIZES, 66_000, size - 1} - {0, size}:
                if old < size:
                    proof = tree.consistency_proof(old, size)
                    assert proof == oracle_consistency(levels, old)
                    assert verify_consistency(old, size, proof, tree.root(old), whole)


@pytest.mark.parametrize("step", [1, 100, 256, 300, 9_000])
def test_tiles_do_not_depend_on_when_they_were_stored(step: int, database: Database, path: Path) -> None:
    end = 20_000 if step > 100 else 600
    fill(database, 0, end)
    for size in [*range(0, end, step), end]:
        assert store_tiles(database, size) == size - size % TILE_WIDTH
    full = end // TILE_WIDTH
    assert stored(path) == {**{(0, position): 256 for position in range(full)}, (1, 0): full}
    with database.reading() as connection:
        assert Tree(connection).root(end) == root(leaves(end))


def test_storing_tiles_of_an_earlier_size_again_changes_nothing(database: Database, path: Path) -> None:
    fill(database, 0, 600)
    store_tiles(database, 600)
    before = path.read_bytes()
    assert store_tiles(database, 300) == 512
    assert path.read_bytes() == before


@pytest.mark.parametrize("lost", [TILES.c.level >= 0, TILES.c.level > 0, TILES.c.level == 0, TILES.c.position == 1])
def test_lost_tiles_cost_time_and_no_proof(lost: object, database: Database) -> None:
    hashes = leaves(1_000)
    fill(database, 0, 1_000)
    store_tiles(database, 1_000)
    with database.writing() as connection:
        connection.execute(delete(TILES).where(lost))  # type: ignore[arg-type]
    with database.reading() as connection:
        tree = Tree(connection)
        assert tree.root(1_000) == root(hashes)
        assert tree.inclusion_proof(300, 1_000) == inclusion_proof(hashes, 300)
        assert tree.consistency_proof(700, 1_000) == consistency_proof(hashes, 700)


@pytest.mark.parametrize("size", [0, 1, 7, 256, 700, 1_000])
def test_peaks_are_those_of_a_frontier(size: int, database: Database) -> None:
    fill(database, 0, 1_000)
    frontier = Frontier()
    frontier.extend(leaves(size))
    with database.reading() as connection:
        assert Tree(connection).peaks(size) == frontier._peaks


def test_a_proof_reads_a_handful_of_rows_and_of_tiles(large: Database) -> None:
    counted: list[str] = []
    event.listen(large.engine, "before_cursor_execute", lambda *call: counted.append(call[2]))
    with large.reading() as connection:
        assert len(Tree(connection).inclusion_proof(300, LARGE)) == 17
        assert len(counted) <= 6
        counted.clear()
        Tree(connection).consistency_proof(66_000, LARGE)
        assert len(counted) <= 5


def test_the_tree_of_no_leaves_has_the_hash_of_nothing_as_its_root(database: Database) -> None:
    assert store_tiles(database, 0) == 0
    with database.reading() as connection:
        tree = Tree(connection)
        assert (tree.size(), tree.root(0), tree.consistency_proof(0, 0)) == (0, EMPTY_ROOT, [])


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda tree: tree.inclusion_proof(10, 10), IndexError),
        (lambda tree: tree.inclusion_proof(-1, 10), IndexError),
        (lambda tree: tree.consistency_proof(11, 10), ValueError),
        (lambda tree: tree.consistency_proof(-1, 10), ValueError),
        (lambda tree: tree.subtree(1, 3), ValueError),
        (lambda tree: tree.subtree(4, 4), ValueError),
        (lambda tree: tree.subtree(-2, 0), ValueError),
        (lambda tree: tree.root(11), LedgerCorrupt),
        (lambda tree: tree.leaf(10), LedgerCorrupt),
        (lambda tree: tree.inclusion_proof(0, 300), LedgerCorrupt),
    ],
)
def test_what_the_tree_never_had_is_refused(
    ask: Callable[[Tree], object], error: type[Exception], database: Database
) -> None:
    fill(database, 0, 10)
    with database.reading() as connection, pytest.raises(error):
        ask(Tree(connection))


@pytest.mark.parametrize(
    ("damage", "bad"),
    [
        ("DELETE FROM entries WHERE seq = 300", 300),
        ("UPDATE entries SET leaf_hash = x'00' WHERE seq = 301", 301),
        ("DELETE FROM entries WHERE seq >= 500", 500),
        ("UPDATE tiles SET hashes = substr(hashes, 1, 10) WHERE level = 1", 0),
        ("DELETE FROM tiles WHERE level = 1", 256),
    ],
)
def test_tiles_are_not_built_on_what_is_missing_or_cut(
    damage: str, bad: int, database: Database, raw: sqlite3.Connection, path: Path
) -> None:
    fill(database, 0, 600)
    store_tiles(database, 256)
    raw.execute(damage)
    before = stored(path)
    with pytest.raises(LedgerCorrupt) as caught:
        store_tiles(database, 600)
    assert caught.value.seq == bad
    assert stored(path) == before


def test_a_cut_tile_is_named_by_its_first_leaf_when_a_proof_needs_it(
    database: Database, raw: sqlite3.Connection
) -> None:
    fill(database, 0, 600)
    store_tiles(database, 600)
    raw.execute("UPDATE tiles SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND position = 1")
    with database.reading() as connection, pytest.raises(LedgerCorrupt, match="entry 256: tile/0/001 holds 64 bytes"):
        Tree(connection).inclusion_proof(300, 600)


@pytest.mark.parametrize(
    ("damage", "position", "bad"),
    [
        ("UPDATE entries SET leaf_hash = randomblob(32) WHERE seq = 300", 1, 300),
        ("DELETE FROM entries WHERE seq = 511", 1, 511),
        ("UPDATE tiles SET hashes = CAST(substr(hashes, 1, 64) || randomblob(32) AS BLOB) WHERE level = 1", 2, 512),
        ("UPDATE tiles SET hashes = substr(hashes, 1, 64) WHERE level = 1", 2, 512),
        ("UPDATE tiles SET hashes = (SELECT hashes FROM tiles WHERE level = 0 AND position = 1)", 0, 0),
    ],
)
def test_a_tile_that_is_not_that_of_its_entries_is_found(
    damage: str, position: int, bad: int, database: Database, raw: sqlite3.Connection
) -> None:
    fill(database, 0, 800)
    store_tiles(database, 800)
    with database.reading() as connection:
        for each in range(3):
            check_tiles(connection, each)
    raw.execute(damage)
    with database.reading() as connection, pytest.raises(LedgerCorrupt) as caught:
        check_tiles(connection, position)
    assert caught.value.seq == bad


def test_every_level_over_a_full_tile_is_checked(large: Database) -> None:
    with large.reading() as connection:
        check_tiles(connection, 255)
    with large.writing() as connection:
        connection.execute(TILES.update().where(TILES.c.level == 2).values(hashes=b"x" * 32))
        with pytest.raises(LedgerCorrupt, match="hash 0 of tile/2/000"):
            check_tiles(connection, 255)
        connection.rollback()
