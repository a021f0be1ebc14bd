"""A circuit breaker: what keeps failing is left alone for a while, so that callers learn it at once.

closed --`failures` in a row--> open --`rest` is over--> half open --answer--> closed
^----------------------- failure --'
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from runtime.domain.training import Breaker


class CircuitBreaker:
    """``clock`` gives monotonic seconds. Safe to use from several threads."""

    def __init__(self, settings: Breaker, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened: float | None = None

    def refusal(self) -> str:
        """Why nothing may be asked now, or nothing. After the rest one caller may ask, and the next after another."""
        with self._lock:
            if self._opened is None:
                return ""
            left = self._opened + self._settings.rest.total_seconds() - self._clock()
            if left > 0:
                return f"it failed {self._failures} times in a row and is left alone for {left:.1f} s more"
            self._opened = self._clock()
            return ""

    def succeeded(self) -> None:
        """It answered: closed."""
        with self._lock:
            self._failures, self._opened = 0, None

    def failed(self) -> None:
        """It did not: open, if that was one too many."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._settings.failures:
                self._opened = self._clock()
