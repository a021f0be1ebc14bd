"""Facts of a tick that its bins do not hold: infinities, types, ranges, callers, latency. Facts add up, in any order.

    profile.count    how many rows lie in each bin            the detector, shares of missing and unseen
    facts            what lies beside: a few numbers and names, bounded however long a tick is

Latency is kept in bins of an eighth of an octave, so that a quantile is known to about 9%.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import Column, NumericBins, is_missing
from runtime.statistics.profile import Profile

MOST_NAMES = 100
"""Callers, or categories of a feature, that a tick keeps by name; the rest are counted together."""
OTHERS = "(others)"
PER_OCTAVE = 8

Tally: TypeAlias = dict[str, int]
Span: TypeAlias = tuple[float, float] | tuple[str, str]
"""The least and the greatest value: the same one twice where a column is constant."""
Boundaries: TypeAlias = Mapping[str, "tuple[float, float] | frozenset[str]"]


@dataclass(slots=True)
class Facts:
    """What is known of some rows. ``uncountable`` values count as missing; ``newest`` is the newest row's time."""

    rows: int = 0
    duplicates: int = 0
    failed: int = 0
    ahead: int = 0
    newest: datetime | None = None
    infinite: Tally = field(default_factory=dict)
    uncountable: Tally = field(default_factory=dict)
    out_of_range: Tally = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    callers: Tally = field(default_factory=dict)
    outside: dict[str, Tally] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)

    def __add__(self, other: Facts) -> Facts:
        times = [each for each in (self.newest, other.newest) if each is not None]
        names = self.outside.keys() | other.outside.keys()
        return Facts(
            rows=self.rows + other.rows,
            duplicates=self.duplicates + other.duplicates,
            failed=self.failed + other.failed,
            ahead=self.ahead + other.ahead,
            newest=max(times, default=None),
            infinite=_sum(self.infinite, other.infinite),
            uncountable=_sum(self.uncountable, other.uncountable),
            out_of_range=_sum(self.out_of_range, other.out_of_range),
            spans=_joined(self.spans, other.spans),
            callers=bounded(_sum(self.callers, other.callers)),
            outside={
                name: bounded(_sum(self.outside.get(name, {}), other.outside.get(name, {}))) for name in sorted(names)
            },
            latency={at: self.latency.get(at, 0) + other.latency.get(at, 0) for at in {*self.latency, *other.latency}},
        )

    def latency_ms(self, quantile: float) -> float | None:
        """Below which this share of the requests was answered; ``None`` of no requests."""
        total = sum(self.latency.values())
        needed = quantile * total
        seen = 0
        for at in sorted(self.latency):
            seen += self.latency[at]
            if seen >= needed:
                return float(2.0 ** ((at + 1) / PER_OCTAVE)) / 1000
        return None

    def as_document(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rows": self.rows,
            "duplicates": self.duplicates,
            "failed": self.failed,
            "ahead": self.ahead,
            "newest": None if self.newest is None else self.newest.isoformat(),
            "infinite": self.infinite,
            "uncountable": self.uncountable,
            "out_of_range": self.out_of_range,
            "spans": {name: list(span) for name, span in self.spans.items()},
            "callers": self.callers,
            "outside": self.outside,
            "latency": {str(at): count for at, count in self.latency.items()},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Facts:
        """The inverse."""
        known = dict(document)
        known["newest"] = None if known["newest"] is None else datetime.fromisoformat(known["newest"])
        known["spans"] = {name: tuple(span) for name, span in known["spans"].items()}
        known["latency"] = {int(at): count for at, count in known["latency"].items()}
        return cls(**known)


def countable(profile: Profile, columns: Mapping[str, Column]) -> tuple[dict[str, Column], Tally]:
    """Columns that the profile can count, and how many values of each are not what its bins expect.

    Those are missing in what is returned: a text where a number should be is no number. Columns that the profile does
    not know are left out.
    """
    found: dict[str, Column] = {}
    wrong: Tally = {}
    for feature in profile.features:
        if feature.name not in columns:
            continue
        values = columns[feature.name]
        if isinstance(feature.bins, NumericBins):
            values, count = _numbers(values)
            if count:
                wrong[feature.name] = count
        found[feature.name] = values
    return found, wrong


def facts_of(
    profile: Profile, columns: Mapping[str, Column], bounds: Mapping[str, tuple[float, float]], boundaries: Boundaries
) -> Facts:
    """Facts of columns as ``countable`` gives them; ``bounds`` are training's, ``boundaries`` those of approved use."""
    facts = Facts()
    for feature in profile.features:
        if feature.name not in columns:
            continue
        values = columns[feature.name]
        if isinstance(feature.bins, NumericBins):
            _of_numbers(facts, feature.name, np.asarray(values, dtype=np.float64), bounds.get(feature.name))
        elif span := _span_of_texts(values):
            facts.spans[feature.name] = span
    for name, boundary in boundaries.items():
        if name in columns and (outside := _outside(columns[name], boundary)):
            facts.outside[name] = outside
    return facts


def latency_bins(latencies_us: Iterable[int]) -> dict[int, int]:
    """Counts by eighth of an octave of microseconds."""
    return dict(Counter(math.floor(PER_OCTAVE * math.log2(max(each, 1))) for each in latencies_us))


def bounded(tally: Tally) -> Tally:
    """The most frequent names, the rest together."""
    if len(tally) <= MOST_NAMES:
        return tally
    ranked = sorted(((name, n) for name, n in tally.items() if name != OTHERS), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[: MOST_NAMES - 1])
    return kept | {OTHERS: sum(tally.values()) - sum(kept.values())}


def _numbers(values: Column) -> tuple[npt.NDArray[np.float64], int]:
    """As numbers; what is none is missing, and counted."""
    column = np.asarray(values)
    if column.dtype.kind in "biuf":
        return column.astype(np.float64, copy=False), 0
    numbers = np.full(len(column), np.nan)
    wrong = 0
    for place, value in enumerate(column.tolist()):
        if is_missing(value):
            continue
        try:
            numbers[place] = float(value) if hasattr(value, "__float__") else np.nan
        except (OverflowError, ValueError):  # an integer beyond all floats, a decimal that is no number
            numbers[place] = np.nan
        wrong += bool(np.isnan(numbers[place]))
    return numbers, wrong


def _of_numbers(facts: Facts, name: str, column: npt.NDArray[np.float64], bounds: tuple[float, float] | None) -> None:
    finite = column[np.isfinite(column)]
    if infinite := int(np.isinf(column).sum()):
        facts.infinite[name] = infinite
    if finite.size:
        facts.spans[name] = (float(finite.min()), float(finite.max()))
        if bounds is not None and (beyond := int(((finite < bounds[0]) | (finite > bounds[1])).sum())):
            facts.out_of_range[name] = beyond


def _span_of_texts(values: Column) -> Span | None:
    labels = {str(value) for value in np.asarray(values, dtype=object).tolist() if not is_missing(value)}
    return (min(labels), max(labels)) if labels else None


def _outside(values: Column, boundary: tuple[float, float] | frozenset[str]) -> Tally:
    if isinstance(boundary, frozenset):
        present = Counter(str(value) for value in np.asarray(values, dtype=object).tolist() if not is_missing(value))
        return bounded({name: count for name, count in sorted(present.items()) if name not in boundary})
    numbers, _ = _numbers(values)
    below, above = int((numbers < boundary[0]).sum()), int((numbers > boundary[1]).sum())
    told = {f"below {boundary[0]:g}": below, f"above {boundary[1]:g}": above}
    return {name: count for name, count in told.items() if count}


def _sum(one: Tally, other: Tally) -> Tally:
    if not one or not other:
        return dict(one or other)
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted(one.keys() | other.keys())}


def _joined(one: Mapping[str, Span], other: Mapping[str, Span]) -> dict[str, Span]:
    joined = dict(one)
    for name, (low, high) in other.items():
        if name in joined:
            before = joined[name]
            joined[name] = (min(before[0], low), max(before[1], high))  # type: ignore[assignment]
        else:
            joined[name] = (low, high)  # type: ignore[assignment]
    return joined
