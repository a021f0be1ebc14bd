"""Faults under the writer: kill -9 at any moment, and each step that fails, or dies, with and without its effect.

kill -9 takes the process and not the machine, which ``test_power_loss`` takes.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.errors import LedgerHeld
from runtime.ledger.log import Log
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.merkle import root as root_of
from runtime.ledger.verify import verify_log

KILLS = 200
KILLS_OF_ONE_LEDGER = 25
LONGEST_LIFE_S = 0.12

# Imports once and then forks writers, so that a kill costs no second start of Python. Each line on stdin is
# "<url> <first number> <callers>": a writer opens the ledger and commits numbers from there on for so many callers,
# and each of them reports "<number> <seq>" once it is answered. A writer takes the ledger after the fork, so that
# nobody else holds its lock.
NURSERY = """
import asyncio, os, sys
from datetime import UTC, datetime
from itertools import count
from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.group_commit import GroupCommit
from runtime.ledger.log import Log

def draft(number):
    return Draft(ModelSuspended(model="m", reason="x" * (number * 37 % 300)), "ada", f"event-{number}")

async def write(log, numbers, callers):
    async def caller():
        for number in numbers:
            entry = await group.submit(draft(number))
            os.write(1, f"{number} {entry.seq}\\n".encode())
    async with GroupCommit(log.append) as group:
        await asyncio.gather(*(caller() for _ in range(callers)))

for line in sys.stdin:
    url, first, callers = line.split()
    child = os.fork()
    if child == 0:
        log = Log.open(url, lambda: datetime.now(UTC))
        os.write(1, b"open\\n")
        asyncio.run(write(log, count(int(first)), int(callers)))
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


class Nursery:
    """Gives birth to writers and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def born(self, order: str) -> int:
        """The pid of a writer that carries this line out."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        self._said: list[str] = []
        while not (line := self._line()).startswith("pid"):
            self._said.append(line)  # the child may speak first
        return int(line.split()[1])

    def until(self, word: str) -> None:
        """Wait for the writer to say this."""
        while word not in self._said:
            assert "dead" not in self._said, "the writer ended by itself"
            self._said.append(self._line())

    def killed(self, pid: int) -> list[list[str]]:
        """kill -9; what the writer had said by then, in words."""
        os.kill(pid, signal.SIGKILL)
        self.until("dead")
        return [line.split() for line in self._said if line not in {"open", "dead"}]

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery is gone"
        return line.strip()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@contextmanager
