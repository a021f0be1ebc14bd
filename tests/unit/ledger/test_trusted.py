"""A ledger's signing key changes only where people said so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import SettingsError
from runtime.ledger.checkpoint import open_checkpoint
from runtime.ledger.errors import PublicationRefused
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.ledger.trusted import ORIGIN, TRUSTED_KEYS, parse_trusted, require_known_signer
from tests.unit.ledger.behind import Behind
from tests.unit.ledger.conftest import ManualClock

NAME = "fleetward.example/ledger"
MakeDraft = Callable[..., Draft]


@pytest.fixture
def old(tmp_path: Path) -> Signer:
    return Signer(SigningKey.load_or_create(tmp_path / "old.pem"), NAME)


@pytest.fixture
def new(tmp_path: Path) -> Signer:
    return Signer(SigningKey.load_or_create(tmp_path / "new.pem"), NAME)


@pytest.fixture
def published(log: Log, old: Signer, clock: ManualClock, draft: MakeDraft) -> None:
    log.append([draft(0)])
    Publisher(log, old, clock).publish()


def test_the_key_that_signed_goes_on(published: None, log: Log, old: Signer) -> None:
    require_known_signer(log.database, old.verifier, [])


def test_a_ledger_without_checkpoints_takes_any_key(log: Log, new: Signer) -> None:
    require_known_signer(log.database, new.verifier, [])


def test_another_key_is_refused_with_the_name_of_the_setting(
    published: None, log: Log, old: Signer, new: Signer
) -> None:
    with pytest.raises(SettingsError) as refused:
        require_known_signer(log.database, new.verifier, [])
    assert refused.value.name == TRUSTED_KEYS
    assert f"{NAME}+{old.verifier.key_hash.hex()}, which signed the ledger's last checkpoint, of 1 entries" in str(
        refused.value
    )
    assert "FLEETWARD_KEY" in str(refused.value)


def test_a_named_earlier_key_is_believed_and_the_new_one_signs_on(
    published: None, log: Log, old: Signer, new: Signer, clock: ManualClock, draft: MakeDraft
) -> None:
    trusted = parse_trusted(f" {old.verifier.vkey} ,")
    require_known_signer(log.database, new.verifier, trusted)
    log.append([draft(1)])
    with pytest.raises(PublicationRefused, match="is not ours"):
        Publisher(log, new, clock).publish()
    note = Publisher(log, new, clock, trusted=trusted).publish()
    assert note is not None
    assert open_checkpoint(note.note.encode(), [new.verifier])[0].size == 2
    require_known_signer(log.database, new.verifier, [])  # the earlier key is needed no more


def test_another_name_is_refused_with_the_name_it_had(published: None, log: Log, tmp_path: Path) -> None:
    renamed = Signer(SigningKey.load_or_create(tmp_path / "old.pem"), "another.example/ledger")
    with pytest.raises(SettingsError, match=f"expected '{NAME}', the name in the ledger's last checkpoint") as refused:
        require_known_signer(log.database, renamed.verifier, [])
    assert refused.value.name == ORIGIN


def test_a_trusted_key_of_another_ledger_is_refused(log: Log, old: Signer, tmp_path: Path) -> None:
    other = Signer(SigningKey.load_or_create(tmp_path / "other.pem"), "another.example/ledger")
    with pytest.raises(SettingsError, match=f"keys of this ledger, which is named {NAME}"):
        require_known_signer(log.database, old.verifier, [other.verifier])


def test_what_is_no_key_is_named() -> None:
    with pytest.raises(SettingsError, match=r"FLEETWARD_TRUSTED_KEYS='nonsense' cannot be used"):
        parse_trusted("nonsense")


def test_a_note_that_was_tampered_with_is_left_to_the_publisher(
    published: None, log: Log, old: Signer, clock: ManualClock, path: Path
) -> None:
    with Behind(f"sqlite:///{path}") as behind:
        behind.execute(
            "UPDATE checkpoints SET note = "
            "CAST(replace(note, char(10) || '1' || char(10), char(10) || '2' || char(10)) AS BLOB)"
        )
    require_known_signer(log.database, old.verifier, [])
    with pytest.raises(PublicationRefused):
        Publisher(log, old, clock).publish()
