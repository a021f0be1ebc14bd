"""``--as-of``: every reading command answers as it would have answered then."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from jobs.cli.past import AsOf, parsed, past_of
from jobs.cli.reading import LedgerReader
from runtime.domain.base import rfc3339
from runtime.domain.entry import Entry
from runtime.domain.errors import LedgerCorrupt
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.past import root_at
from runtime.ledger.signing import SigningKey, sign_grant
from tests.unit.cli.conftest import Installation, StandInGovernor
from tests.unit.cli.fleet import BASE, clock, story

Run = Callable[..., Result]
Answer = Callable[..., Any]

COMMANDS = (["models"], ["model", "minutes-a"], ["findings"], ["history", "--limit", "0"], ["ledger", "show", "4"])
SIZES = (9, 21, 30)
"""Sizes at which minutes-a exists and is still being told."""


@pytest.fixture(autouse=True)
def installation(home: Path) -> Iterator[Installation]:
    """The fleet's story, each of its drafts recorded a second after the one before."""
    key = SigningKey.load_or_create(home / "keys" / "governor.pem")
    with Log.open(f"sqlite:///{home / 'ledger.db'}", clock(BASE)) as log:
        writer = Writer(log, lambda grant: sign_grant(grant, key))
        for draft in story():
            ((answer,),) = writer.commit([[draft]])
            assert isinstance(answer, Receipt), answer
        yield Installation(home, writer)


