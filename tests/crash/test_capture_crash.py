"""Replicas that die: by kill -9, and by a power loss that takes what was not synced. What was promised stands.

kill -9       nothing acknowledged is lost under any policy; an orphaned file is adopted, once
power loss    strict: nothing acknowledged is lost. bounded: nothing acknowledged before the last sync began that
              had finished; and the ledger says from which number on records may be lost
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import Event, RecordsDropped, RecordsLost, SegmentSealed
from runtime.domain.spec import Capture as Policy
from runtime.serving.capture import Capture, is_kept
from runtime.storage import sealing
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import check_segment, read_segment
from tests.crash.disk import traced
from tests.unit.storage.records import Ledger, a_decision

KILLS_OF_EACH_POLICY = 15
POLICIES = {
    "strict": Policy(policy="strict"),
    "bounded": Policy(policy="bounded"),
    "sampled": Policy(policy="sampled", share=0.5),
}

# Each line on stdin is "<folder> <first> <policy>": a replica records decisions from there on, with its background
# thread sealing all the while, and reports each number that it may answer.
NURSERY = """
import os, sys
from datetime import timedelta
from itertools import count
from pathlib import Path
from runtime.domain.ids import new_id
from runtime.serving.capture import Capture, CaptureLimits
from runtime.storage.objects import ObjectStore
from tests.crash.test_capture_crash import POLICIES
from tests.unit.storage.records import Ledger, a_decision

def serve(folder, first, policy):
    folder = Path(folder)
    limits = CaptureLimits(every=timedelta(milliseconds=20), adopt_every=timedelta(milliseconds=50))
    ledger = Ledger(folder / "ledger.sqlite")
    store = ObjectStore.open(str(folder / "store"))
    capture = Capture(new_id(), folder / "wal", store, ledger.publish, principal="p", limits=limits)
    capture.start()
    for number in count(first):
        capture.record(a_decision(number), POLICIES[policy])
        os.write(1, f"{number}\\n".encode())

for line in sys.stdin:
    folder, first, policy = line.split()
    child = os.fork()
    if child == 0:
        serve(folder, int(first), policy)
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""

# One replica, no thread but the syncing one: what it acknowledged, and what its file had covered by then.
REPLICA = """
import os, sys
from pathlib import Path
from runtime.domain.spec import Capture as Policy
from runtime.serving.capture import Capture
from runtime.storage.objects import ObjectStore
from tests.unit.storage.records import a_decision

folder, policy = Path(sys.argv[1]), Policy(policy=sys.argv[2])
capture = Capture("replica", folder / "wal", ObjectStore.open(str(folder / "store")), print, principal="p")
for number in range(600):
    capture.record(a_decision(number), policy)
    os.write(1, f"{number}\\n".encode())
os._exit(0)
"""


@pytest.fixture
def nursery(root: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=pipe, stdout=pipe, text=True, env=environment, cwd=root
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def one_life(nursery: subprocess.Popen[str], folder: Path, first: int, policy: str, seconds: float) -> list[int]:
    """A replica from its birth to its kill -9; the numbers it would have answered."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{folder} {first} {policy}\n")
    nursery.stdin.flush()
    said: list[str] = []
    while not said or not (said[-1].isdigit() and any(line.startswith("pid") for line in said)):
        said.append(nursery.stdout.readline().strip())
    (pid,) = (int(line.split()[1]) for line in said if line.startswith("pid"))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    said += [line.strip() for line in iter(nursery.stdout.readline, "dead\n")]
    return [int(line) for line in said if line.isdigit()]


@pytest.mark.parametrize("policy", POLICIES)
def test_kill_9_loses_no_acknowledged_record_and_doubles_none(
    nursery: subprocess.Popen[str], tmp_path: Path, policy: str
) -> None:
    chance = random.Random(policy)
    answered: list[int] = []
    for _ in range(KILLS_OF_EACH_POLICY):
        first = max(answered, default=-1) + 2  # the one after the last may be recorded, unanswered
        answered += one_life(nursery, tmp_path, first, policy, chance.uniform(0, 0.2))
    ledger, store = Ledger(tmp_path / "ledger.sqlite"), ObjectStore.open(str(tmp_path / "store"))
    last = Capture("last", tmp_path / "wal", store, ledger.publish, principal="p")
    last.adopt_orphans()
    last.close()
    recorded = Counter(ledger.decision_ids(store))
    kept = {a_decision(number).decision_id for number in answered}
    kept = {decision_id for decision_id in kept if is_kept(decision_id, POLICIES[policy])}
    assert kept <= recorded.keys()
    assert len(recorded.keys() - kept) <= KILLS_OF_EACH_POLICY, "at most the one in flight at each death"
    assert set(recorded.values()) == {1}
    dropped = sum(event.records for event in ledger.events() if isinstance(event, RecordsDropped))
    assert len(answered) <= len(recorded) + dropped <= len(answered) + KILLS_OF_EACH_POLICY
    assert all("torn" in loss.reason for loss in ledger.losses())
    for segment in ledger.segments():
        check_segment(store, segment)
    assert not list((tmp_path / "wal").glob("*.wal")), "every orphan was adopted"
    ledger.close()


# --- power loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["all of it", "some of it"])
@pytest.mark.parametrize("policy", ["strict", "bounded"])
def test_a_power_loss_takes_no_more_than_the_policy_says_and_the_ledger_tells(
    tmp_path: Path, shim: Path, policy: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = traced(REPLICA, tmp_path / "disk", shim, policy)
    assert len(trace.acknowledged(len(trace.acts))) == 600
    monkeypatch.setattr(sealing, "boot_id", lambda: "the next start of the machine")
    chance = random.Random(len(policy))
    first = next(at for at, act in enumerate(trace.acts) if act.what == "A")
    for number, until in enumerate([*chance.sample(range(first, len(trace.acts)), 20), len(trace.acts)]):
        disk = trace.disk(until, tmp_path / str(number), random.Random(until) if form == "some of it" else None)
        found, events = adopted(disk)
        promised = trace.acknowledged(until if policy == "strict" else trace.covered(".wal", until))
        assert found[: len(promised)] == list(range(len(promised)))
        assert len(set(found)) == len(found)
        assert any(isinstance(event, RecordsLost) for event in events), "a restart under an open file is told"
        shutil.rmtree(disk)


def adopted(disk: Path) -> tuple[list[int], list[Event]]:
    """The decisions that another replica finds on the disk, by their index, and all it publishes of them."""
    events: list[Event] = []

    def publish(drafts: list[Draft]) -> None:
        events.extend(draft.event for draft in drafts)

    store = ObjectStore.open(str(disk / "store"))
    capture = Capture("adopter", disk / "wal", store, publish, principal="p")
    capture.adopt_orphans()
    capture.close()
    tables = [read_segment(store, event.digest) for event in events if isinstance(event, SegmentSealed)]
    return [round(row[0] - 0.25) for table in tables for row in table["numbers"].to_pylist()], events
