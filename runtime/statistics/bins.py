"""Fixed bins: how one column becomes a short vector of counts.

    NumericBins       ..edge_0] (edge_0..edge_1] ... (edge_n..   | missing      size = edges + 2
    CategoricalBins   category_0, category_1, ... , other        | missing      size = categories + 2

The last bin is always "missing" (None, NaN). Counts over the same bins merge by addition. Infinities fall
into the outer numeric bins. A value that makes up a large part of the sample (a zero-inflated column, a
constant, a flag) gets a bin of its own, so that leaving it is seen in both directions.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.statistics.counting import loops
from runtime.statistics.errors import InvalidStatistic, UncountableColumn

CountVector: TypeAlias = npt.NDArray[np.int64]
FloatVector: TypeAlias = npt.NDArray[np.float64]
Document: TypeAlias = dict[str, Any]
Column: TypeAlias = npt.ArrayLike | Sequence[object]
"""One column: an array, or a plain list that may hold None."""

MAX_BINS = 16
"""Numeric bins of a baseline with enough rows (missing not counted)."""
ROWS_PER_BIN = 10
"""A small baseline gets one bin for so many rows, and at least ``MIN_BINS``."""
MIN_BINS = 2
MAX_CATEGORIES = 30
"""Categories that get a bin of their own; the rest are "other"."""
MAX_UNSEEN = 20
"""Unseen categories that are reported by name."""


@dataclass(frozen=True, slots=True)
class NumericBins:
    """Bins between strictly increasing, finite ``edges``; a bin holds its upper edge.

    >>> NumericBins((0.0, 1.0)).count([-1.0, 0.0, 0.5, 7.0, float("inf"), None]).tolist()
    [2, 1, 2, 1]

    Raises InvalidStatistic if the edges are not finite or do not increase.
    """

    edges: tuple[float, ...]
    cuts: FloatVector = field(init=False, repr=False, compare=False)
    """The edges as an array, made once: a tick counts every feature of every model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", np.array(self.edges, dtype=np.float64))
        if not all(math.isfinite(edge) for edge in self.edges):
            raise InvalidStatistic("edges", "must be finite")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise InvalidStatistic("edges", "must increase strictly")

    @classmethod
    def from_sample(cls, values: Column, *, max_bins: int = MAX_BINS) -> "NumericBins":
        """Equal-mass bins: edges are the sample's own values at k/K, K = clamp(rows // 10, 2, max_bins).

        An edge that repeats marks a value holding at least 1/K of the rows; it is cut out on both sides.

        >>> NumericBins.from_sample(range(160)).edges[:3]
        (9.0, 19.0, 29.0)
        >>> NumericBins.from_sample([5.0] * 50).count([4.0, 5.0, 5.0, 6.0]).tolist()
        [1, 2, 1, 0]
        """
        if max_bins < MIN_BINS:
            raise InvalidStatistic("max_bins", f"must be at least {MIN_BINS}")
        column = _floats(values)
        present = column[~np.isnan(column)].astype(np.float64)
        if not present.size:
            return cls(())
        bins = min(max(present.size // ROWS_PER_BIN, MIN_BINS), max_bins)
        at = np.arange(1, bins) / bins
        return cls(_cut(np.quantile(present, at, method="inverted_cdf").tolist()))

    @property
    def size(self) -> int:
        """The length of a count vector: bins between edges, then missing."""
        return len(self.edges) + 2

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each bin, in order."""
        marks = ["-inf", *(f"{edge:g}" for edge in self.edges), "inf"]
        between = (f"({low}, {high}]" for low, high in pairwise(marks))
        return (*between, "missing")

    @property
    def positions(self) -> FloatVector:
        """One representative value for each bin but missing: midpoints, and the edge itself outside."""
        if not self.edges:
            return np.zeros(1)
        edges = np.asarray(self.edges)
        return np.concatenate((edges[:1], edges[:-1] / 2 + edges[1:] / 2, edges[-1:]))

    def count(self, values: Column) -> CountVector:
        """Counts of ``values`` (1-D; float32 and float64 are not copied), shape ``(size,)``.

        Comparison is in float64. Raises UncountableColumn if a value is not a number.
        """
        return loops().between(self.cuts, _floats(values))

    def as_document(self) -> Document:
        return {"kind": "numeric", "edges": list(self.edges)}


@dataclass(frozen=True, slots=True)
class CategoricalBins:
    """One bin for each of ``categories``, then other/unseen, then missing.

    Labels are text; whole floats read as integers (a column of integers with a gap arrives as floats).

    >>> CategoricalBins(("EWR", "JFK")).count(["JFK", "JFK", "LGA", None]).tolist()
    [0, 2, 1, 1]

    Raises InvalidStatistic if a category repeats.
    """

    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.categories)) != len(self.categories):
            raise InvalidStatistic("categories", "must be different from each other")

    @classmethod
    def from_sample(cls, values: Column, *, max_categories: int = MAX_CATEGORIES) -> "CategoricalBins":
        """The most frequent categories of the sample, ties in alphabetical order.

        >>> CategoricalBins.from_sample(["b", "a", "b", None], max_categories=1).categories
        ('b',)
        """
        if max_categories < 1:
            raise InvalidStatistic("max_categories", "must be at least 1")
        return cls(tuple(label for label, _ in _ranked(_tally(values)[0])[:max_categories]))

    @property
    def size(self) -> int:
        """The length of a count vector: categories, other, missing."""
        return len(self.categories) + 2

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each bin, in order."""
        return (*self.categories, "other", "missing")

    def count(self, values: Column) -> CountVector:
        """Counts of ``values`` (1-D), shape ``(size,)``. Raises UncountableColumn if it is not 1-D."""
        tally, missing = _tally(values)
        known = [tally.get(category, 0) for category in self.categories]
        return np.array([*known, tally.total() - sum(known), missing], dtype=np.int64)

    def unseen(self, values: Column, *, limit: int = MAX_UNSEEN) -> dict[str, int]:
        """What lies in "other", by name: the ``limit`` most frequent labels with their counts.

        >>> CategoricalBins(("a",)).unseen(["a", "x", "y", "y"])
        {'y': 2, 'x': 1}
        """
        tally, _ = _tally(values)
        known = frozenset(self.categories)
        return dict(_ranked({label: n for label, n in tally.items() if label not in known})[:limit])

    def as_document(self) -> Document:
        return {"kind": "categorical", "categories": list(self.categories)}


Bins: TypeAlias = NumericBins | CategoricalBins


def bins_from_document(document: Mapping[str, Any]) -> Bins:
    """The inverse of ``as_document``. Raises InvalidStatistic for a kind that is not known."""
    match document["kind"]:
        case "numeric":
            return NumericBins(tuple(float(edge) for edge in document["edges"]))
        case "categorical":
            return CategoricalBins(tuple(str(name) for name in document["categories"]))
        case kind:
            raise InvalidStatistic("kind", f"{kind!r} is neither 'numeric' nor 'categorical'")


def is_missing(value: object) -> bool:
    """None, NaN of any float type, and pandas' NA and NaT.

    >>> [is_missing(value) for value in (None, float("nan"), "", 0)]
    [True, True, False, False]
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def _cut(quantiles: list[float]) -> tuple[float, ...]:
    """Edges from quantiles: infinite ones go, repeated ones are cut out on both sides."""
    edges = set()
    for value, times in Counter(quantiles).items():
        edges.add(value)
        if times > 1:
            edges.add(math.nextafter(value, -math.inf))
    return tuple(sorted(edge for edge in edges if math.isfinite(edge)))


def _ranked(tally: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(tally.items(), key=lambda item: (-item[1], item[0]))


def _one_dimensional(values: Column) -> npt.NDArray[Any]:
    column = np.asarray(values)
    if column.ndim != 1:
        raise UncountableColumn("?", f"it has {column.ndim} dimensions, not 1")
    return column


_COUNTED = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def _floats(values: Column) -> npt.NDArray[np.floating[Any]]:
    column = _one_dimensional(values)
    if column.dtype in _COUNTED:
        return column
    if column.dtype.kind not in "biufO":
        raise UncountableColumn("?", f"{column.dtype} is not a number")
    if column.dtype.kind != "O":
        return column.astype(np.float64)
    numbers: Iterable[Any] = (math.nan if is_missing(value) else value for value in column.tolist())
    try:
        return np.fromiter(map(float, numbers), dtype=np.float64, count=column.size)
    except (TypeError, ValueError, OverflowError) as error:
        raise UncountableColumn("?", str(error)) from error


def _tally(values: Column) -> tuple[Counter[str], int]:
    """Counts by label, and the number of missing values."""
    items = _one_dimensional(values).tolist()
    if all(type(item) is str for item in items):
        return Counter(items), 0
    labels = Counter(_label(item) for item in items if not is_missing(item))
    return labels, len(items) - labels.total()


def _label(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
