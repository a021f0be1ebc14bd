"""What any C2SP client needs to follow the log (https://c2sp.org/tlog-tiles), out of the database.

    checkpoint                    the signed note, as it was published
    tile/<L>/<N>[.p/<W>]          hashes of level L, one after the other, 32 bytes each: 256, or W of them
    tile/entries/<N>[.p/<W>]      256 leaves, or W of them, each behind its length (2 bytes, big-endian)

Everything is of committed entries, most of it under the newest checkpoint. A tile of 256 never changes; a partial one
grows, and any width that it once had can be asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select

from runtime.domain.entry import Entry
from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.database import Database
from runtime.ledger.errors import EntryTooLarge, NeverHeld, NoSuchTile
from runtime.ledger.log import LogReader
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.schema import ENTRIES
from runtime.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Tree, tile_path

ENTRIES_LEVEL = "entries"
LARGEST_ENTRY_BYTES = 0xFFFF
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TileName:
    """A tile of hashes, or of the entries themselves where ``level`` is None."""

    level: int | None
    position: int
    width: int

    @classmethod
    def parse(cls, path: str) -> TileName:
        """The tile that a path names, in its one spelling. Raises ``NoSuchTile``."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise NoSuchTile(path, "expected tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>]")
        level, number, width = found.groups()
        name = cls(
            None if level == ENTRIES_LEVEL else int(level),
            int(number.replace("x", "").replace("/", "")),
            TILE_WIDTH if width is None else int(width),
        )
        if width is not None and not 1 <= name.width < TILE_WIDTH:
            raise NoSuchTile(path, f"a partial tile has 1 to {TILE_WIDTH - 1} hashes")
        if (name.level or 0) >= 64 or name.path != path:
            raise NoSuchTile(path, "levels are 0 to 63, and numbers have one spelling")
        return name

    @property
    def path(self) -> str:
        """Its spelling."""
        spelled = tile_path(self.level or 0, self.position, self.width)
        return spelled if self.level is not None else spelled.replace("tile/0/", f"tile/{ENTRIES_LEVEL}/", 1)

    @property
    def is_full(self) -> bool:
        """Whether it never changes."""
        return self.width == TILE_WIDTH

    @property
    def shows_entries(self) -> bool:
        """Whether it is of entries, not of hashes."""
        return self.level is None

    @property
    def leaves(self) -> int:
        """How many entries a ledger has at least that holds this tile."""
        return self.position * TILE_WIDTH + self.width << TILE_HEIGHT * (self.level or 0)


class Following:
    """A ledger's database as its followers read it. Safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = LogReader(database)

    def entry(self, seq: int) -> Entry:
        """One entry, its bytes checked against its hash. Raises ``NeverHeld`` and ``LedgerCorrupt``."""
        for entry in self._log.entries(max(seq, 0), 1):
            if entry.seq == seq:
                return entry
        with self._database.reading() as connection:
            raise NeverHeld(f"entry {seq}", Tree(connection).size())

    def tile(self, name: TileName) -> bytes:
        """A tile's bytes. Raises ``NeverHeld``, ``LedgerCorrupt``, and ``EntryTooLarge`` for one of entries."""
        with self._database.reading(at=name.position) as connection:
            tree = Tree(connection)
            size = tree.size()
            if name.leaves > size:
                raise NeverHeld(name.path, size)
            if name.level is not None:
                return b"".join(tree.tile(name.level, name.position, name.width))
            first = name.position * TILE_WIDTH
            query = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.leaf).order_by(ENTRIES.c.seq)
            within = query.where(ENTRIES.c.seq >= first, ENTRIES.c.seq < first + name.width)
            rows = connection.execute(within).all()
        if len(rows) < name.width:
            raise LedgerCorrupt(first, f"{len(rows)} entries where {name.path} has {name.width}")
        return b"".join(_framed(row.seq, row.leaf_hash, row.leaf) for row in rows)


def _framed(seq: int, stored: bytes, leaf: bytes) -> bytes:
    if leaf_hash(leaf) != stored:
        raise LedgerCorrupt(seq, "its bytes do not hash to its leaf hash")
    if len(leaf) > LARGEST_ENTRY_BYTES:
        raise EntryTooLarge(seq, len(leaf), LARGEST_ENTRY_BYTES)
    return len(leaf).to_bytes(2, "big") + leaf
