"""Faults under the writer: kill -9 at any moment, and a COMMIT that fails, with and without effect.

kill -9 takes the process and not the machine: what these tests cannot show is that the disk keeps what
fsync promised. The setting that asks for it (synchronous=FULL) is a unit test.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.errors import LedgerHeld
from runtime.ledger.log import Log
from runtime.ledger.merkle import leaf_hash, root
from runtime.ledger.verify import verify_log

KILLS = 10

# Imports once and then forks writers, so that a kill costs no second start of Python. Each line on stdin is
# "<first number> <batch>": a writer appends numbers from there on and reports "<number> <seq>" for each one
# acknowledged. A writer takes the ledger after the fork, so that nobody else holds its lock.
NURSERY = """
import os, sys
from datetime import UTC, datetime
from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.log import Log

def draft(number):
    return Draft(ModelSuspended(model="m", reason="x" * (number * 37 % 300)), "ada", f"event-{number}")

def write(url, number, batch):
    log = Log.open(url, lambda: datetime.now(UTC))
    while True:
        entries = log.append([draft(n) for n in range(number, number + batch)])
        lines = "".join(f"{e.event_id.removeprefix('event-')} {e.seq}\\n" for e in entries)
        os.write(1, lines.encode())
        number += batch

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        write(sys.argv[1], *map(int, line.split()))
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def nursery(url: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    arguments = [sys.executable, "-c", NURSERY, url]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=root) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run_and_kill(nursery: subprocess.Popen[str], first: int, batch: int, delay: float) -> dict[int, int]:
    """Let a writer write for ``delay`` seconds after its first acknowledgement; what it acknowledged."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{first} {batch}\n")
    nursery.stdin.flush()
    child, acknowledged = None, dict[int, int]()
    while child is None or not acknowledged:  # the two may come in either order
        child = _note(nursery.stdout.readline(), acknowledged) or child
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    for line in iter(nursery.stdout.readline, "dead\n"):
        _note(line, acknowledged)
    return acknowledged


def _note(line: str, acknowledged: dict[int, int]) -> int | None:
    assert line, "the writer ended by itself"
    word, number = line.split()
    if word == "pid":
        return int(number)
    acknowledged[int(word)] = int(number)
    return None


def test_kill_9_loses_no_acknowledged_entry_and_doubles_none(nursery: subprocess.Popen[str], url: str) -> None:
    chance = random.Random(9162)
    acknowledged: dict[int, int] = {}
    for _ in range(KILLS):
        # Begin a little before the last acknowledged number: a retry must not write again.
        first = max(0, max(acknowledged, default=0) - chance.randrange(20))
        batch = chance.choice([1, 1, 3, 40])
        answers = run_and_kill(nursery, first, batch, delay=chance.uniform(0, 0.15))
        assert {number: acknowledged[number] for number in answers.keys() & acknowledged.keys()} == {
            number: answers[number] for number in answers.keys() & acknowledged.keys()
        }
        acknowledged |= answers
        assert verify_log(url).size > max(acknowledged.values())
    with Log.open(url, lambda: datetime.now(UTC)) as log:
        numbers = [int(entry.event_id.removeprefix("event-")) for entry in log.entries()]
        assert numbers == list(range(log.size))
        assert acknowledged == {number: number for number in range(max(acknowledged) + 1)}
        assert log.root == verify_log(url).root


def test_a_killed_writer_leaves_the_ledger_to_the_next(nursery: subprocess.Popen[str], url: str) -> None:
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("0 1\n")
    nursery.stdin.flush()
    lines = [nursery.stdout.readline() for _ in range(3)]
    (child,) = (int(line.split()[1]) for line in lines if line.startswith("pid"))
    with pytest.raises(LedgerHeld, match=f"process {child}"):
        Log.open(url, lambda: datetime.now(UTC))
    os.kill(child, signal.SIGKILL)
    for _ in iter(nursery.stdout.readline, "dead\n"):
        pass
    Log.open(url, lambda: datetime.now(UTC)).close()


# --- one fault at one step, in both forms ----------------------------------------------------------


def draft(number: int) -> Draft:
    return Draft(ModelSuspended(model="m", reason="drift"), "ada", f"event-{number}")


FAULTS = {
    # step: (method of the dialect, whether the step is done before the fault is reported, entries that stand)
    "insert failed": ("do_executemany", False, 0),
    "insert done, then failed": ("do_executemany", True, 0),
    "commit failed": ("do_commit", False, 0),
    "commit done, then failed": ("do_commit", True, 3),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_fault_at_any_step_leaves_all_of_the_batch_or_nothing_and_a_retry_completes_it(
    url: str, monkeypatch: pytest.MonkeyPatch, fault: str, restart: bool
) -> None:
    method, done_before, standing = FAULTS[fault]
    batch = [draft(number) for number in range(2, 5)]
    log = Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    log.append([draft(0), draft(1)])
    dialect = log._database.engine.dialect
    step = getattr(dialect, method)

    def failing(*arguments: Any, **named: Any) -> None:
        if done_before:
            step(*arguments, **named)
        raise OSError("injected")

    monkeypatch.setattr(dialect, method, failing)
    with pytest.raises(OSError, match="injected"):
        log.append(batch)
    monkeypatch.undo()
    if restart:
        log.close()
        log = Log.open(url, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with log:
        assert log.size == 2 + standing
        assert [entry.seq for entry in log.append(batch)] == [2, 3, 4]
        assert [entry.seq for entry in log.append([draft(5)])] == [5]
        assert log.root == root(leaf_hash(entry.leaf()) for entry in log.entries()).hex()
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
