"""Kill -9 of a witness at any moment: it never cosigns two histories of one log, and goes on where it was.

kill -9 takes the process and not the machine; the order of syncs that a power loss needs is a unit test
(tests/unit/witness/test_memory.py).
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.note import Verifier
from runtime.witness.errors import WitnessContradicts, WitnessError
from runtime.witness.submit import WitnessClient
from tests.unit.witness.logs import MemoryLog

KILLS = 12
SHARED = 3  # leaves that all histories have in common
HISTORIES = (MemoryLog(), MemoryLog(fork_at=SHARED), MemoryLog(fork_at=SHARED + 40))


class Process:
    """A witness process: where it listens, and with which key it cosigns."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        first, second = process.stdout.readline().split(), process.stdout.readline().split()
        if process.poll() is not None or not second:
            pytest.fail(f"the witness did not start: {process.communicate()[1]}")
        self.verifier, self.url = Verifier.parse(first[1]), second[2]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def arguments(state: Path) -> list[str]:
    vkey = HISTORIES[0].signer.verifier.vkey
    options = ["--state", str(state), "--name", "witness.example", "--log", vkey, "--port", "0"]
    return [sys.executable, "-m", "jobs.cli", "witness", *options]


@contextmanager
def witness(state: Path, root: Path) -> Iterator[Process]:
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments(state), stdout=pipe, stderr=pipe, text=True, cwd=root) as process:
        try:
            yield Process(process)
        finally:
            process.kill()
            process.communicate()


class Submitter(threading.Thread):
    """Submits one history's growing checkpoints until the witness is gone; keeps what was cosigned."""

    def __init__(self, history: MemoryLog, process: Process, seed: int) -> None:
        super().__init__()
        self._history, self._process, self._chance = history, process, random.Random(seed)
        self.cosigned: list[Checkpoint] = []
        self.answered = threading.Event()

    def run(self) -> None:
        client = WitnessClient(self._process.url, self._process.verifier)
        size = 0
        while self._process.process.poll() is None:
            size += self._chance.randrange(3)
            try:
                note = client.submit(self._history.note(size), self._history)
            except WitnessContradicts as error:  # it holds more, or another history
                size = max(size, error.held_size)
                self.answered.set()
            except WitnessError:  # moved on meanwhile, or killed
                pass
            else:
                found, opened = open_checkpoint(note, [self._history.signer.verifier], [self._process.verifier])
                assert opened.signed_by(self._process.verifier) is not None
                self.cosigned.append(found)
                self.answered.set()
        client.close()


def test_a_witness_killed_at_random_moments_never_cosigns_two_histories(tmp_path: Path, root: Path) -> None:
    chance = random.Random(9162)
    state, cosigned, verifiers = tmp_path / "witness", list[Checkpoint](), set[Verifier]()
    for kill in range(KILLS):
        with witness(state, root) as process:
            verifiers.add(process.verifier)
            submitters = [Submitter(history, process, 100 * kill + n) for n, history in enumerate(HISTORIES)]
            for submitter in submitters:
                submitter.start()
            assert all(submitter.answered.wait(30) for submitter in submitters)
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            for submitter in submitters:
                submitter.join(30)
                cosigned += submitter.cosigned
    assert len(verifiers) == 1, "the key outlives the process"
    assert len({checkpoint.size for checkpoint in cosigned}) > KILLS
    assert len({checkpoint.root for checkpoint in cosigned}) == len({checkpoint.size for checkpoint in cosigned})
    histories = [h for h in HISTORIES if all(h.checkpoint(c.size).root == c.root for c in cosigned)]
    assert histories, "cosigned checkpoints are of no single history"
    with witness(state, root) as process:
        client = WitnessClient(process.url, process.verifier)
        longest = max(checkpoint.size for checkpoint in cosigned)
        with pytest.raises(WitnessContradicts) as refusal:
            client.submit(HISTORIES[0].note(1), HISTORIES[0])
        assert refusal.value.held_size >= longest, "what was cosigned is remembered"
        client.close()


def test_a_second_witness_on_one_folder_is_refused_until_the_first_is_gone(tmp_path: Path, root: Path) -> None:
    state = tmp_path / "witness"
    with witness(state, root) as first:
        run = subprocess.run(arguments(state), capture_output=True, text=True, cwd=root, timeout=60, check=False)
        assert run.returncode == 1
        assert run.stdout == ""
        assert run.stderr == (
            f"fleetward: witness folder {state}: another witness lives: process {first.process.pid}\n"
        )
        first.kill()
        with witness(state, root) as second:
            assert second.verifier == first.verifier


def test_a_witness_ends_in_good_order_when_it_is_asked_to(tmp_path: Path, root: Path) -> None:
    with witness(tmp_path / "witness", root) as process:
        client = WitnessClient(process.url, process.verifier)
        client.submit(HISTORIES[0].note(5), HISTORIES[0])
        process.process.send_signal(signal.SIGTERM)
        process.process.wait(20)
        client.close()
        assert process.process.stderr is not None
        assert process.process.stderr.read() == ""
