"""What every request meets first: who asks, and not too often.

Two gates: ``Required`` lets in who proves who they are, ``Open`` believes the name in ``fleetward-caller`` and is for
machines that nobody else reaches. ``follow`` and ``tend`` belong to the follower of the governor, ``admit`` to the
event loop.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from runtime.domain.errors import RequestError
from runtime.domain.tokens import Key
from runtime.serving.authentication.errors import NO_CREDENTIAL, Unauthenticated
from runtime.serving.authentication.identity import Identity, anybody
from runtime.serving.authentication.keyring import KeyRing
from runtime.serving.authentication.oidc import Tokens, UnknownSigner
from runtime.serving.authentication.pepper import Pepper
from runtime.serving.authentication.quota import Buckets

_CALLER = re.compile(r"^[\x21-\x7e]{1,128}$")
_ANONYMOUS = anybody("anonymous")
_SCHEME = b"bearer "


class Gate(Protocol):
    """Lets a request in, as somebody."""

    async def admit(self, headers: Mapping[bytes, bytes]) -> Identity:
        """Who asks. Raises ``Unauthenticated`` or ``OverQuota``."""
        ...

    def follow(self, keys: Iterable[Key]) -> None:
        """These keys are new or changed."""
        ...

    def tend(self) -> None:
        """What is to be done now and then, in a thread."""
        ...


class Open:
    """Everybody is who they say; nothing is proved."""

    async def admit(self, headers: Mapping[bytes, bytes]) -> Identity:
        """Raises ``RequestError`` for a name that is none."""
        value = headers.get(b"fleetward-caller")
        if value is None:
            return _ANONYMOUS
        caller = value.decode("latin-1")
        if _CALLER.match(caller) is None:
            raise RequestError("header fleetward-caller", repr(caller[:40]), "1 to 128 visible ASCII characters")
        return anybody(caller)

    def follow(self, keys: Iterable[Key]) -> None:
        """Nobody needs a key."""

    def tend(self) -> None:
        """Nothing to do."""


class Required:
    """API keys that the governor tells of, and tokens of an identity provider if there is one."""

    def __init__(
        self,
        pepper: Pepper,
        tokens: Tokens | None = None,
        *,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = KeyRing(pepper, {})
        self._tokens, self._clock = tokens, clock
        self._buckets = Buckets(elapsed)
        self._asking: asyncio.Task[None] | None = None

    async def admit(self, headers: Mapping[bytes, bytes]) -> Identity:
        """The name in ``fleetward-caller`` is not read: a caller is who they prove to be."""
        text = _credential(headers)
        try:
            identity = self._identity(text)
        except UnknownSigner:
            if not await self._asked_the_provider():
                raise
            identity = self._identity(text)
        if identity.per_second is not None:
            self._buckets.take(identity.caller, identity.per_second)
        return identity

    def _identity(self, text: str) -> Identity:
        now, tokens = self._clock(), self._tokens
        beyond = None if tokens is None else lambda other: tokens.identity(other, now)
        return self._ring.identity(text, now, beyond)

    async def _asked_the_provider(self) -> bool:
        """Whether its keys were just read again, by this request or by another one at the same time."""
        assert self._tokens is not None  # noqa: S101 - only its tokens have an unknown signer
        if self._asking is None or self._asking.done():
            if not self._tokens.keys.may_ask():
                return False
            self._asking = asyncio.create_task(asyncio.to_thread(self._tokens.keys.refresh))
        await asyncio.shield(self._asking)
        return True

    def follow(self, keys: Iterable[Key]) -> None:
        """From now on, with nothing remembered of before."""
        changed = list(keys)
        if changed:
            self._ring = self._ring.with_changed(changed)

    def tend(self) -> None:
        """Reads the provider's keys again when they are old."""
        if self._tokens is not None and self._tokens.keys.is_old() and self._tokens.keys.may_ask():
            self._tokens.keys.refresh()


def _credential(headers: Mapping[bytes, bytes]) -> str:
    """What the header proves with (RFC 6750, 2.1). Credentials in the path or the body are never read."""
    value = headers.get(b"authorization")
    if value is None or value[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated(NO_CREDENTIAL)
    return value[len(_SCHEME) :].strip().decode("latin-1")
