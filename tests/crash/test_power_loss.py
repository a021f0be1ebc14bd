"""Power loss: the writer's disk loses whatever no fsync had covered, at any moment; no acknowledged entry goes with it.

kill -9 leaves the page cache, so it cannot show this. Here a real writer runs once, traced under its system calls, and
its disk is rebuilt as of many moments (``disk``).
"""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.ledger.log import Log
from runtime.ledger.verify import verify_log
from tests.crash.disk import Trace, traced

MOMENTS = 24

# Callers that wait for each other's commits, long enough for SQLite to checkpoint its write-ahead log (1,000 pages).
WRITER = """
import asyncio, os, sys
from datetime import UTC, datetime
from sqlalchemy import event
from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.group_commit import GroupCommit
from runtime.ledger.log import Log

async def main(log, callers, events):
    numbers = iter(range(events))
    async with GroupCommit(log.append) as group:
        async def caller():
            for number in numbers:
                event = ModelSuspended(model="m", reason="x" * (number * 397 % 3000))
                entry = await group.submit(Draft(event, "ada", f"event-{number}"))
                os.write(1, f"{number} {entry.seq}\\n".encode())
        await asyncio.gather(*(caller() for _ in range(callers)))

folder, synchronous = sys.argv[1:]
log = Log.open(f"sqlite:///{folder}/ledger.sqlite", lambda: datetime.now(UTC))
if synchronous != "FULL":
    log._database.engine.dispose()
    event.listen(log._database.engine, "connect", lambda raw, _: raw.execute(f"PRAGMA synchronous = {synchronous}"))
asyncio.run(main(log, 4, 900))
os._exit(0)
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory, shim: Path) -> Trace:
    return traced(WRITER, tmp_path_factory.mktemp("writer") / "disk", shim, "FULL")


def moments(trace: Trace, seed: int) -> list[int]:
    """A few moments while the ledger was being made, many after, and the last."""
    chance = random.Random(seed)
    first = next(at for at, act in enumerate(trace.acts) if act.what == "A")
    being_made, alive = range(first), range(first, len(trace.acts))
    return [*chance.sample(being_made, MOMENTS // 4), *chance.sample(alive, MOMENTS), len(trace.acts)]


def lost(trace: Trace, until: int, disk: Path) -> dict[int, int]:
    """What was acknowledged by then, as number and seq, and does not stand there on the disk."""
    lines = (line.split() for line in trace.acknowledged(until))
    acknowledged = {int(number): int(seq) for number, seq in lines}
    with Log.open(f"sqlite:///{disk / 'ledger.sqlite'}", lambda: datetime.now(UTC)) as log:
        found = {int(entry.event_id.removeprefix("event-")): entry.seq for entry in log.entries()}
        assert verify_log(log._database.url).root == log.root
    assert list(found.values()) == list(range(len(found)))
    return {number: seq for number, seq in acknowledged.items() if found.get(number) != seq}


def test_the_trace_covers_commits_and_checkpoints(trace: Trace) -> None:
    assert len(trace.acknowledged(len(trace.acts))) == 900
    pages = [act for act in trace.acts if act.what == "W" and act.path.endswith("ledger.sqlite")]
    assert len(pages) > 100, "SQLite moved no pages from its write-ahead log to the database"


@pytest.mark.parametrize("form", ["all of it", "some of it"])
def test_a_power_loss_that_takes_what_was_not_synced_takes_no_acknowledged_entry(
    trace: Trace, tmp_path: Path, form: str
) -> None:
    for number, until in enumerate(moments(trace, seed=9162)):
        chance = random.Random(until) if form == "some of it" else None
        disk = trace.disk(until, tmp_path / str(number), chance)
        assert lost(trace, until, disk) == {}, f"after {until} of {len(trace.acts)} acts"
        shutil.rmtree(disk)


def test_a_writer_that_does_not_sync_is_found_out_by_the_same_disk(tmp_path: Path, shim: Path) -> None:
    trace = traced(WRITER, tmp_path / "disk", shim, "OFF")
    until = len(trace.acts) // 2
    assert lost(trace, until, trace.disk(until, tmp_path / "after"))
