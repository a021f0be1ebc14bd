"""Faults between a writer and its PostgreSQL: it is stopped, it is killed, its sessions end at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Self

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.errors import LedgerHeld, LedgerUnavailable
from runtime.ledger.log import Log
from runtime.ledger.verify import verify_log
from tests.crash.cutting_proxy import CuttingProxy
from tests.crash.test_ledger_crash import FORMS, STEPS, append_into_a_fault, completed, die_at, fail
from tests.crash.test_ledger_crash import draft as numbered
from tests.postgres import PostgresServer

LEASE = timedelta(seconds=1)
PATIENCE = timedelta(seconds=30)
ENDINGS = 40

# Writes numbers from 0 on, one a transaction, and reports "<number> <seq>" for each one acknowledged,
# until it is killed or refused; then it says why.
WRITER = """
import os, sys
from datetime import UTC, datetime, timedelta
from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.errors import LedgerError
from runtime.ledger.log import Log

log = Log.open(sys.argv[1], lambda: datetime.now(UTC), lease=timedelta(seconds=float(sys.argv[2])))
number = 0
try:
    while True:
        (entry,) = log.append([Draft(ModelSuspended(model="m", reason="r"), "old", f"old-{number}")])
        os.write(1, f"{number} {entry.seq}\\n".encode())
        number += 1
except LedgerError as error:
    os.write(1, f"{type(error).__name__} {error}\\n".encode())
"""


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def writer(url: str, root: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A writer in a process of its own, that has written something."""
    lease = getattr(request, "param", LEASE)
    arguments = [sys.executable, "-c", WRITER, url, str(lease.total_seconds())]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0 0\n"
        yield process
        process.kill()


def acknowledged_by(writer: subprocess.Popen[str]) -> tuple[dict[int, int], str]:
    """What it was promised since its first entry, and its last words."""
    assert writer.stdout is not None
    promised, words = {0: 0}, ""
    for line in writer.stdout:
        first, rest = line.split(maxsplit=1)
        if first.isdigit():
            promised[int(first)] = int(rest)
        else:
            words = line
    return promised, words


def draft(number: int, who: str = "new") -> Draft:
    return Draft(ModelSuspended(model="m", reason="r"), who, f"{who}-{number}")


def test_a_writer_paused_past_its_lease_is_replaced_and_refused_when_it_wakes(
    url: str, writer: subprocess.Popen[str]
) -> None:
    os.kill(writer.pid, signal.SIGSTOP)
    with Log.open(url, now, patience=PATIENCE) as log:
        taken_at = log.size
        log.append([draft(0)])
        os.kill(writer.pid, signal.SIGCONT)
        promised, words = acknowledged_by(writer)
        assert words.startswith(("LedgerHeld", "LedgerUnavailable"))
        log.append([draft(1)])
        assert [entry.event_id for entry in log.entries(since=taken_at)] == ["new-0", "new-1"]
        _expect(log, {f"old-{number}": seq for number, seq in promised.items()})
    assert verify_log(url).size == taken_at + 2


@pytest.mark.parametrize("writer", [timedelta(minutes=10)], indirect=True)
def test_a_killed_writer_is_replaced_at_once_however_long_its_lease(url: str, writer: subprocess.Popen[str]) -> None:
    with pytest.raises(LedgerHeld, match=f"process {writer.pid}"):
        Log.open(url, now)
    writer.kill()
    with Log.open(url, now, patience=PATIENCE) as log:
        promised, _ = acknowledged_by(writer)
        _expect(log, {f"old-{number}": seq for number, seq in promised.items()})
        log.append([draft(0)])
    assert verify_log(url).size >= len(promised) + 1


def test_sessions_that_end_at_any_moment_lose_no_acknowledged_entry_and_double_none(
    url: str, postgres: PostgresServer
) -> None:
    chance, promised, failures = random.Random(9162), dict[str, int](), 0
    with Log.open(url, now) as log, _ending_sessions(postgres, chance) as endings:
        number = 0
        while endings.goes_on:
            drafts = [draft(each) for each in range(number, number + chance.choice([1, 1, 3, 40]))]
            try:
                answers = log.append(drafts)
            except LedgerHeld:
                raise
            except LedgerUnavailable:
                failures += 1
                continue  # the same drafts, or others with some of them: a caller may send what it likes again
            promised |= {entry.event_id: entry.seq for entry in answers}
            number += len(drafts)
    assert failures > ENDINGS / 4
    assert sorted(promised.values()) == list(range(len(promised)))
    with Log.open(url, now) as log:
        _expect(log, promised)
        assert [int(entry.event_id.removeprefix("new-")) for entry in log.entries()] == list(range(log.size))
        assert verify_log(url).root == log.root


