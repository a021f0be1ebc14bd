"""Ed25519 keys (RFC 8032), and the grants that they sign.

    private key   PKCS #8 PEM, unencrypted, in a file of mode 0600 that belongs to the process's user
    public key    ``ed25519:`` and the base64 of its 32 bytes
    key id        the first 16 hex digits of the SHA-256 of those 32 bytes: tells keys apart, proves nothing
    signature     base64 of its 64 bytes, over the canonical JSON (RFC 8785) of the document

The key's file is written beside its place, synced, and linked into it: whoever finds the file finds a
whole key, and of two processes that start at once one makes the key and the other loads it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from runtime.domain import canonical
from runtime.domain.base import rfc3339
from runtime.domain.errors import GrantInvalid
from runtime.domain.grant import Grant, SignedGrant
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.private_files import place_private, read_private
from runtime.ledger.signers import Key

PUBLIC_PREFIX = "ed25519:"
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64


class SigningKey:
    """A private key and the name of its public half. Its secret is never shown."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key().public_bytes_raw()
        self.public_key_text = PUBLIC_PREFIX + base64.b64encode(public).decode("ascii")
        self.key_id = _id_of(public)

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key in this file, made there if there is none (folders too, mode 0700).

        Raises ``KeyUnusable`` when others may read or write the file, when it is another user's, a
        symbolic link, or no Ed25519 key.
        """
        if not path.exists() and not path.is_symlink():
            _create(path)
        return cls(_load(path))

    def sign(self, content: bytes) -> str:
        """The signature of these bytes, in base64."""
        return base64.b64encode(self._private.sign(content)).decode("ascii")

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def verify(public_key_text: str, content: bytes, signature: str) -> bool:
    """Whether the signature (base64) is this key's over these bytes. Raises ``KeyUnusable`` on no public key."""
    public = Ed25519PublicKey.from_public_bytes(_public_bytes(public_key_text))
    raw = _plain_base64(signature, SIGNATURE_BYTES)
    if raw is None:
        return False
    try:
        public.verify(raw, content)
    except InvalidSignature:
        return False
    return True


def key_id_of(public_key_text: str) -> str:
    """The id of a public key. Raises ``KeyUnusable`` when the text is none."""
    return _id_of(_public_bytes(public_key_text))


def sign_grant(grant: Grant, key: Key) -> SignedGrant:
    """The grant with the key's signature over its canonical JSON."""
    return SignedGrant(grant=grant, key_id=key.key_id, signature=key.sign(_signed_bytes(grant)))


def check_grant(
    signed: SignedGrant,
    public_key_text: str,
    *,
    model: str,
    version: int,
    artifact: str,
    environment: str,
    pool: str,
    now: datetime,
) -> None:
    """Pass silently if the grant lets exactly this be served now: valid_from <= now < valid_until.

    Raises ``GrantInvalid`` with the first reason it does not, ``KeyUnusable`` on no public key, and
    ``ValueError`` when ``now`` has no zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"now needs its zone; got {now.isoformat()}")
    asked = {"model": model, "version": version, "artifact": artifact, "environment": environment, "pool": pool}
    for reason in _objections(signed, public_key_text, asked, now):
        raise GrantInvalid(model, version, reason)


def _objections(signed: SignedGrant, public_key_text: str, asked: dict[str, object], now: datetime) -> Iterator[str]:
    grant = signed.grant
    trusted = key_id_of(public_key_text)
    if signed.key_id != trusted:
        yield f"signed by key {signed.key_id}, not by the trusted key {trusted}"
    if not verify(public_key_text, _signed_bytes(grant), signed.signature):
        yield f"its signature is not that of key {trusted} over this grant"
    for name, value in asked.items():
        granted = getattr(grant, name)
        if granted != value:
            yield f"it is for {name} {granted}, not {value}"
    if now < grant.valid_from:
        yield f"not valid before {rfc3339(grant.valid_from)}; it is {rfc3339(now)}"
    if now >= grant.valid_until:
        yield f"expired at {rfc3339(grant.valid_until)}; it is {rfc3339(now)}"


def _signed_bytes(grant: Grant) -> bytes:
    return canonical.encode(grant.as_document())


def _id_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def _public_bytes(text: str) -> bytes:
    public = _plain_base64(text.removeprefix(PUBLIC_PREFIX), PUBLIC_BYTES)
    if public is None or not text.startswith(PUBLIC_PREFIX):
        raise KeyUnusable(text[:80], f"not a public key; expected {PUBLIC_PREFIX} and the base64 of 32 bytes")
    return public


def _plain_base64(text: str, size: int) -> bytes | None:
    """The bytes, if there are ``size`` of them in their one spelling (unused bits are zero)."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    if len(raw) != size or base64.b64encode(raw).decode("ascii") != text:
        return None
    return raw


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        content = read_private(path)
    except OSError as error:
        raise KeyUnusable(str(path), f"cannot be read: {error.strerror}") from error
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:  # TypeError: the PEM is encrypted
        raise KeyUnusable(str(path), "not an unencrypted PKCS #8 PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(str(path), "not an Ed25519 key")
    return key


def _create(path: Path) -> None:
    """Put a new key in place, unless another process was faster."""
    place_private(path, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
