"""Power loss under a witness: its disk loses whatever no fsync had covered, and nothing that was cosigned goes with it.

The disk of ``disk`` takes a rename for done at once, so what it cannot show is the sync of the folder after it; that
order is a unit test (tests/unit/witness/test_memory.py).
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runtime.witness.errors import MemoryDamaged
from runtime.witness.memory import Memory
from tests.crash.disk import Trace, traced

MOMENTS = 80
COSIGNED = 40

WITNESS = """
import os, sys
from pathlib import Path
from runtime.witness.memory import Memory
from runtime.witness.witness import Witness
from tests.unit.witness.logs import NOON, MemoryLog, cosigner

folder, synced, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if synced != "synced":
    os.fsync = lambda descriptor: None
log = MemoryLog()
memory = Memory.open(folder, folder / "key.pem")
witness = Witness(cosigner(), [log.signer.verifier], memory, lambda: NOON)
for size in range(1, last + 1):
    witness.add_checkpoint(log.request(size - 1, size))
    os.write(1, f"{size}\\n".encode())
os._exit(0)
"""


def run(folder: Path, shim: Path, *, synced: str) -> Trace:
    trace = traced(WITNESS, folder, shim, synced, str(COSIGNED))
    assert len(trace.acknowledged(len(trace.acts))) == COSIGNED
    return trace


def held_size(disk: Path) -> int:
    memory = Memory.open(disk, disk / "key.pem")
    held = memory.held("log.example")
    memory.close()
    return 0 if held is None else held.checkpoint.size


@pytest.mark.parametrize("form", ["all of it", "some of it"])
def test_a_power_loss_takes_no_checkpoint_that_was_cosigned(tmp_path: Path, shim: Path, form: str) -> None:
    trace = run(tmp_path / "disk", shim, synced="synced")
    moments = random.Random(9162).sample(range(len(trace.acts)), MOMENTS)
    for until in [*moments, len(trace.acts)]:
        chance = random.Random(until) if form == "some of it" else None
        disk = trace.disk(until, tmp_path / f"after {until}", chance)
        acknowledged = len(trace.acknowledged(until))
        assert acknowledged <= held_size(disk) <= acknowledged + 1, f"after {until} of {len(trace.acts)} acts"


def test_a_witness_that_does_not_sync_is_found_out_by_the_same_disk(tmp_path: Path, shim: Path) -> None:
    trace = run(tmp_path / "disk", shim, synced="not synced")
    with pytest.raises(MemoryDamaged):
        held_size(trace.disk(len(trace.acts), tmp_path / "after"))