@pytest.fixture
def written(installation: Installation) -> Installation:
    return installation


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """A database behind the ledger's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def cut(installation: Installation, size: int, folder: Path) -> str:
    """A copy of the ledger that ends after so many entries."""
    with closing(sqlite3.connect(installation.ledger)) as whole, raw(folder / "cut.db") as copy:
        whole.backup(copy)
        copy.execute("DELETE FROM entries WHERE seq >= ?", (size,))
    return f"sqlite:///{folder / 'cut.db'}"


def entries(installation: Installation) -> list[Entry]:
    with Log.open_read_only(installation.url) as log:
        return list(log.entries())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_past_is_told_as_by_the_ledger_that_ended_there(
    command: list[str], size: int, answer: Answer, written: Installation, tmp_path: Path
) -> None:
    then = answer(*command, "--as-of", str(size))
    assert then == answer(*command, "--database", cut(written, size, tmp_path))


def test_the_status_of_a_past_has_its_size_its_root_and_no_cluster(
    answer: Answer, written: Installation, tmp_path: Path, run: Run
) -> None:
    then, cut_short = answer("status", "--as-of", "21"), answer("status", "--database", cut(written, 21, tmp_path))
    assert then["ledger"] == cut_short["ledger"]
    assert then["fleet"] == cut_short["fleet"]
    assert then["ledger"]["root"] != answer("status")["ledger"]["root"]
    assert then["cluster"] is None
    assert "cluster" not in run("status", "--as-of", "21").stdout


@pytest.mark.parametrize("command", [["status"], *COMMANDS], ids=" ".join)
def test_the_governors_past_is_the_ledgers(
    command: list[str], answer: Answer, governed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = answer(*command, "--as-of", "21")
    asked: list[int] = []

    class Asked(StandInGovernor):
        def entries(self, since: int, limit: int) -> list[Entry]:
            asked.append(since)
            return super().entries(since, limit)

    monkeypatch.setattr("jobs.cli.reading.is_up", lambda settings: True)
    monkeypatch.setattr("jobs.cli.governed.Governed.connected", lambda settings: Asked(governed))
    assert answer(*command, "--as-of", "21") == offline
    assert asked
    assert max(asked) < 21, "nothing that came later was asked for"


def test_an_entry_of_exactly_that_time_is_in_and_a_later_one_is_not(written: Installation) -> None:
    all_of = entries(written)
    assert len({entry.time for entry in all_of}) > len(all_of) / 2
    reader = LedgerReader(written.url)
    for entry in all_of:
        past = past_of(reader, AsOf(entry.time), datetime.now(UTC))
        assert past.size() == sum(each.time <= entry.time for each in all_of)
    reader.close()


def test_between_two_entries_the_earlier_is_the_last(answer: Answer, written: Installation) -> None:
    first = entries(written)[0].time
    then = answer("history", "--limit", "0", "--as-of", rfc3339(first + timedelta(microseconds=1)))
    assert [entry["seq"] for entry in then] == [0]


def test_a_past_says_beside_its_answer_how_much_of_the_ledger_it_is(run: Run, written: Installation) -> None:
    size = written.writer.state.size
    result = run("models", "--as-of", "21", "-o", "json")
    assert result.stderr == f"as of entry 20, {rfc3339(entries(written)[20].time)}: 21 of {size} entries\n"


def test_the_present_can_be_asked_for_too(answer: Answer, written: Installation) -> None:
    assert answer("models", "--as-of", rfc3339(datetime.now(UTC))) == answer("models")
    assert answer("models", "--as-of", str(written.writer.state.size)) == answer("models")


def test_an_entry_that_came_later_is_not_there_yet(run: Run) -> None:
    result = run("ledger", "show", "30", "--as-of", "21")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no entry 30: the ledger has 21" in result.stderr


def test_a_model_that_came_later_is_unknown(run: Run) -> None:
    result = run("model", "minutes-a", "--as-of", "2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no model is named 'minutes-a'" in result.stderr


@pytest.mark.parametrize("command", [["status"], *COMMANDS], ids=" ".join)
def test_no_command_answers_of_a_moment_that_never_was(command: list[str], run: Run) -> None:
    result = run(*command, "--as-of", "99999")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "never 99,999" in result.stderr


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("soon", "'soon' is no moment"),
        ("2026-02-30", "'2026-02-30' is no moment"),
        ("2026-03-01T25:00:00Z", "is no moment"),
        ("", "is no moment"),
        ("-1", "is no moment"),
        ("0", "never 0"),
        ("9" * 5_000, "is no moment"),
        ("2026-02-28", "too early: the first entry is of 2026-03-01T12:00:00.000000Z"),
        ("2999-01-01", "2999-01-01T00:00:00.000000Z lies in the future"),
    ],
    ids=lambda text: text[:24],
)
def test_a_moment_that_never_was_is_wrong_usage(
    text: str, reason: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "8000")
    result = run("models", f"--as-of={text}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


def test_an_empty_ledger_has_no_past(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    Log.open(url, lambda: datetime.now(UTC)).close()
    for text in ("1", "2026-03-01"):
        result = run("models", "--database", url, "--as-of", text)
        assert result.exit_code == 2
        assert "it is empty" in result.stderr


def test_a_ledger_whose_clock_ran_ahead_can_be_asked_up_to_its_last_entry(written: Installation) -> None:
    last = entries(written)[-1].time
    reader = LedgerReader(written.url)
    ahead = last - timedelta(days=1)
    assert past_of(reader, AsOf(last), ahead).size() == written.writer.state.size
    with pytest.raises(typer.BadParameter, match="lies in the future"):
        past_of(reader, AsOf(last + timedelta(microseconds=1)), ahead)
    reader.close()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:05Z", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)),
        ("2026-03-01t12:00:05.25z", datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)),
        ("2026-03-01 14:00:05+02:00", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)),
        ("2026-03-01T12:00:05", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)),
        ("20260301", 20_260_301),
        ("007", 7),
    ],
)
def test_a_moment_is_a_time_a_date_or_a_size(text: str, moment: datetime | int) -> None:
    assert parsed(text) == AsOf(moment)


def test_a_past_root_is_the_same_with_tiles_and_without(written: Installation, tmp_path: Path) -> None:
    size = written.writer.state.size
    without_tiles = cut(written, size, tmp_path)
    with raw(tmp_path / "cut.db") as database:
        database.execute("DROP TABLE tiles")
    with Log.open_read_only(written.url) as log, Log.open_read_only(without_tiles) as old:
        assert root_at(log.database, size).hex() == log.root
        for count in range(size + 1):
            assert root_at(log.database, count) == root_at(old.database, count)
        with pytest.raises(ValueError, match="no ledger has -1 entries"):
            root_at(log.database, -1)


def test_a_root_of_more_entries_than_there_are_is_none(written: Installation) -> None:
    size = written.writer.state.size
    with Log.open_read_only(written.url) as log, pytest.raises(LedgerCorrupt, match="the ledger ends before it"):
        root_at(log.database, size + 1)
