"""A witness cosigns what extends the last checkpoint that it cosigned, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.ledger.errors import NoteMalformed, NoteUntrusted
from runtime.ledger.merkle import EMPTY_ROOT, verify_consistency
from runtime.ledger.note import Verifier, add_signatures, open_note, sign_note
from runtime.witness.errors import Forked, Inconsistent, MemoryDamaged, MemoryUnusable, Stale, UnknownLog
from runtime.witness.memory import Memory
from runtime.witness.request import AddCheckpoint
from runtime.witness.witness import Witness
from tests.unit.witness.conftest import Clock
from tests.unit.witness.logs import NOON, MemoryLog, cosigner, key


def cosigned(witness: Witness, log: MemoryLog, old: int, new: int) -> bytes:
    """The note with the witness's line, checked."""
    line = witness.add_checkpoint(log.request(old, new))
    note = add_signatures(log.note(new), [line])
    assert open_note(note, [witness.verifier]).signed[0].signature == line
    return note


def held_size(memory: Memory, log: MemoryLog) -> int | None:
    held = memory.held(log.name)
    return None if held is None else held.checkpoint.size


def test_a_growing_log_is_cosigned_step_by_step(witness: Witness, log: MemoryLog, memory: Memory) -> None:
    sizes = [0, 1, 2, 3, 7, 8, 9, 64, 100]
    for old, new in zip([0, *sizes], sizes, strict=False):
        cosigned(witness, log, old, new)
        assert held_size(memory, log) == new


def test_what_was_cosigned_is_kept_with_its_line_before_it_is_answered(
    witness: Witness, log: MemoryLog, memory: Memory
) -> None:
    note = cosigned(witness, log, 0, 5)
    held = memory.held(log.name)
    assert held is not None
    assert held.note == note


def test_lines_of_strangers_are_not_kept(witness: Witness, log: MemoryLog, memory: Memory) -> None:
    stranger = MemoryLog("stranger.example", seed=9).signer.sign(log.checkpoint(5).body())
    witness.add_checkpoint(AddCheckpoint(0, (), add_signatures(log.note(5), [stranger])).body())
    held = memory.held(log.name)
    assert held is not None
    assert b"stranger" not in held.note


def test_the_same_checkpoint_is_cosigned_again_with_the_time_of_then(
    witness: Witness, log: MemoryLog, clock: Clock
) -> None:
    cosigned(witness, log, 0, 5)
    clock.now += timedelta(hours=1)
    note = open_note(cosigned(witness, log, 5, 5), [witness.verifier])
    assert note.signed[0].time == clock.now


def test_a_clock_that_goes_back_takes_no_cosignature_back(witness: Witness, log: MemoryLog, clock: Clock) -> None:
    cosigned(witness, log, 0, 5)
    clock.now -= timedelta(days=1)
    note = open_note(cosigned(witness, log, 5, 6), [witness.verifier])
    assert note.signed[0].time == NOON


@pytest.mark.parametrize(("old", "new"), [(0, 7), (4, 7), (6, 7), (7, 9)])
def test_a_submission_from_another_size_is_stale_and_told_the_size(
    witness: Witness, log: MemoryLog, old: int, new: int
) -> None:
    cosigned(witness, log, 0, 5)
    with pytest.raises(Stale, match=f"old size {old}, the witness holds 5") as refusal:
        witness.add_checkpoint(log.request(old, new))
    assert refusal.value.held_size == 5


def test_a_smaller_tree_is_stale_whatever_it_proves(witness: Witness, log: MemoryLog, memory: Memory) -> None:
    cosigned(witness, log, 0, 5)
    for old in (0, 3):
        with pytest.raises(Stale):
            witness.add_checkpoint(log.request(old, 3))
    with pytest.raises(NoteMalformed, match="old size 5 of a tree of 3"):
        witness.add_checkpoint(AddCheckpoint(5, (), log.note(3)).body())
    assert held_size(memory, log) == 5


def test_another_root_of_the_same_size_is_a_fork_and_kept_as_evidence(
    witness: Witness, log: MemoryLog, memory: Memory, tmp_path: Path
) -> None:
    cosigned(witness, log, 0, 5)
    other = MemoryLog(fork_at=3)
    with pytest.raises(Forked, match="another root of size 5 is held") as refusal:
        witness.add_checkpoint(other.request(5, 5))
    assert (refusal.value.status, refusal.value.held_size) == (409, 5)
    (evidence,) = (tmp_path / "witness" / "evidence").iterdir()
    assert evidence.read_bytes() == other.request(5, 5)
    assert held_size(memory, log) == 5