def nursed(code: str, root: Path) -> Iterator[Nursery]:
    """A nursery that runs this code."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True, env=environment, cwd=root
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def nursery(root: Path) -> Iterator[Nursery]:
    with nursed(NURSERY, root) as started:
        yield started


@pytest.mark.parametrize("ledger", range(KILLS // KILLS_OF_ONE_LEDGER))
def test_kill_9_loses_no_acknowledged_entry_and_doubles_none(nursery: Nursery, url: str, ledger: int) -> None:
    chance = random.Random(ledger)
    acknowledged: dict[int, int] = {}
    for kill in range(KILLS_OF_ONE_LEDGER):
        # Begin a little before the last acknowledged number: a retry must not write again.
        first = max(0, max(acknowledged, default=0) - chance.randrange(20))
        writer = nursery.born(f"{url} {first} {chance.choice([1, 8, 64])}")
        if kill % 5:  # each fifth dies while it opens the ledger, or soon after
            nursery.until("open")
        time.sleep(chance.uniform(0, LONGEST_LIFE_S))
        answers = {int(number): int(seq) for number, seq in nursery.killed(writer)}
        again = answers.keys() & acknowledged.keys()
        assert {number: answers[number] for number in again} == {number: acknowledged[number] for number in again}
        acknowledged |= answers
        if acknowledged:
            assert verify_log(url).size > max(acknowledged.values())
    with Log.open(url, lambda: datetime.now(UTC)) as log:
        numbers = [int(entry.event_id.removeprefix("event-")) for entry in log.entries()]
        assert numbers == list(range(log.size))
        assert acknowledged == {number: number for number in acknowledged}
        assert len(acknowledged) > KILLS_OF_ONE_LEDGER
        assert log.root == verify_log(url).root


def test_a_killed_writer_leaves_the_ledger_to_the_next(nursery: Nursery, url: str) -> None:
    writer = nursery.born(f"{url} 0 1")
    nursery.until("open")
    with pytest.raises(LedgerHeld, match=f"process {writer}"):
        Log.open(url, lambda: datetime.now(UTC))
    nursery.killed(writer)
    Log.open(url, lambda: datetime.now(UTC)).close()


# --- one fault at one step, in both forms ----------------------------------------------------------


def draft(number: int) -> Draft:
    return Draft(ModelSuspended(model="m", reason="drift"), "ada", f"event-{number}")


def fail(connection: object) -> None:
    raise OSError("injected")


def die(connection: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# step: how many of the three entries stand when it ends in a fault without its effect, and with its effect
STEPS = {"BEGIN": (0, 0), "the lease": (0, 0), "INSERT": (0, 0), "COMMIT": (0, 3), "the answer": (3, 3)}
FORMS = {"failed and not persisted": 0, "failed but persisted": 1}
STATEMENTS = {"BEGIN": "BEGIN IMMEDIATE", "the lease": "SELECT epoch"}


def broken(log: Log, step: str, *, persisted: bool, fault: Callable[[object], None]) -> Callable[[], None]:
    """Let the fault happen at a step of the next append, before or after its effect; call the result to end it."""
    dialect = log._database.engine.dialect
    name = {"INSERT": "do_executemany", "COMMIT": "do_commit"}.get(step, "do_execute")
    real: Callable[..., None] = getattr(dialect, name)

    def injected(*arguments: Any, **named: Any) -> None:
        if step in STATEMENTS and not arguments[1].startswith(STATEMENTS[step]):
            real(*arguments, **named)
            return
        if persisted:
            real(*arguments, **named)
        fault(arguments[0])

    setattr(dialect, name, injected)
    return lambda: setattr(dialect, name, real)


def append_into_a_fault(log: Log, batch: list[Draft], step: str, *, persisted: bool, fault: Any) -> None:
    if step == "the answer":  # the entries stand, and the caller does not hear of it
        log.append(batch)
        fault(log)
    repaired = broken(log, step, persisted=persisted, fault=fault)
    try:
        log.append(batch)
    finally:
        repaired()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_fault_at_any_step_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, step: str, form: str, restart: bool
) -> None:
    batch = [draft(number) for number in range(2, 5)]
    log = Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    log.append([draft(0), draft(1)])
    with pytest.raises(OSError, match="injected"):
        append_into_a_fault(log, batch, step, persisted=bool(FORMS[form]), fault=fail)
    if restart:
        log.close()
        log = Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with log:
        assert log.size == 2 + STEPS[step][FORMS[form]]
        completed(log, batch, url)


def die_at(step: str, form: str, url: str, root: Path) -> None:
    """In a process of its own: a writer of two entries is killed at a step of the next three."""
    code = """
import sys
from datetime import UTC, datetime
from runtime.ledger.log import Log
from tests.crash.test_ledger_crash import append_into_a_fault, die, draft
log = Log.open(sys.argv[1], lambda: datetime(2026, 1, 1, tzinfo=UTC))
log.append([draft(0), draft(1)])
append_into_a_fault(log, [draft(n) for n in range(2, 5)], sys.argv[2], persisted=sys.argv[3] == "1", fault=die)
"""
    command = [sys.executable, "-c", code, url, step, str(FORMS[form])]
    ended = subprocess.run(command, check=False, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("form", FORMS)
def test_a_death_at_any_step_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, root: Path, step: str, form: str
) -> None:
    die_at(step, form, url, root)
    with Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC)) as log:
        assert log.size == 2 + STEPS[step][FORMS[form]]
        completed(log, [draft(number) for number in range(2, 5)], url)


def completed(log: Log, batch: list[Draft], url: str) -> None:
    """The same batch again, and one more: each stands once, in order, under the root of exactly these."""
    assert [entry.seq for entry in log.append(batch)] == [2, 3, 4]
    assert [entry.seq for entry in log.append([draft(5)])] == [5]
    assert log.root == root_of(leaf_hash(entry.leaf()) for entry in log.entries()).hex()
    assert verify_log(url).root == log.root


def test_a_writer_in_doubt_does_not_take_a_strangers_entries_for_its_own(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC)) as log:
        log.append([draft(0)])
        dialect = log._database.engine.dialect

        def failing(_connection: object) -> None:
            raise OSError("injected")

        monkeypatch.setattr(dialect, "do_commit", failing)
        with pytest.raises(OSError, match="injected"):
            log.append([draft(1)])
        monkeypatch.undo()
        with log._database.engine.connect() as connection:
            connection.exec_driver_sql("INSERT INTO entries SELECT 1, 'x', time, kind, leaf_hash, leaf FROM entries")
            connection.commit()
        for _ in range(2):
            with pytest.raises(LedgerHeld, match="not all of this writer"):
                log.append([draft(1)])
