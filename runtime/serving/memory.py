"""The predictors that a replica holds, bounded in bytes: the least used of late make room for new ones.

    weight = sum over uses of 2 ** -(age of the use / HALF_LIFE)       (LRFU, Lee et al. 2001)

Of versions that were asked once each, the one asked longest ago goes first, as under LRU; one that is asked all the
time outweighs any number of those, so a walk over all models does not drive the busiest out. Never evicted are versions
that their route keeps (pinned, or one half of a rollout's pair), those in use by a request, and the one just loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from runtime.flavors import Predictor
from runtime.serving.live import Key, NotInMemory

HALF_LIFE = 60.0
"""Seconds after which a use counts half."""


@dataclass(slots=True)
class _Held:
    predictor: Predictor
    size_bytes: int
    used_at: float
    weight: float = 1.0
    users: int = 0

    def weight_at(self, now: float) -> float:
        weight: float = self.weight * 2.0 ** ((self.used_at - now) / HALF_LIFE)
        return weight


class _Use:
    """One request's hold of a version; a generator would cost twice as much."""

    __slots__ = ("_held", "_lock")

    def __init__(self, held: _Held, lock: threading.Lock) -> None:
        self._held, self._lock = held, lock

    def __enter__(self) -> Predictor:
        return self._held.predictor

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._held.users -= 1


class Memory:
    """Safe to use from any thread. ``limit_bytes`` may be passed only by what must not be evicted."""

    def __init__(self, limit_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit_bytes, clock
        self._held: dict[Key, _Held] = {}
        self._kept: set[Key] = set()
        self._size = 0
        self._lock = threading.Lock()
        self.evictions = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)

    @property
    def size_bytes(self) -> int:
        """Measured bytes of everything held."""
        return self._size

    def has_room(self) -> bool:
        """Whether one more of the mean size would fit."""
        with self._lock:
            mean = self._size // len(self._held) if self._held else 0
            return self._size + mean <= self._limit

    def use(self, key: Key) -> _Use:
        """For a ``with`` block: the predictor, which stays until its end. Raises ``NotInMemory``."""
        now = self._clock()
        with self._lock:
            held = self._held.get(key)
            if held is None:
                raise NotInMemory(key)
            held.users += 1
            held.weight = held.weight_at(now) + 1.0
            held.used_at = now
        return _Use(held, self._lock)

    def peek(self, key: Key) -> Predictor:
        """The predictor, for whoever keeps it beyond its time here. Raises ``NotInMemory``."""
        held = self._held.get(key)
        if held is None:
            raise NotInMemory(key)
        return held.predictor

    def put(self, key: Key, predictor: Predictor, size_bytes: int) -> None:
        """Hold it from now on, and make room."""
        with self._lock:
            self._remove(key)
            self._held[key] = _Held(predictor, size_bytes, self._clock())
            self._size += size_bytes
            self._make_room(key)

    def keep(self, keys: set[Key], of: set[Key]) -> None:
        """Of the keys ``of``, exactly ``keys`` are not to be evicted."""
        with self._lock:
            self._kept = (self._kept - of) | keys

    def drop(self, key: Key) -> None:
        """Forget it: no route names it any more. Who uses it has a reference of their own."""
        with self._lock:
            self._kept.discard(key)
            self._remove(key)

    def _remove(self, key: Key) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._size -= held.size_bytes

    def _make_room(self, new: Key) -> None:
        if self._size <= self._limit:
            return
        now = self._clock()
        may_go = [key for key, held in self._held.items() if key != new and not held.users and key not in self._kept]
        may_go.sort(key=lambda key: self._held[key].weight_at(now))
        for key in may_go:
            self._remove(key)
            self.evictions += 1
            if self._size <= self._limit:
                return