def test_a_longer_history_that_was_rewritten_is_not_cosigned(
    witness: Witness, log: MemoryLog, memory: Memory, tmp_path: Path
) -> None:
    cosigned(witness, log, 0, 5)
    for fork_at in range(5):
        with pytest.raises(Inconsistent, match="from size 5 to size 9"):
            witness.add_checkpoint(MemoryLog(fork_at=fork_at).request(5, 9))
    assert held_size(memory, log) == 5
    assert len([*(tmp_path / "witness" / "evidence").iterdir()]) == 5
    cosigned(witness, MemoryLog(fork_at=5), 5, 9)  # what was never seen may become anything


def test_a_proof_that_was_changed_anywhere_does_not_verify(witness: Witness, log: MemoryLog) -> None:
    cosigned(witness, log, 0, 5)
    proof = log.proof(5, 9)
    bent = [(*proof[:i], bytes([node[0] ^ 1]) + node[1:], *proof[i + 1 :]) for i, node in enumerate(proof)]
    for wrong in (*bent, proof[1:], proof[:-1], proof[::-1], (*proof, proof[0]), ()):
        with pytest.raises(Inconsistent):
            witness.add_checkpoint(AddCheckpoint(5, wrong, log.note(9)).body())
    assert verify_consistency(5, 9, proof, log.checkpoint(5).root, log.checkpoint(9).root)


def test_a_proof_from_nothing_or_to_the_same_size_is_empty(witness: Witness, log: MemoryLog) -> None:
    with pytest.raises(Inconsistent):
        witness.add_checkpoint(AddCheckpoint(0, (EMPTY_ROOT,), log.note(5)).body())
    cosigned(witness, log, 0, 5)
    with pytest.raises(Inconsistent):
        witness.add_checkpoint(AddCheckpoint(5, (EMPTY_ROOT,), log.note(5)).body())


def test_an_unknown_log_is_not_cosigned(witness: Witness) -> None:
    with pytest.raises(UnknownLog, match=r"other\.example"):
        witness.add_checkpoint(MemoryLog("other.example").request(0, 5))


def test_a_checkpoint_that_the_log_did_not_sign_is_refused(witness: Witness, log: MemoryLog, memory: Memory) -> None:
    body = log.checkpoint(5).body()
    forged = MemoryLog(seed=9).request(0, 5)  # the log's name, another key
    changed = log.request(0, 5).replace(b"log.example\n5\n", b"log.example\n6\n")
    another = AddCheckpoint(0, (), sign_note(body, MemoryLog("other.example", seed=1).signer)).body()
    own = AddCheckpoint(0, (), f"{body}\n{cosigner().cosign(body, NOON).line()}".encode()).body()
    for request in (forged, changed, another, own):
        with pytest.raises(NoteUntrusted):
            witness.add_checkpoint(request)
    assert memory.held(log.name) is None


def test_logs_are_remembered_apart(memory: Memory, clock: Clock) -> None:
    logs = [MemoryLog("a.example"), MemoryLog("b.example")]
    witness = Witness(cosigner(), [log.signer.verifier for log in logs], memory, clock)
    cosigned(witness, logs[0], 0, 5)
    cosigned(witness, logs[1], 0, 3)
    assert [held_size(memory, log) for log in logs] == [5, 3]


def test_a_log_may_change_its_key_while_both_are_trusted(memory: Memory, clock: Clock) -> None:
    old, new = MemoryLog(seed=1), MemoryLog(seed=3)
    both = [old.signer.verifier, new.signer.verifier]
    cosigned(Witness(cosigner(), both, memory, clock), old, 0, 5)
    witness = Witness(cosigner(), both[1:], memory, clock)
    cosigned(witness, new, 5, 9)
    with pytest.raises(NoteUntrusted):
        witness.add_checkpoint(old.request(9, 10))


