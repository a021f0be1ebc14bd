"""The same counts for each value of a column: which part of the traffic is served worse than the rest.

The values are fixed by the baseline, at most ``MAX_VALUES`` of them and then "other", so state is bounded and counts
merge by addition, whatever values come:

    classification    rows by value, outcome, label          exact
    regression        rows, sum |e|, sum e by value          exact in rows, to rounding in the sums
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import CountVector, Document, FloatVector, is_missing
from runtime.statistics.errors import InvalidStatistic

MAX_VALUES = 30
MISSING, OTHER = "missing", "other"
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class SliceValues:
    """The values of one column that are counted apart; others count as one.

    >>> SliceValues.of(["AA", "UA", "AA", None], limit=1).places(["UA", "AA"]).tolist()
    [1, 0]
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, column: Iterable[object], *, limit: int = MAX_VALUES) -> Self:
        """The most frequent ones, in order of their names."""
        counts = Counter(label_of(value) for value in column)
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        return cls(tuple(sorted(ranked[:limit])))

    @property
    def size(self) -> int:
        return len(self.names) + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each place."""
        return (*self.names, OTHER)

    def places(self, column: Iterable[object]) -> Places:
        """Where each row is counted."""
        return np.array([self._places.get(label_of(value), len(self.names)) for value in column], dtype=np.intp)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}


@dataclass(frozen=True, eq=False)
class SliceCounts:
    """Judged rows of a classification by value, outcome and label, shape [values, classes, classes]."""

    values: SliceValues
    tables: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.tables.ndim != 3 or self.tables.shape != (self.values.size, *self.tables.shape[1:2] * 2):
            raise InvalidStatistic("tables", f"shape {list(self.tables.shape)} does not fit {self.values.size} values")
        if (self.tables < 0).any():
            raise InvalidStatistic("tables", "must not be negative")

    @classmethod
    def of(cls, values: SliceValues, places: Places, labels: npt.ArrayLike, outcomes: npt.ArrayLike, n: int) -> Self:
        """Of ``n`` classes. Rows whose label or outcome is no class are left out."""
        said, truth = (np.asarray(each, dtype=np.float64) for each in (labels, outcomes))
        usable = np.isin(said, np.arange(n)) & np.isin(truth, np.arange(n))
        cells = ((places[usable] * n + truth[usable]) * n + said[usable]).astype(np.intp)
        return cls(
            values, np.bincount(cells, minlength=values.size * n * n).reshape(values.size, n, n).astype(np.int64)
        )

    def __add__(self, other: "SliceCounts") -> "SliceCounts":
        _same(self.values, other.values)
        return SliceCounts(self.values, self.tables + other.tables)

    @property
    def rows(self) -> CountVector:
        return np.asarray(self.tables.sum(axis=(1, 2)))

    @property
    def errors(self) -> FloatVector:
        """The share of wrong labels by value; NaN without rows."""
        return _means(self.rows - np.trace(self.tables, axis1=1, axis2=2), self.rows)

    def as_document(self) -> Document:
        return {"values": list(self.values.names), "tables": self.tables.tolist()}


@dataclass(frozen=True, eq=False)
class SliceErrors:
    """Judged rows of a regression by value: how many, and the sums of their absolute and signed errors."""

    values: SliceValues
    rows: CountVector
    sums: FloatVector

    def __post_init__(self) -> None:
        if self.rows.shape != (self.values.size,) or self.sums.shape != (2, self.values.size):
            raise InvalidStatistic("sums", f"shape {list(self.sums.shape)} does not fit {self.values.size} values")
        if (self.rows < 0).any() or not np.isfinite(self.sums).all():
            raise InvalidStatistic("sums", "must be finite, of rows that are not negative")

    @classmethod
    def of(cls, values: SliceValues, places: Places, errors: npt.ArrayLike) -> Self:
        """Errors that are not finite are left out."""
        column = np.asarray(errors, dtype=np.float64)
        usable = np.isfinite(column)
        at, known = places[usable], column[usable]
        sums = [np.bincount(at, weights=each, minlength=values.size) for each in (np.abs(known), known)]
        return cls(values, np.bincount(at, minlength=values.size).astype(np.int64), np.array(sums))

    def __add__(self, other: "SliceErrors") -> "SliceErrors":
        _same(self.values, other.values)
        return SliceErrors(self.values, self.rows + other.rows, self.sums + other.sums)

    @property
    def errors(self) -> FloatVector:
        """The mean absolute error by value, target units; NaN without rows."""
        return _means(self.sums[0], self.rows)

    def as_document(self) -> Document:
        return {"values": list(self.values.names), "rows": self.rows.tolist(), "sums": self.sums.tolist()}


def slices_from(document: Mapping[str, Any]) -> SliceCounts | SliceErrors:
    """The inverse of ``as_document``, of either kind."""
    values = SliceValues(tuple(str(name) for name in document["values"]))
    if "tables" in document:
        return SliceCounts(values, np.asarray(document["tables"], dtype=np.int64))
    rows = np.asarray(document["rows"], dtype=np.int64)
    return SliceErrors(values, rows, np.asarray(document["sums"], dtype=np.float64))


def sliced(
    values: SliceValues, places: Places, answers: npt.ArrayLike, outcomes: npt.ArrayLike, classes: int | None
) -> SliceCounts | SliceErrors:
    """Of answers and what came of them, labels or (of ``None`` classes) numbers."""
    if classes is None:
        return SliceErrors.of(
            values, places, np.asarray(answers, dtype=np.float64) - np.asarray(outcomes, dtype=np.float64)
        )
    return SliceCounts.of(values, places, answers, outcomes, classes)


def label_of(value: object) -> str:
    """A value as it is named: whole numbers without a point.

    >>> label_of(2.0), label_of("EWR"), label_of(None), label_of(float("nan"))
    ('2', 'EWR', 'missing', 'missing')
    """
    if is_missing(value):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def _means(sums: npt.NDArray[Any], rows: CountVector) -> FloatVector:
    means: FloatVector = np.full(len(rows), np.nan)
    np.divide(sums, rows, out=means, where=rows > 0)
    return means


def _same(mine: SliceValues, others: SliceValues) -> None:
    if mine != others:
        raise InvalidStatistic("values", f"{', '.join(mine.names)} and {', '.join(others.names)} do not add up")
