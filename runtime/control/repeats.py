"""``Idempotency-Key``: a command that is sent twice happens once, and is answered the same.

    in this process   the answer itself is kept for a while, by who asked and the key
    in the ledger     the key makes the event's id, so that after a restart too nothing is recorded a second time

One key is one command: with another path or body it is refused. Two of the same at once wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from runtime.domain.errors import IdempotencyConflict
from runtime.domain.ids import derived_id

KEPT_SECONDS = 600.0
MOST = 10_000


@dataclass(slots=True)
class Slot:
    """One key's command: ``answer`` once there is one. ``turn`` is held while it is carried out."""

    fingerprint: bytes
    since: float
    answer: dict[str, Any] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Repeats:
    """The commands of the last minutes that came with a key. Belongs to one event loop."""

    def __init__(self, elapsed: Callable[[], float], *, most: int = MOST) -> None:
        self._elapsed, self._most = elapsed, most
        self._slots: OrderedDict[tuple[str, str], Slot] = OrderedDict()

    @asynccontextmanager
    async def once(self, principal: str, key: str, fingerprint: bytes) -> AsyncIterator[Slot]:
        """The key's slot, for as long as the command takes. Raises ``IdempotencyConflict`` for another command."""
        slot = self._slots.get((principal, key))
        if slot is None:
            self._forget()
            slot = self._slots[principal, key] = Slot(fingerprint, self._elapsed())
        elif slot.fingerprint != fingerprint:
            raise conflict(key)
        async with slot.turn:
            try:
                yield slot
            finally:
                if slot.answer is None:  # refused, or not known: the next one finds out anew
                    self._slots.pop((principal, key), None)

    def _forget(self) -> None:
        now = self._elapsed()
        for name, slot in list(self._slots.items()):
            is_old = now - slot.since >= KEPT_SECONDS
            if not is_old and len(self._slots) < self._most:
                return
            if not slot.turn.locked():
                del self._slots[name]


def fingerprint(path: str, body: dict[str, Any]) -> bytes:
    """The same for the same command."""
    return sha256(orjson.dumps([path, body], option=orjson.OPT_SORT_KEYS)).digest()


def event_id(principal: str, key: str, command: str) -> str:
    """The id under which the command of this key is recorded: a key of somebody else's is another one."""
    return derived_id("control", principal, key, command)


def conflict(key: str) -> IdempotencyConflict:
    """Another command came with this key before."""
    return IdempotencyConflict(f"a command with Idempotency-Key {key!r}", "another command came with that key before")
