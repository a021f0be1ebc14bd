"""A measured value on its way out, and which models go by their name.

A fleet of thousands of models would make as many series of every metric. The first ``NAMED`` models by name keep
theirs, the same ones in every process; of the others counts are added up under ``OTHERS``, and gauges, which have no
sum, are left out: what is worst in the whole fleet has gauges of its own.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from runtime.telemetry.families import Family

NAMED: Final = 200
OTHERS: Final = "(others)"
UNKNOWN: Final = "(unknown)"
"""No model of that name is known here: callers make names up."""


class Sample(NamedTuple):
    """A gauge's value, or what a counter grew by; ``labels`` in the order of the family's."""

    family: Family
    labels: tuple[str, ...]
    value: float


class Names:
    """Which of these models keep their names."""

    def __init__(self, models: Collection[str], limit: int = NAMED) -> None:
        self._known = frozenset(models)
        self._kept = self._known if len(models) <= limit else frozenset(heapq.nsmallest(limit, models))

    def keeps(self, model: str) -> bool:
        """Whether the model has series of its own."""
        return model in self._kept

    def label(self, model: str) -> str:
        """The model's label."""
        if model in self._kept:
            return model
        return OTHERS if model in self._known else UNKNOWN


def summed(samples: Iterable[Sample]) -> list[Sample]:
    """One for each family and labels: counts that share them now are added up."""
    sums: dict[tuple[Family, tuple[str, ...]], float] = defaultdict(float)
    for family, labels, value in samples:
        sums[family, labels] += value
    return [Sample(family, labels, value) for (family, labels), value in sums.items()]
