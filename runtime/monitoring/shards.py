"""Which of several monitors a model belongs to: rendezvous hashing.

Each monitor's claim to a model is a hash of both; the highest takes it. When monitors are added, only the models that
the new ones take move, and when some leave, only theirs (Thaler and Ravishankar, "Using name-based mappings to
increase hit rates", IEEE/ACM Trans. Networking 1998).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Shard:
    """Monitor ``monitor`` (from 0) of ``monitors``; one whose number is beyond them owns nothing."""

    monitor: int = 0
    monitors: int = 1

    def owns(self, model: str) -> bool:
        """Whether the model is this monitor's to watch."""
        return owner(model, self.monitors) == self.monitor


@lru_cache(maxsize=1 << 17)
def owner(model: str, monitors: int) -> int:
    """The monitor that a model belongs to, of so many."""
    return max(range(monitors), key=lambda monitor: _claim(model, monitor))


def _claim(model: str, monitor: int) -> bytes:
    return hashlib.blake2b(f"{monitor}\0{model}".encode(), digest_size=8).digest()
