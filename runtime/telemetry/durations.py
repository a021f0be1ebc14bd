"""How long things took, counted in buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
"""Upper ends in seconds; what took longer than the last is in ``+Inf`` alone."""
_LE: Final = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")


class Durations:
    """A count for each bucket, and the sum in seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.seconds += seconds
        self.counts[bisect_left(BOUNDS, seconds)] += 1

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    def within(self) -> Iterator[tuple[str, int]]:
        """(le, how many took at most so long), as Prometheus writes the buckets of a histogram."""
        return zip(_LE, accumulate(self.counts), strict=True)
