"""How often a caller may ask: a token bucket for each caller and replica.

A bucket holds as much as a second brings (at least one request), so a burst of that size passes at once. Replicas do
not tell each other: over a pool of N replicas a caller gets N times its quota, as long as it reaches all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from runtime.serving.authentication.errors import OverQuota

_MOST_BUCKETS = 10_000


class Buckets:
    """One bucket a caller, at its own rate."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._filled: dict[str, tuple[float, float, float]] = {}

    def take(self, caller: str, per_second: float) -> None:
        """One request of the caller's. Raises ``OverQuota`` when there is none left."""
        now, full = self._clock(), max(1.0, per_second)
        level, at, rate = self._filled.get(caller) or (full, now, per_second)
        level = min(full, level + (now - at) * per_second) if rate == per_second else full
        if level < 1.0:
            self._filled[caller] = (level, now, per_second)
            raise OverQuota(caller, per_second, (1.0 - level) / per_second)
        if len(self._filled) >= _MOST_BUCKETS and caller not in self._filled:
            self._forget_full(now)
        self._filled[caller] = (level - 1.0, now, per_second)

    def _forget_full(self, now: float) -> None:
        """A full bucket is as good as none; when all are in use, the callers begin anew rather than fill the memory."""
        self._filled = {
            caller: (level, at, rate)
            for caller, (level, at, rate) in self._filled.items()
            if level + (now - at) * rate < max(1.0, rate)
        }
        if len(self._filled) >= _MOST_BUCKETS:
            self._filled.clear()
