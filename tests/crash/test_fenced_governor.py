"""A governor that was taken for dead and wakes: another one has its ledger, so it says so and ends.

Two real processes on one database. The first is stopped (as a machine that hangs), loses its lease, and goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.succession import FENCED
from runtime.ledger.verify import verify_log
from tests.postgres import PostgresServer

# The governor without Ray around it. Each line on stdin is a question, each on stdout its answer, and the first
# says that it is up.
GOVERNOR = """
import asyncio, sys
from actors.governor import Governor
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.events import WatermarkAdvanced
from datetime import UTC, datetime
from runtime.settings import Settings

moved = Draft(WatermarkAdvanced(until=datetime(2026, 3, 1, tzinfo=UTC)), "job:replay", "moved")

async def answered(governor, question):
    try:
        if question == "record":
            (answer,) = await governor.record([moved], None)
            return f"recorded {answer.seq}"
        if question == "checkpoint":
            return f"checkpoint of {(await governor.checkpoint()).size}"
        return f"size {await governor.size()}"
    except FleetwardError as error:
        return f"{type(error).__name__}: {error}"

async def main():
    governor = Governor(Settings.from_environment())
    print("up", flush=True)
    while question := (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(await answered(governor, question), flush=True)

asyncio.run(main())
"""
ENDS_WITHIN_S = 20

Process = subprocess.Popen[str]


@pytest.fixture
def governors(database_url: str, root: Path, tmp_path: Path) -> Iterator[list[Process]]:
    """Governors of one database, started one after the other; all of them end with the test."""
    processes = list[Process]()
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(governors: list[Process], url: str, root: Path, home: Path) -> Process:
    environment = {**os.environ, "PYTHONPATH": str(root), "FLEETWARD_HOME": str(home), "FLEETWARD_DATABASE": url}
    environment["FLEETWARD_AUTHENTICATION"] = "none"
    process = subprocess.Popen(
        [sys.executable, "-c", GOVERNOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    governors.append(process)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first == "up\n", (first, process.communicate()[1])
    return process


def ask(process: Process, question: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def lose(url: str, request: pytest.FixtureRequest) -> None:
    """What held others off is gone: the server ended its sessions, or the file system forgot its lock."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///") + ".lock").unlink()
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        server.end_sessions()


@pytest.fixture
def replaced(
    governors: list[Process], database_url: str, root: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[Process, Process]:
    """A governor that another one replaced while it was stopped, and that one."""
    first = start(governors, database_url, root, tmp_path)
    assert ask(first, "checkpoint") == "checkpoint of 1"  # it writes nothing more: it is not stopped amid a transaction
    first.send_signal(signal.SIGSTOP)
    lose(database_url, request)
    second = start(governors, database_url, root, tmp_path)
    assert ask(second, "size") == "size 2"
    return first, second


def test_an_idle_governor_that_was_replaced_ends_by_itself(
    replaced: tuple[Process, Process], database_url: str
) -> None:
    first, second = replaced
    first.send_signal(signal.SIGCONT)
    assert first.wait(ENDS_WITHIN_S) == FENCED
    assert ask(second, "record") == "recorded 2"
    assert verify_log(database_url).size == 3


def test_a_governor_that_was_replaced_tells_its_caller_and_answers_nothing_of_its_state(
    replaced: tuple[Process, Process],
) -> None:
    first, second = replaced
    first.send_signal(signal.SIGCONT)
    refusal = ask(first, "record")
    assert refusal.startswith("LedgerHeld: ")
    assert refusal.endswith("this writer's epoch is 1; the lease has gone to epoch 2")
    assert ask(first, "size").startswith("LedgerHeld: ")
    assert first.wait(ENDS_WITHIN_S) == FENCED
    assert ask(second, "size") == "size 2"
