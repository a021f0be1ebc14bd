"""API keys as a replica knows them, and the answer to "whose is this", remembered.

    text ─> SHA-256 ─> remembered? ─> identity                     without an HMAC
                            │ no
                            └─> id ─> key ─> HMAC under the pepper, compared in constant time ─> remembered

What is looked up is a digest of the text, so neither the time of a look-up nor the memory tells a secret. A ring never
changes: what the governor tells makes a new one, with nothing remembered, so that a revoked key is out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256

from runtime.domain.tokens import Key
from runtime.serving.authentication.errors import Unauthenticated
from runtime.serving.authentication.identity import Identity
from runtime.serving.authentication.pepper import Pepper, token_of

REMEMBERED = 4096
"""Identities remembered at once; then all are forgotten, which costs each an HMAC."""


class KeyRing:
    """All keys as of one moment."""

    def __init__(self, pepper: Pepper, keys: Mapping[str, Key]) -> None:
        self._pepper, self._keys = pepper, keys
        self._known: dict[bytes, Identity] = {}

    def with_changed(self, keys: Iterable[Key]) -> KeyRing:
        """A ring that knows these keys too, or as they are now."""
        return KeyRing(self._pepper, {**self._keys, **{key.token: key for key in keys}})

    def identity(self, text: str, now: float, beyond: Callable[[str], Identity] | None = None) -> Identity:
        """Whose key this is. What has not the form of one goes to ``beyond``, if given.

        Raises ``Unauthenticated``.
        """
        place = sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(place)
        if known is not None and now < known.expires:
            return known
        token = token_of(text)
        found = self._checked(token, text, now) if token is not None or beyond is None else beyond(text)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[place] = found
        return found

    def _checked(self, token: str | None, text: str, now: float) -> Identity:
        key = self._keys.get(token or "")
        # One reason for all that is wrong with a secret or an id: it must not tell which ids there are.
        if key is None or not self._pepper.is_of(text, key.secret):
            raise Unauthenticated("the key is not valid")
        if not key.is_live(datetime.fromtimestamp(now, UTC)):
            raise Unauthenticated(f"key {key.token} {'was revoked' if key.revoked else 'has expired'}")
        return Identity(
            caller=key.token,
            principal=key.principal,
            roles=frozenset(key.roles),
            models=key.models,
            per_second=key.per_second,
            expires=key.expires.timestamp(),
        )