def test_of_writers_who_take_the_ledger_from_each_other_each_keeps_what_it_was_promised(
    url: str, postgres: PostgresServer
) -> None:
    """Sessions end at random, so that each finds the other's tie to its epoch gone before its lease is."""
    promised, epochs = dict[str, int](), list[int]()
    with _ending_sessions(postgres, random.Random(6962)) as endings:

        def write(who: str) -> None:
            number = 0
            while endings.goes_on:
                try:
                    with Log.open(url, now, lease=LEASE, patience=PATIENCE) as log:
                        epochs.append(log.epoch)
                        while endings.goes_on:
                            (entry,) = log.append([draft(number, who)])
                            promised[entry.event_id] = entry.seq
                            number += 1
                except LedgerUnavailable:
                    continue

        threads = [threading.Thread(target=write, args=[who]) for who in ("ada", "bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(epochs)) == len(epochs) > 2
    with Log.open(url, now) as log:
        _expect(log, promised)
        assert verify_log(url).root == log.root


# --- one fault at one step, in both forms ----------------------------------------------------------


@pytest.mark.parametrize("step", [step for step in STEPS if step != "BEGIN"])  # which goes with the first statement
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_fault_at_any_step_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, step: str, form: str, restart: bool
) -> None:
    batch = [draft(number) for number in range(2, 5)]
    log = Log.open(url, now)
    log.append([draft(0), draft(1)])
    with pytest.raises(OSError, match="injected"):
        append_into_a_fault(log, batch, step, persisted=bool(FORMS[form]), fault=fail)
    if restart:
        log.close()
        log = Log.open(url, now)
    with log:
        assert log.size == 2 + STEPS[step][FORMS[form]]
        assert [entry.seq for entry in log.append([*batch, draft(5)])] == [2, 3, 4, 5]
        assert verify_log(url).root == log.root


@pytest.mark.parametrize("step", [step for step in STEPS if step != "BEGIN"])
@pytest.mark.parametrize("form", FORMS)
def test_a_death_at_any_step_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, root: Path, step: str, form: str
) -> None:
    die_at(step, form, url, root)
    with Log.open(url, now, patience=PATIENCE) as log:
        assert log.size == 2 + STEPS[step][FORMS[form]]
        completed(log, [numbered(number) for number in range(2, 5)], url)


@pytest.mark.parametrize(("when", "standing"), [("before", 0), ("after", 3)])
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_connection_cut_at_commit_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, postgres: PostgresServer, when: Literal["before", "after"], standing: int, restart: bool
) -> None:
    batch = [draft(number) for number in range(2, 5)]
    with CuttingProxy(postgres.port) as proxy:
        through = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        log = Log.open(through, now, lease=timedelta(minutes=10))
        log.append([draft(0), draft(1)])
        proxy.arm(when)
        with pytest.raises(LedgerUnavailable):
            log.append(batch)
        assert proxy.cuts == 1
        if restart:
            log.close()
            log = Log.open(through, now, patience=PATIENCE)
        with log:
            assert [entry.seq for entry in log.append([draft(5)])] == [2 + standing]
            assert [entry.event_id for entry in log.append(batch)] == [each.event_id for each in batch]
            assert log.size == 6
            assert verify_log(url).root == log.root


# --- the one who ends sessions ---------------------------------------------------------------------


@dataclass
class _Endings:
    server: PostgresServer
    chance: random.Random
    goes_on: bool = True
    thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join()

    def _run(self) -> None:
        for _ in range(ENDINGS):
            time.sleep(self.chance.uniform(0, 0.1))  # the random moment
            self.server.end_sessions()
        self.goes_on = False


def _ending_sessions(server: PostgresServer, chance: random.Random) -> _Endings:
    return _Endings(server, chance)


def _expect(log: Log, promised: dict[str, int]) -> None:
    """Every promise is kept: the entry stands where it was said to stand, and nowhere else."""
    standing: dict[str, list[int]] = {}
    for entry in log.entries():
        standing.setdefault(entry.event_id, []).append(entry.seq)
    assert {event_id: standing.get(event_id) for event_id in promised} == {
        event_id: [seq] for event_id, seq in promised.items()
    }
