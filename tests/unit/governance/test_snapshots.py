"""Snapshots: a governor starts from one that fits its log, and from the entries alone where none does."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.domain import events as e
from runtime.domain.entry import Draft, Entry
from runtime.domain.fold import fold
from runtime.domain.state import FleetState
from runtime.governance import images
from runtime.governance.snapshots import Snapshots, secret_of
from runtime.governance.writer import Receipt, Writer
from runtime.ledger import snapshots as stored
from runtime.ledger.database import Database
from runtime.ledger.errors import LedgerFull
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from tests.unit.domain.lives import MONDAY, a_finding, a_spec, applied, declared, evaluated, registered

EVERY = 4
ADDED = "INSERT INTO snapshots (size, root, format, digest, state) VALUES (?, ?, ?, ?, ?)"


class House:
    """A ledger in a folder whose writer is started again and again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.sqlite"
        self.key = SigningKey.load_or_create(folder / "key")
        self.told = 0

    @contextmanager
    def writer(self, key: SigningKey | None = None) -> Iterator[Writer]:
        """A started writer; the state it started with is what the entries fold into."""
        with Log.open(f"sqlite:///{self.path}", lambda: MONDAY) as log:
            snapshots = Snapshots(log, secret_of(key or self.key), every=EVERY)
            writer = Writer(log, lambda grant: sign_grant(grant, self.key), snapshots)
            assert writer.state == fold(log.entries())
            yield writer
            snapshots.settle()
            assert writer.state == fold(log.entries())

    def tell(self, writer: Writer, count: int) -> None:
        """So many findings, each with its verdict, one commit after another."""
        for _ in range(count):
            self.told += 1
            finding = a_finding(f"finding-{self.told}", as_of=MONDAY + timedelta(days=self.told))
            self.record(writer, finding, "service:monitor")

    def record(self, writer: Writer, event: e.Event, by: str = "job:train") -> None:
        ((answer,),) = writer.commit([[Draft.fresh(event, by)]])
        assert isinstance(answer, Receipt), answer
        assert writer._snapshots is not None
        writer._snapshots.settle()

    def sizes(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as raw:
            return [size for (size,) in raw.execute("SELECT size FROM snapshots ORDER BY size")]

    def change(self, statement: str, *values: object) -> None:
        """Behind the ledger's back."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            assert raw.execute(statement, values).rowcount > 0


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A ledger of a model with a version, told in a few links."""
    house = House(tmp_path)
    with house.writer() as writer:
        for event in (applied(a_spec()), declared(), registered(), evaluated()):
            house.record(writer, event)
        house.tell(writer, 8)
    assert len(house.sizes()) >= 3
    return house


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the entries that were read to fold them."""
    seen: list[int] = []
    entries = Log.entries

    def counted(log: Log, since: int = 0, *rest: object) -> Iterator[Entry]:
        seen.append(since)
        return entries(log, since, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Log, "entries", counted)
    return seen


def test_a_start_folds_only_what_came_after_the_newest_snapshot(house: House, read: list[int]) -> None:
    newest = house.sizes()[-1]
    with house.writer():
        assert read[0] == newest > 0


def test_snapshots_are_written_every_so_many_entries(house: House) -> None:
    assert all(later - earlier >= EVERY for earlier, later in zip(house.sizes(), house.sizes()[1:], strict=False))
    with house.writer() as writer:
        assert writer.state.size - house.sizes()[-1] < EVERY + 2


def test_a_writer_goes_on_with_the_chain_it_found(house: House, read: list[int]) -> None:
    for _ in range(3):
        with house.writer() as writer:
            house.tell(writer, 3)
    assert len(house.sizes()) > 3
    read.clear()
    with house.writer():
        assert read[0] == house.sizes()[-1]


def test_a_chain_of_mostly_outdated_lines_is_written_anew(house: House) -> None:
    lengths = []
    with house.writer() as writer:
        for number in range(15):
            event = e.ModelSuspended if number % 2 == 0 else e.ModelResumed
            for _ in range(EVERY - 1):
                house.record(writer, e.WatermarkAdvanced(until=MONDAY + timedelta(days=number)), "service:operator")
            house.record(writer, event(model="flight-time-UA", reason="often"), "user:ada")
            lengths.append(len(house.sizes()))
    assert sorted(lengths) != lengths
    assert max(lengths) < 15


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE snapshots SET state = substr(state, 2) WHERE size = ?", "damaged"),
        ("UPDATE snapshots SET state = zeroblob(length(state)) WHERE size = ?", "damaged"),
        ("UPDATE snapshots SET digest = zeroblob(32) WHERE size = ?", "damaged"),
        ("UPDATE snapshots SET root = zeroblob(32) WHERE size = ?", "damaged"),
        ("UPDATE snapshots SET format = 'other' WHERE size = ?", "other code"),
        ("UPDATE snapshots SET size = size + 1000 WHERE size = ?", "longer than the log"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_snapshot_that_cannot_be_believed_is_dropped_with_those_after_it(
    damage: str, reason: str, place: int, house: House, read: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    sizes = house.sizes()
    house.change(damage, sizes[place])
    good = [0, *sizes][: sizes.index(sizes[place]) + 1]
    if "1000" in damage and place != -1:
        reason = "damaged"  # the link that follows comes first now
    with caplog.at_level(logging.WARNING), house.writer() as writer:
        assert read[0] == good[-1]
        assert house.sizes() == good[1:]
        house.tell(writer, EVERY)
    assert reason in caplog.text
    assert len(house.sizes()) > len(good) - 1, "it is made again"


def test_a_link_taken_out_of_the_chain_is_noticed(house: House, read: list[int]) -> None:
    sizes = house.sizes()
    house.change("DELETE FROM snapshots WHERE size = ?", sizes[1])
    with house.writer():
        assert read[0] == sizes[0]


def test_a_snapshot_of_another_log_does_not_fit(house: House, tmp_path: Path, read: list[int]) -> None:
    """The same key, a longer life, other entries: an older database put back beside newer snapshots, say."""
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other")
    other.key, other.told = house.key, 100
    with other.writer() as writer:
        for event in (applied(a_spec()), declared(), registered(), evaluated()):
            other.record(writer, event)
        other.tell(writer, 9)
    with closing(sqlite3.connect(other.path)) as raw:
        rows = raw.execute("SELECT size, root, format, digest, state FROM snapshots").fetchall()
    house.change("DELETE FROM snapshots")
    for row in rows:
        house.change(ADDED, *row)
    read.clear()
    with house.writer():
        assert read[0] == 0
        assert house.sizes() == []


def test_a_snapshot_under_another_key_is_not_believed(house: House, tmp_path: Path, read: list[int]) -> None:
    with house.writer(SigningKey.load_or_create(tmp_path / "another")):
        assert read[0] == 0


def test_a_forged_state_is_not_believed_even_with_a_digest_that_fits_its_bytes(house: House, read: list[int]) -> None:
    with closing(sqlite3.connect(house.path)) as raw:
        row = raw.execute("SELECT size, root, format, digest, state FROM snapshots ORDER BY size LIMIT 1").fetchone()
    link = stored.Link(*row)
    content = link.content().replace(b'"risk_tier":"low"', b'"risk_tier":"high"')
    assert content != link.content()
    forged = stored.Link.sealed(
        content, size=link.size, root=link.root, made_by=link.format, before=stored.FIRST, secret=b"a guess"
    )
    house.change("UPDATE snapshots SET state = ?, digest = ? WHERE size = ?", forged.state, forged.digest, link.size)
    with house.writer():
        assert read[0] == 0


def test_a_change_of_the_code_makes_old_snapshots_worthless(
    house: House, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.governance.snapshots.FORMAT", "of tomorrow")
    with house.writer() as writer:
        assert read[0] == 0
        house.tell(writer, EVERY)
    assert house.sizes()


def test_the_format_is_of_the_code_of_events_and_fold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert images._format() == images.FORMAT
    (tmp_path / "fold.py").write_text("another fold")
    monkeypatch.setattr("runtime.domain.__path__", [str(tmp_path)])
    assert images._format() != images.FORMAT


def test_a_snapshot_that_cannot_be_read_is_made_again(house: House, read: list[int]) -> None:
    secret = secret_of(house.key)
    with closing(sqlite3.connect(house.path)) as raw:
        (size, root), *_ = raw.execute("SELECT size, root FROM snapshots ORDER BY size").fetchall()
    for content in (b"", b"no tab", b"rest\t{}", b"rest\t[\nskipped\t[]", b'rest\t{"size":"x"}\nskipped\t[]'):
        link = stored.Link.sealed(
            content, size=size, root=root, made_by=images.FORMAT, before=stored.FIRST, secret=secret
        )
        house.change("DELETE FROM snapshots")
        house.change(ADDED, *link)
        read.clear()
        with house.writer() as writer:
            assert read[0] == 0
            house.tell(writer, EVERY)
        assert house.sizes()


def test_a_commit_does_not_wait_for_the_snapshot(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    release, begun = threading.Event(), threading.Event()
    changes = images.changes

    def held(*arguments: images.Image) -> Iterator[bytes]:
        begun.set()
        assert release.wait(30)
        yield from changes(*arguments)

    with house.writer() as writer:
        assert writer._snapshots is not None
        monkeypatch.setattr("runtime.governance.snapshots.changes", held)
        before = house.sizes()
        for number in range(3 * EVERY):
            writer.commit([[Draft.fresh(a_finding(f"late-{number}"), "service:monitor")]])
        assert begun.wait(30)
        assert house.sizes() == before
        release.set()
        writer._snapshots.settle()
        assert len(house.sizes()) == len(before) + 1


def test_a_snapshot_that_cannot_be_written_hurts_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, read: list[int]
) -> None:
    """Failed and not persisted; failed, but persisted all the same."""
    add = stored.add
    for persisted in (False, True):

        def fails(database: Database, link: stored.Link, persisted: bool = persisted) -> None:
            if persisted:
                add(database, link)
            raise LedgerFull("sqlite:///x", "no space left")

        with house.writer() as writer:
            monkeypatch.setattr(stored, "add", fails)
            house.tell(writer, EVERY)
            assert "no snapshot of" in caplog.text
            monkeypatch.setattr(stored, "add", add)
            house.tell(writer, EVERY)
            newest = house.sizes()[-1]
        read.clear()
        with house.writer():
            assert read[0] == newest


def test_a_batch_that_was_not_written_is_forgotten_by_the_state(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with house.writer() as writer:
        size = writer.state.size

        def full(*_: object, **__: object) -> None:
            raise LedgerFull("sqlite:///x", "no space left")

        with monkeypatch.context() as patch:
            patch.setattr(Log, "append", full)
            with pytest.raises(LedgerFull):
                writer.commit([[Draft.fresh(a_finding("never"), "service:monitor")]])
        assert writer.state.size == size
        assert "never" not in writer.state.findings
        house.tell(writer, EVERY)


def test_findings_are_a_dictionary_that_decodes_late(house: House) -> None:
    with house.writer() as writer:
        found = writer.state.findings
        assert isinstance(found, images.Findings)
        plain = fold(writer._log.entries()).findings
        assert found == plain
        assert plain == found
        assert [*found.values()] == [*plain.values()]
        assert len(found) == len(plain)
        first = next(iter(found))
        del found[first]
        assert first not in found
        writer._state = fold(writer._log.entries())


def test_an_empty_ledger_starts_empty(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.writer() as writer:
        assert writer.state == FleetState()
    assert house.sizes() == []