def test_a_witness_with_a_new_key_keeps_what_the_old_one_held(memory: Memory, log: MemoryLog, clock: Clock) -> None:
    cosigned(Witness(cosigner(2), [log.signer.verifier], memory, clock), log, 0, 5)
    witness = Witness(cosigner(3), [log.signer.verifier], memory, clock)
    with pytest.raises(Stale):
        witness.add_checkpoint(log.request(0, 5))
    cosigned(witness, log, 5, 9)


def test_a_memory_that_was_tampered_with_is_noticed(
    witness: Witness, log: MemoryLog, memory: Memory, clock: Clock
) -> None:
    cosigned(witness, log, 0, 9)
    held = memory.held(log.name)
    assert held is not None
    smaller = log.checkpoint(5).body() + "\n" + held.note.decode().partition("\n\n")[2]
    memory.keep(log.name, smaller.encode())
    with pytest.raises(MemoryDamaged, match=r"signature of witness\.example.*does not verify"):
        witness.add_checkpoint(log.request(5, 9))


def test_of_many_submissions_at_once_one_history_is_cosigned(witness: Witness, log: MemoryLog, memory: Memory) -> None:
    cosigned(witness, log, 0, 5)
    histories = [MemoryLog(fork_at=5 + n % 3) for n in range(24)]
    lines: list[tuple[MemoryLog, bytes]] = []
    together = threading.Barrier(len(histories))

    def submit(history: MemoryLog) -> None:
        request = history.request(5, 12)
        together.wait(10)
        try:
            witness.add_checkpoint(request)
        except Stale:
            return
        lines.append((history, history.checkpoint(12).root))

    threads = [threading.Thread(target=submit, args=[history]) for history in histories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    ((_, root),) = lines
    held = memory.held(log.name)
    assert held is not None
    assert held.checkpoint.root == root


def test_a_memory_that_cannot_keep_lets_no_cosignature_out(
    witness: Witness, log: MemoryLog, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cosigned(witness, log, 0, 5)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as fault:
        fault.setattr("os.fsync", full)
        with pytest.raises(MemoryUnusable, match="No space left"):
            witness.add_checkpoint(log.request(5, 9))
    assert held_size(memory, log) == 5
    cosigned(witness, log, 5, 9)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "expected an old size"),
        (b"old 0", "expected an old size"),
        (b"old 0\n", "expected an old size"),
        (b"new 0\n\n", "expected an old size"),
        (b"old 00\n\n", "size"),
        (b"old -1\n\n", "size"),
        (b"old 1_0\n\n", "size"),
        (b"old 0\r\n\r\n", "expected an old size"),
        (b"old 5\nAAAA\n\n", "is not the base64 of 32 bytes"),
        (b"old 5\n" + b"A" * 44 + b"\n\n", "is not the base64 of 32 bytes"),
        (b"old 5\n" + (b"A" * 43 + b"=\n") * 64 + b"\n", "64 hashes"),
        (b"old \xd9\xa3\n\n", "not ASCII"),
        (b"old 0\n\nno note", "no empty line"),
        (b"old 0\n\nno checkpoint\n\n\xe2\x80\x94 log.example AAAAAAA=\n", "expected an origin"),
    ],
)
def test_a_malformed_request_is_refused(witness: Witness, body: bytes, reason: str) -> None:
    with pytest.raises(NoteMalformed, match=reason):
        witness.add_checkpoint(body)


def test_a_request_is_written_as_it_is_read() -> None:
    request = AddCheckpoint(5, MemoryLog().proof(5, 100), MemoryLog().note(100))
    assert AddCheckpoint.parse(request.body()) == request
    first = AddCheckpoint(0, (), MemoryLog().note(1))
    assert AddCheckpoint.parse(first.body()) == first
    assert first.body().startswith(b"old 0\n\nlog.example\n1\n")


def test_the_key_of_a_witness_is_of_the_cosigning_type(witness: Witness) -> None:
    assert Verifier.parse(witness.verifier.vkey) == witness.verifier
    assert witness.verifier == Verifier.of("witness.example", key(2).public_key_text, 0x04)


def test_a_witness_and_an_auditor_of_anchors_need_neither_ray_nor_a_database(root: Path) -> None:
    code = "import sys, runtime.witness.server, runtime.witness.submit, runtime.witness.reading, jobs.cli.witnessing;"
    code += "print(*{'ray', 'sqlalchemy', 'boto3'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
