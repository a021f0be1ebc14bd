"""API keys and the pepper under which their secrets are kept.

    key      ID.SECRET     ID 16 characters of a-z and 2-7; SECRET 43 characters, base64url of 256 random bits
    kept     hmac-sha256:HEX of HMAC-SHA256(pepper, ID "." SECRET)
    pepper   64 hex digits, in a file of mode 0600 apart from the ledger; the same on every machine with a replica

A secret is shown once, where it is made. What is kept of it stands in the ledger, whose readers can try no secret
against it without the pepper. The cluster's own secret, with which its services and jobs record, is drawn from the
same pepper and written down nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import NamedTuple, Self

from runtime.ledger.errors import KeyUnusable
from runtime.ledger.private_files import place_private, read_private

OWN = "fleetward-own"
"""The id under which services and jobs of the cluster itself prove that they are."""

_PEPPER = re.compile(rb"[0-9a-f]{64}\s*")
_KEY = re.compile(r"([0-9a-z-]{12,32})\.([A-Za-z0-9_-]{43})")


class NewKey(NamedTuple):
    """A key that was just made: ``text`` is shown once and then forgotten, ``secret`` is kept."""

    token: str
    text: str
    secret: str


class Pepper:
    """The secret that all API keys are checked with. It is never shown."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def load(cls, path: Path) -> Self:
        """The pepper in this file. Raises ``KeyUnusable`` when there is none, or others can read it."""
        try:
            content = read_private(path)
        except OSError as error:
            raise KeyUnusable(str(path), f"cannot be read: {error.strerror}") from error
        if _PEPPER.fullmatch(content) is None:
            raise KeyUnusable(str(path), "no pepper; expected 64 hex digits")
        return cls(bytes.fromhex(content.decode()))

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The pepper in this file, made there if there is none. Raises as ``load``."""
        if not path.exists() and not path.is_symlink():
            place_private(path, secrets.token_hex(32).encode() + b"\n")
        return cls.load(path)

    def new_key(self) -> NewKey:
        """A key that nobody had before."""
        token = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        text = f"{token}.{secrets.token_urlsafe(32)}"
        return NewKey(token, text, self.digest(text))

    def digest(self, text: str) -> str:
        """What is kept of a key."""
        return f"hmac-sha256:{hmac.digest(self._secret, text.encode(), hashlib.sha256).hex()}"

    def is_of(self, text: str, kept: str) -> bool:
        """Whether this key is the one of which this was kept; takes as long whatever differs."""
        return hmac.compare_digest(self.digest(text), kept)

    def own_key(self) -> str:
        """The key of the cluster's own services and jobs."""
        own = hmac.digest(self._secret, OWN.encode(), hashlib.sha256)
        return f"{OWN}.{base64.urlsafe_b64encode(own).decode().rstrip('=')}"

    def is_own(self, text: str) -> bool:
        """Whether this is the cluster's own key."""
        return hmac.compare_digest(self.own_key(), text)

    def __repr__(self) -> str:
        return "Pepper(...)"


def token_of(text: str) -> str | None:
    """The id of an API key, None for what has not the form of one."""
    match = _KEY.fullmatch(text)
    return None if match is None else match[1]
