"""A proof file is good only as it was made: any field that is changed is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.proofs import Proofs
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.proof.checkpoints import Keys
from runtime.proof.errors import CheckpointRefused, FileUnreadable, ProofFieldInvalid, ProofInvalid
from runtime.proof.verify_proof import verify_proof

ENTRIES = 20


def now() -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(SigningKey.load_or_create(tmp_path / "key.pem"), "example.org/ledger")


@pytest.fixture
def keys(signer: Signer) -> Keys:
    return Keys(signer.verifier)


@pytest.fixture
def log(tmp_path: Path, signer: Signer) -> Iterator[Log]:
    with Log.open(f"sqlite:///{tmp_path / 'ledger.db'}", now) as log:
        publisher = Publisher(log, signer, now)
        for size in (8, ENTRIES):
            events = [ModelSuspended(model=f"m-{number}", reason="") for number in range(log.size, size)]
            log.append([Draft.fresh(event, "user:ada") for event in events])
            publisher.publish()
        yield log


@pytest.fixture
def inclusion(log: Log) -> dict[str, Any]:
    (entry,) = log.entries(5, 1)
    return {**Proofs(log.database).inclusion(5).as_document(), "leaf": entry.leaf().decode()}


@pytest.fixture
def consistency(log: Log) -> dict[str, Any]:
    return dict(Proofs(log.database).consistency(8).as_document())


def spelled(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2).encode()


def test_both_kinds_are_good_as_they_were_made(
    inclusion: dict[str, Any], consistency: dict[str, Any], keys: Keys, log: Log
) -> None:
    found = verify_proof(spelled(inclusion), keys)
    assert (found.proves, found.seq, found.size, found.leaf) == ("inclusion", 5, ENTRIES, inclusion["leaf"])
    grown = verify_proof(spelled(consistency), keys)
    assert (grown.proves, grown.old_size, grown.size, grown.root) == ("consistency", 8, ENTRIES, log.root)


def test_the_older_tree_is_that_of_a_kept_checkpoint_or_refused(
    consistency: dict[str, Any], inclusion: dict[str, Any], keys: Keys, log: Log
) -> None:
    notes = {size: Proofs(log.database).checkpoint(size) for size in (8, ENTRIES)}
    kept, other = ((note.note.encode() if note else b"") for note in notes.values())
    assert verify_proof(spelled(consistency), keys, since=kept).old_size == 8
    with pytest.raises(ProofFieldInvalid, match=f"not that of the kept checkpoint of {ENTRIES} entries"):
        verify_proof(spelled(consistency), keys, since=other)
    with pytest.raises(CheckpointRefused, match="an inclusion proof holds no older tree"):
        verify_proof(spelled(inclusion), keys, since=kept)


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_a_change_of_any_field_is_found(kind: str, request: pytest.FixtureRequest, keys: Keys) -> None:
    proof: dict[str, Any] = request.getfixturevalue(kind)
    for name, value in proof.items():
        for changed in _changes(value):
            with pytest.raises(ProofInvalid):
                verify_proof(spelled({**proof, name: changed}), keys)
        with pytest.raises(ProofInvalid):
            verify_proof(spelled({other: each for other, each in proof.items() if other != name}), keys)


def _changes(value: Any) -> Iterator[Any]:
    yield from (None, [], -1, "", True)
    if isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        for at in (0, len(value) // 2, len(value) - 2):
            yield value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    else:
        yield from (value[:-1], [*value, value[0]], [*reversed(value)], [value[0][:-1], *value[1:]])


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "not JSON"), (b"[]", "not a JSON object"), (b"{}", "size is not a number"), (b"\xff", "not JSON")],
)
def test_what_is_no_proof_is_said(content: bytes, told: str, keys: Keys) -> None:
    with pytest.raises(FileUnreadable, match=told):
        verify_proof(content, keys)


def test_an_unsigned_proof_is_refused(inclusion: dict[str, Any], keys: Keys) -> None:
    del inclusion["checkpoint"]
    with pytest.raises(CheckpointRefused, match="nobody signed the root"):
        verify_proof(spelled(inclusion), keys)
