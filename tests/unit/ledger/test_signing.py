"""Keys stay private, and a grant allows exactly what it says."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from runtime.domain.errors import GrantInvalid
from runtime.domain.grant import Grant, SignedGrant
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.signing import SigningKey, check_grant, key_id_of, sign_grant, verify

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64


@pytest.fixture
def key() -> SigningKey:
    """The secret key of RFC 8032, 7.1, test 1."""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(secret))


@pytest.fixture
def grant() -> Grant:
    return Grant(
        grant_id="grant-1",
        model="model-1",
        version=3,
        artifact=DIGEST,
        package=DIGEST,
        environment="prod",
        pool="default",
        policy=DIGEST,
        valid_from=START,
        valid_until=START + timedelta(days=90),
    )


def check(signed: SignedGrant, public_key_text: str, **changes: Any) -> None:
    asked: dict[str, Any] = {
        "model": "model-1",
        "version": 3,
        "artifact": DIGEST,
        "environment": "prod",
        "pool": "default",
        "now": START,
    }
    check_grant(signed, public_key_text, **(asked | changes))


# --- keys ------------------------------------------------------------------------------------------


def test_signatures_are_those_of_rfc_8032(key: SigningKey) -> None:
    public = base64.b64decode(key.public_key_text.removeprefix("ed25519:"))
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert base64.b64decode(key.sign(b"")).hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_a_signature_speaks_for_one_content_and_one_key(key: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.load_or_create(tmp_path / "key")
    signature = key.sign(b"content")
    assert verify(key.public_key_text, b"content", signature)
    assert not verify(key.public_key_text, b"Content", signature)
    assert not verify(other.public_key_text, b"content", signature)


@pytest.mark.parametrize("spoil", [lambda text: "", lambda text: text[:-1], lambda text: text + "\n", lambda text: "é"])
def test_a_malformed_signature_is_no_signature(key: SigningKey, spoil: Any) -> None:
    assert not verify(key.public_key_text, b"content", spoil(key.sign(b"content")))


def test_a_signature_has_one_spelling(key: SigningKey) -> None:
    signature = key.sign(b"content")
    assert signature.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = signature[:-3] + alphabet[alphabet.index(signature[-3]) ^ 1] + "=="
    assert base64.b64decode(twin) == base64.b64decode(signature)
    assert not verify(key.public_key_text, b"content", twin)


@pytest.mark.parametrize("text", ["", "ed25519:", "rsa:AAAA", "ed25519:AAAA", "d75a980182b10ab7"])
def test_what_is_no_public_key_is_said_to_be_none(text: str) -> None:
    with pytest.raises(KeyUnusable, match="not a public key"):
        verify(text, b"content", "")


def test_a_key_id_is_short_and_derived_from_the_public_key(key: SigningKey) -> None:
    assert key.key_id == key_id_of(key.public_key_text) == "21fe31dfa154a261"
    assert repr(key) == "SigningKey(21fe31dfa154a261)"


def test_a_new_key_is_kept_in_a_file_of_its_own_user(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "governor.pem"
    key = SigningKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["governor.pem"]
    assert SigningKey.load_or_create(path).public_key_text == key.public_key_text


def test_of_many_that_start_at_once_all_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "governor.pem"
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: SigningKey.load_or_create(path).key_id, range(16)))
    assert len(set(keys)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["governor.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "governor.pem"
    SigningKey.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match=f"mode {mode:04o} lets others at it"):
        SigningKey.load_or_create(path)


def test_a_link_to_a_key_is_refused(tmp_path: Path) -> None:
    SigningKey.load_or_create(tmp_path / "real.pem")
    for target in ("real.pem", "missing.pem"):
        link = tmp_path / f"link-to-{target}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(KeyUnusable, match="cannot be read"):
            SigningKey.load_or_create(link)


def pem(key: Ed25519PrivateKey | X25519PrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an unencrypted PKCS #8 PEM"),
        (b"secret", "not an unencrypted PKCS #8 PEM"),
        (pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")), "not an unencrypted PKCS #8 PEM"),
        (pem(X25519PrivateKey.generate(), NoEncryption()), "not an Ed25519 key"),
    ],
    ids=["empty", "text", "encrypted", "x25519"],
)
def test_a_file_without_a_key_is_never_overwritten(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "governor.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match=reason):
        SigningKey.load_or_create(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="not a file"):
        SigningKey.load_or_create(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "governor.pem"
    SigningKey.load_or_create(path)
    os.chown(path, 12345, -1)
    with pytest.raises(KeyUnusable, match="belongs to user 12345"):
        SigningKey.load_or_create(path)


# --- grants ----------------------------------------------------------------------------------------


def test_a_grant_allows_what_it_says(key: SigningKey, grant: Grant) -> None:
    check(sign_grant(grant, key), key.public_key_text)


def test_a_grant_survives_its_way_through_json(key: SigningKey, grant: Grant) -> None:
    text = sign_grant(grant, key).model_dump_json()
    check(SignedGrant.model_validate_json(text), key.public_key_text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "model-2"}, "it is for model model-1, not model-2"),
        ({"version": 4}, "it is for version 3, not 4"),
        ({"artifact": OTHER_DIGEST}, f"it is for artifact {DIGEST}, not {OTHER_DIGEST}"),
        ({"environment": "staging"}, "it is for environment prod, not staging"),
        ({"pool": "gpu"}, "it is for pool default, not gpu"),
        ({"now": START - timedelta(microseconds=1)}, "not valid before 2026-03-01T12:00:00.000000Z"),
        ({"now": START + timedelta(days=90)}, "expired at 2026-05-30T12:00:00.000000Z"),
    ],
)
def test_a_grant_allows_nothing_else(key: SigningKey, grant: Grant, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(GrantInvalid, match=reason):
        check(sign_grant(grant, key), key.public_key_text, **change)


def test_a_grant_holds_until_the_moment_it_ends(key: SigningKey, grant: Grant) -> None:
    check(sign_grant(grant, key), key.public_key_text, now=grant.valid_until - timedelta(microseconds=1))


@pytest.mark.parametrize(
    "change",
    [
        {"grant_id": "grant-2"},
        {"model": "model-2"},
        {"version": 4},
        {"artifact": OTHER_DIGEST},
        {"package": OTHER_DIGEST},
        {"environment": "dev"},
        {"pool": "gpu"},
        {"policy": OTHER_DIGEST},
        {"valid_from": START - timedelta(days=1)},
        {"valid_until": START + timedelta(days=900)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_grant_is_refused_for_its_signature(key: SigningKey, grant: Grant, change: dict[str, Any]) -> None:
    forged = sign_grant(grant, key).model_copy(update={"grant": grant.model_copy(update=change)})
    with pytest.raises(GrantInvalid, match="its signature is not that of key 21fe31dfa154a261"):
        check(forged, key.public_key_text, **{name: value for name, value in change.items() if name in ASKED})


ASKED = {"model", "version", "artifact", "environment", "pool"}


def test_a_grant_of_another_key_is_refused(key: SigningKey, grant: Grant, tmp_path: Path) -> None:
    other = SigningKey.load_or_create(tmp_path / "key")
    signed = sign_grant(grant, other)
    with pytest.raises(GrantInvalid, match=f"signed by key {other.key_id}, not by the trusted key {key.key_id}"):
        check(signed, key.public_key_text)
    with pytest.raises(GrantInvalid, match="its signature"):
        check(signed.model_copy(update={"key_id": key.key_id}), key.public_key_text)


def test_a_time_without_a_zone_decides_nothing(key: SigningKey, grant: Grant) -> None:
    with pytest.raises(ValueError, match="zone"):
        check(sign_grant(grant, key), key.public_key_text, now=datetime(2026, 3, 2))  # noqa: DTZ001
