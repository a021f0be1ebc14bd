"""``ledger checkpoint`` and ``ledger prove``: what they print convinces somebody who has it and a public key only."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli.governed import Governed
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.log import Log
from runtime.ledger.merkle import leaf_hash, verify_inclusion
from runtime.ledger.note import Signer
from runtime.ledger.proofs import PublishedCheckpoint
from runtime.ledger.publisher import Publisher, origin_of
from runtime.ledger.signing import SigningKey
from tests.unit.cli.conftest import Installation, StandInGovernor

Run = Callable[..., Result]
Answer = Callable[..., Any]

COVERED = 10


@pytest.fixture(autouse=True)
def log(installation: Installation) -> Log:
    return installation.writer._log


@pytest.fixture
def signer(installation: Installation, log: Log) -> Signer:
    return Signer(SigningKey.load_or_create(installation.home / "keys" / "governor.pem"), origin_of(log))


@pytest.fixture
def publish(log: Log, signer: Signer) -> Callable[[], PublishedCheckpoint | None]:
    return Publisher(log, signer, lambda: datetime(2026, 3, 1, 13, tzinfo=UTC)).publish


Publish = Callable[[], PublishedCheckpoint | None]


def proof_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    proof: dict[str, Any] = json.loads(result.stdout)
    return proof


def test_without_a_checkpoint_the_command_says_so(run: Run) -> None:
    result = run("ledger", "checkpoint")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "fleetward: no checkpoint of this ledger was published yet\n"


def test_the_checkpoint_is_printed_as_it_was_signed(run: Run, answer: Answer, publish: Publish, signer: Signer) -> None:
    published = publish()
    assert published is not None
    shown = run("ledger", "checkpoint").stdout
    assert shown == published.note
    checkpoint, _ = open_checkpoint(shown.encode(), [signer.verifier])
    assert answer("ledger", "checkpoint") == {
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "time": "2026-03-01T13:00:00.000000Z",
        "note": published.note,
    }


def test_a_printed_proof_convinces_without_the_ledger(run: Run, publish: Publish, signer: Signer, log: Log) -> None:
    publish()
    for seq in range(log.size):
        result = run("ledger", "prove", str(seq))
        proof = proof_of(result)
        assert result.stderr == ""
        checkpoint, _ = open_checkpoint(proof["checkpoint"].encode(), [signer.verifier])
        hashes = [bytes.fromhex(text) for text in proof["hashes"]]
        assert verify_inclusion(leaf_hash(proof["leaf"].encode()), seq, checkpoint.size, hashes, checkpoint.root)


def test_a_proof_can_be_looked_at_as_a_table(run: Run, publish: Publish) -> None:
    publish()
    proof = proof_of(run("ledger", "prove", "7"))
    shown = run("ledger", "prove", "7", "-o", "table").stdout.splitlines()
    assert f"root        {proof['root']}" in shown
    assert all(any(line.strip().endswith(each) for line in shown) for each in proof["hashes"])


def test_a_proof_of_an_earlier_size_has_the_root_of_then(run: Run, publish: Publish, log: Log) -> None:
    publish()
    leaves = [leaf_hash(entry.leaf()) for entry in log.entries()]
    result = run("ledger", "prove", "3", "--size", str(COVERED))
    proof = proof_of(result)
    hashes = [bytes.fromhex(text) for text in proof["hashes"]]
    assert verify_inclusion(leaves[3], 3, COVERED, hashes, bytes.fromhex(proof["root"]))
    assert "checkpoint" not in proof
    assert f"no checkpoint of {COVERED} entries was published" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["999"], "the ledger never held entry 999"),
        (["5", "--size", "5"], "entry 5 in a tree of 5"),
        (["0", "--size", "999"], "tree of 999"),
    ],
)
def test_what_the_ledger_never_held_has_no_proof(arguments: list[str], reason: str, run: Run, publish: Publish) -> None:
    publish()
    result = run("ledger", "prove", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert reason in result.stderr


@pytest.mark.parametrize("command", [["checkpoint"], ["prove", "0"]], ids=" ".join)
def test_a_missing_ledger_is_not_reachable(command: list[str], run: Run) -> None:
    result = run("ledger", *command, "--database", "sqlite:////nowhere/ledger.db")
    assert (result.exit_code, result.stdout) == (5, "")


def test_a_governor_publishes_a_checkpoint_that_covers_the_entry_first(
    run: Run, publish: Publish, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Publishing(StandInGovernor):
        def checkpoint(self) -> PublishedCheckpoint | None:
            return publish()

    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    monkeypatch.setattr(Governed, "connected", lambda settings: Publishing(installation))
    proof = proof_of(run("ledger", "prove", "0"))
    assert Checkpoint.parse(proof["checkpoint"].rpartition("\n\n")[0] + "\n").size == proof["size"]
