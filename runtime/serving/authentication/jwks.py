"""The provider's public keys (RFC 7517), kept: fetched again when one is missing, or when they are old.

A token names its key, and anybody can name one that does not exist. So a missing key is looked for at most once in
``ASKED_EVERY``, whoever asks; in between it is simply missing. When the provider is away, the keys known go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_log = logging.getLogger(__name__)

ASKED_EVERY_S = 30.0
OLD_AFTER_S = 600.0
_ANSWERS_WITHIN_S = 5.0
_LARGEST_BYTES = 256 << 10

Fetch = Callable[[str], bytes]
"""The key set's bytes. Raises ``OSError`` or ``ValueError``."""


class KeySet:
    """Public keys by their ids. ``refresh`` blocks and belongs into a thread; the rest to the event loop."""

    def __init__(self, source: str, clock: Callable[[], float], fetch: Fetch | None = None) -> None:
        self._source, self._clock, self._fetch = source, clock, fetch or fetch_keys
        self._keys: dict[str, PyJWK] = {}
        self._asked = self._fresh = float("-inf")

    def find(self, kid: str) -> PyJWK | None:
        """The key of this id, if it is known."""
        return self._keys.get(kid)

    def may_ask(self) -> bool:
        """Whether the provider may be asked again; if so, it counts as asked now."""
        now = self._clock()
        if now - self._asked < ASKED_EVERY_S:
            return False
        self._asked = now
        return True

    def is_old(self) -> bool:
        """Whether a key may have been withdrawn without anybody having noticed."""
        return self._clock() - self._fresh >= OLD_AFTER_S

    def refresh(self) -> None:
        """Read the keys again; if that fails, those known stay."""
        try:
            self._keys = _parsed(self._fetch(self._source))
            self._fresh = self._clock()
        except (OSError, ValueError) as error:
            _log.warning("keys of the identity provider at %s were not read: %s", self._source, error)


def fetch_keys(source: str) -> bytes:
    """From a file or over HTTPS, without following redirects, at most ``_LARGEST_BYTES``."""
    parts = urlsplit(source)
    if parts.scheme in {"", "file"}:
        return Path(parts.path if parts.scheme else source).read_bytes()
    import httpx

    try:
        with httpx.stream("GET", source, timeout=_ANSWERS_WITHIN_S) as answer:
            if answer.status_code != httpx.codes.OK:
                raise OSError(f"it answered {answer.status_code}")
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > _LARGEST_BYTES:
                    raise ValueError(f"more than {_LARGEST_BYTES} bytes")
            return content
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _parsed(content: bytes) -> dict[str, PyJWK]:
    """Keys that check signatures and have an id. Secret (``oct``) keys and those for encryption are passed over."""
    document = orjson.loads(content)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JSON Web Key Set; expected an object with a list of keys")  # noqa: TRY004 - it is content
    keys = {}
    for each in listed:
        if not isinstance(each, dict) or each.get("kty") not in {"RSA", "EC", "OKP"} or each.get("use") == "enc":
            continue
        if isinstance(kid := each.get("kid"), str):
            try:
                keys[kid] = PyJWK({name: value for name, value in each.items() if name != "d"})
            except PyJWTError as error:
                _log.warning("key %r of the identity provider is passed over: %s", kid, error)
    return keys
