"""Tables move forward with the code, and never under a writer."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from runtime.domain.entry import Draft
from runtime.ledger import migrations
from runtime.ledger.errors import LedgerHeld, LedgerNewer, LedgerOlder, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.proofs import Proofs
from runtime.ledger.schema import METADATA
from runtime.ledger.verify import verify_log
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock

MakeDraft = Callable[..., Draft]
LATER_TABLES = ("tiles", "checkpoints", "leases", "snapshots")


@pytest.fixture
def url(database_url: str) -> str:
    """Every law of this file holds on every kind of database."""
    return database_url


@pytest.fixture
def old(url: str, clock: ManualClock, draft: MakeDraft, behind: Behind) -> str:
    """The root of a ledger as it was before there were migrations: one table, three entries."""
    with Log.open(url, clock) as log:
        log.append([draft(number) for number in range(3)])
        root = log.root
    for name in (*LATER_TABLES, migrations.VERSION_TABLE):
        behind.execute(f"DROP TABLE {name}")
    return root


def test_the_revisions_known_here_are_those_that_there_are() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == migrations.REVISIONS
    assert scripts.get_current_head() == migrations.HEAD


def test_migrations_make_the_very_tables_that_the_code_speaks_of(log: Log) -> None:
    with log.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert migrations.version_of(connection) == migrations.HEAD


def test_a_ledger_from_before_there_were_migrations_is_adopted(
    url: str, old: str, clock: ManualClock, draft: MakeDraft
) -> None:
    with Log.open(url, clock) as log:
        assert (log.size, log.root) == (3, old)
        assert [entry.seq for entry in log.append([draft(2), draft(3)])] == [2, 3]
        with log.database.reading() as connection:
            assert {*LATER_TABLES} < {*inspect(connection).get_table_names()}
            assert migrations.version_of(connection) == migrations.HEAD
    assert verify_log(url, expected_size=3, expected_root=old).size == 4


def test_a_ledger_from_before_there_were_migrations_is_read_as_it_is(url: str, old: str, behind: Behind) -> None:
    with Log.open_read_only(url) as reader:
        assert reader.root == old
    assert verify_log(url).root == old


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(
    url: str, clock: ManualClock, draft: MakeDraft, behind: Behind
) -> None:
    with Log.open(url, clock) as log:
        log.append([draft(0)])
    behind.execute("UPDATE alembic_version SET version_num = '9999'")
    openings: list[Callable[[], object]] = [
        lambda: Log.open(url, clock),
        lambda: Log.open_read_only(url),
        lambda: verify_log(url),
    ]
    for opening in openings:
        with pytest.raises(LedgerNewer, match=rf"revision 9999.*known here: {migrations.HEAD}"):
            opening()
    assert behind.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    behind.execute("UPDATE alembic_version SET version_num = ?", [migrations.HEAD])
    with Log.open(url, clock) as log:
        assert log.epoch == 2  # a refused opening takes no lease


def test_no_table_is_moved_under_a_living_writer(url: str, log: Log, clock: ManualClock, behind: Behind) -> None:
    behind.execute("UPDATE alembic_version SET version_num = '0001'")
    behind.execute("DROP TABLE snapshots")
    with pytest.raises(LedgerHeld):
        Log.open(url, clock)
    assert behind.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


def test_a_migration_that_fails_leaves_nothing(
    url: str, old: str, clock: ManualClock, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise OSError("injected")

    monkeypatch.setattr("runtime.ledger.lease.take", failing)
    with pytest.raises(OSError, match="injected"):
        Log.open(url, clock)
    monkeypatch.undo()
    with Log.open_read_only(url) as reader, reader.database.reading() as connection:
        assert inspect(connection).get_table_names() == ["entries"]
    with Log.open(url, clock) as log:
        assert log.root == old


def test_ledgers_are_opened_in_many_threads_at_once(tmp_path: Path, clock: ManualClock) -> None:
    """Alembic keeps its context in a module."""
    sizes = []

    def open_one(number: int) -> None:
        with Log.open(f"sqlite:///{tmp_path / f'{number}.sqlite'}", clock) as log:
            sizes.append(log.size)

    threads = [threading.Thread(target=open_one, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [0] * 8


def test_a_ledger_whose_tables_are_older_is_read_as_far_as_it_goes_and_says_what_to_do(
    url: str, old: str, clock: ManualClock
) -> None:
    with Log.open_read_only(url) as reader:
        assert (reader.size, reader.root) == (3, old)
        with pytest.raises(LedgerOlder, match=r"made by an earlier Fleetward .*checkpoints.*fleetward up") as refused:
            Proofs(reader.database).inclusion(0)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.missing) == (str(refused.value), refused.value.missing)
    Log.open(url, clock).close()
    with Log.open_read_only(url) as reader:
        assert Proofs(reader.database).inclusion(0).holds()


def test_another_programs_database_is_no_ledger(url: str, clock: ManualClock, behind: Behind) -> None:
    behind.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, title TEXT)")
    with pytest.raises(LedgerUnavailable, match=r"holds no ledger: .*another program \(no column seq, event_id"):
        Log.open_read_only(url)
