"""Leaves of versions that were explained lately: taken apart once a version, since that costs more than a row does.

version ──weakly──> leaves        gone with the version, and when newer ones need the room
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

LIMIT_BYTES = 64 << 20


class Sized(Protocol):
    """What says how much memory it takes."""

    @property
    def size_bytes(self) -> int: ...


_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept", bound=Sized)


class Kept(Generic[_Key, _Kept]):
    """Safe to use from any thread; two that ask at once may both build."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._held: WeakKeyDictionary[_Key, _Kept] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, key: _Key, build: Callable[[], _Kept | None]) -> _Kept | None:
        """What is kept for the key, or what ``build`` makes now; what it makes of nothing is not kept."""
        with self._lock:
            held = self._held.get(key)
        if held is not None:
            return held
        made = build()
        if made is not None and made.size_bytes <= self._limit:
            with self._lock:
                self._held[key] = made
                self._make_room()
        return made

    def _make_room(self) -> None:
        """The first kept goes first: building again is slow, and never wrong."""
        while sum(each.size_bytes for each in self._held.values()) > self._limit:
            del self._held[next(iter(self._held))]
