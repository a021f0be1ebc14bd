"""The baseline of a model, and the counts that are compared with it.

A ``Profile`` is an ordered set of features, each with its bins and the counts of the reference rows. It turns
columns into ``Counts``: integers in one flat vector, feature after feature, which merge by addition across
shards, replicas and ticks in any order.

    layout    names   dep_delay            origin
              sizes   17                   5
    values            [c0 c1 ... missing | EWR JFK LGA other missing]      int64

A baseline too large for memory: build bins from a sample (``from_columns``), count everything in pieces, add
the counts up and take the shares from them (``recounted``).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import (
    MAX_BINS,
    MAX_CATEGORIES,
    Bins,
    CategoricalBins,
    Column,
    CountVector,
    Document,
    FloatVector,
    NumericBins,
    bins_from_document,
    is_missing,
)
from runtime.statistics.errors import (
    InvalidStatistic,
    LayoutMismatch,
    NoEvidence,
    UncountableColumn,
)

Kind: TypeAlias = Literal["numeric", "categorical"]
Columns: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which features are counted, in how many bins each, and a digest of the bins themselves.

    Counts with different layouts refuse to be added or compared.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    digest: str

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise InvalidStatistic("sizes", "must name one size for each feature")
        if len(set(self.names)) != len(self.names):
            raise InvalidStatistic("names", "must be different from each other")
        if any(size < 1 for size in self.sizes):
            raise InvalidStatistic("sizes", "must be positive")

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each feature begins in the flat vector, and after the last one where it ends."""
        return (0, *accumulate(self.sizes))


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of ``rows`` rows over a layout; ``values`` is flat, int64 and read-only.

    Counts form a commutative monoid: addition is exact, and ``Counts.empty`` changes nothing.

    Raises InvalidStatistic unless the counts of every feature are not negative and add up to ``rows``.
    """

    layout: Layout
    rows: int
    values: CountVector

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.int64)
        offsets = self.layout.offsets
        if values.shape != (offsets[-1],):
            raise InvalidStatistic("values", f"shape {values.shape}, expected ({offsets[-1]},)")
        if values.size and values.min() < 0:
            raise InvalidStatistic("values", "must not be negative")
        if values.size and np.any(np.add.reduceat(values, offsets[:-1]) != self.rows):
            raise InvalidStatistic("values", f"every feature must add up to {self.rows} rows")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @classmethod
    def empty(cls, layout: Layout) -> "Counts":
        return cls(layout, 0, np.zeros(layout.offsets[-1], dtype=np.int64))

    def __add__(self, other: "Counts") -> "Counts":
        """Raises LayoutMismatch if the two were counted over different bins."""
        if other.layout != self.layout:
            raise LayoutMismatch(self.layout.digest, other.layout.digest)
        return Counts(self.layout, self.rows + other.rows, self.values + other.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        same = self.layout == other.layout and self.rows == other.rows
        return same and bool(np.array_equal(self.values, other.values))

    __hash__ = None  # type: ignore[assignment]

    def by_feature(self) -> dict[str, CountVector]:
        """The count vector of each feature, as read-only views."""
        pairs = pairwise(self.layout.offsets)
        return {name: self.values[start:end] for name, (start, end) in zip(self.layout.names, pairs, strict=True)}

    def as_document(self) -> Document:
        features = {name: vector.tolist() for name, vector in self.by_feature().items()}
        return {"layout": self.layout.digest, "rows": self.rows, "features": features}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], layout: Layout) -> "Counts":
        """The inverse of ``as_document``; order comes from ``layout``, so any JSON dialect will do.

        Raises LayoutMismatch if the document was counted over different bins.
        """
        if document["layout"] != layout.digest:
            raise LayoutMismatch(layout.digest, str(document["layout"]))
        features = document["features"]
        if set(features) != set(layout.names):
            raise InvalidStatistic("features", f"expected {', '.join(layout.names)}")
        values = [n for name in layout.names for n in features[name]]
        return cls(layout, int(document["rows"]), np.array(values, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """One feature of a baseline: its bins and the reference counts in them."""

    name: str
    bins: Bins
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != self.bins.size:
            raise InvalidStatistic(self.name, f"{len(self.counts)} counts for {self.bins.size} bins")
        if any(count < 0 for count in self.counts):
            raise InvalidStatistic(self.name, "counts must not be negative")
        if not any(self.counts):
            raise NoEvidence(f"the baseline of {self.name!r}")

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def shares(self) -> FloatVector:
        """The share of reference rows in each bin, as they are (an empty bin has 0)."""
        return np.asarray(self.counts, dtype=np.float64) / self.rows

    @property
    def missing_rate(self) -> float:
        return self.counts[-1] / self.rows

    def as_document(self) -> Document:
        return {"name": self.name, "bins": self.bins.as_document(), "counts": list(self.counts)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "FeatureProfile":
        counts = tuple(int(count) for count in document["counts"])
        return cls(str(document["name"]), bins_from_document(document["bins"]), counts)


@dataclass(frozen=True)
class Profile:
    """A baseline: ordered features counted over the same ``rows`` reference rows.

    >>> profile = Profile.from_columns({"origin": ["EWR", "JFK", "EWR"], "delay": [1.0, None, 4.0]})
    >>> profile.count({"origin": ["JFK", "LGA"], "delay": [2.0, 9.0]}).by_feature()["origin"].tolist()
    [0, 1, 1, 0]

    Raises NoEvidence without features or rows, InvalidStatistic if features disagree on the rows.
    """

    features: tuple[FeatureProfile, ...]

    def __post_init__(self) -> None:
        if not self.features:
            raise NoEvidence("a baseline")
        if len({feature.rows for feature in self.features}) != 1:
            raise InvalidStatistic("features", "must all count the same rows")
        _ = self.layout

    @classmethod
    def from_columns(
        cls,
        columns: Columns,
        *,
        kinds: Mapping[str, Kind] | None = None,
        max_bins: int = MAX_BINS,
        max_categories: int = MAX_CATEGORIES,
    ) -> "Profile":
        """A baseline from equally long 1-D columns, in their order.

        A column is numeric if its type is (or if every value of an object column is), otherwise categorical;
        ``kinds`` says otherwise by name. Booleans are categorical. Raises UncountableColumn, NoEvidence.
        """
        kinds = kinds or {}
        features = []
        for name, values in columns.items():
            numeric = kinds.get(name, _kind_of(values)) == "numeric"
            with _naming(name):
                bins: Bins = (
                    NumericBins.from_sample(values, max_bins=max_bins)
                    if numeric
                    else CategoricalBins.from_sample(values, max_categories=max_categories)
                )
                counts = tuple(bins.count(values).tolist())
            features.append(FeatureProfile(name, bins, counts))
        return cls(tuple(features))

    @property
    def rows(self) -> int:
        """n_ref: how many rows the baseline was taken from."""
        return self.features[0].rows

    @cached_property
    def layout(self) -> Layout:
        bins = [[feature.name, feature.bins.as_document()] for feature in self.features]
        text = json.dumps(bins, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return Layout(
            names=tuple(feature.name for feature in self.features),
            sizes=tuple(feature.bins.size for feature in self.features),
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        )

    @cached_property
    def counts(self) -> Counts:
        """The reference counts, as a window could have produced them."""
        values = [count for feature in self.features for count in feature.counts]
        return Counts(self.layout, self.rows, np.array(values, dtype=np.int64))

    @cached_property
    def numeric(self) -> npt.NDArray[np.bool_]:
        """Which features are numeric, in order."""
        return np.array([isinstance(feature.bins, NumericBins) for feature in self.features])

    @cached_property
    def widths(self) -> FloatVector:
        """The way from each bin to the next in the feature's unit, flat; 0 for categories, and around missing."""
        return np.concatenate([_widths(feature.bins) for feature in self.features])

    def feature(self, name: str) -> FeatureProfile:
        """Raises InvalidStatistic if the baseline has no such feature."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise InvalidStatistic("feature", f"{name!r} is not in the baseline")

    def count(self, columns: Columns) -> Counts:
        """Counts of equally long columns. Columns that the baseline lacks are ignored; a feature without a
        column is missing in every row, since that is what a consumer of it would see.

        Raises UncountableColumn if lengths differ or values are not what the bins expect.
        """
        rows = _rows_of(columns)
        vectors = [_count_feature(feature, columns, rows) for feature in self.features]
        return Counts(self.layout, rows, np.concatenate(vectors))

    def unseen(self, columns: Columns) -> dict[str, dict[str, int]]:
        """Categories outside the baseline's, by feature; features without any are left out."""
        found = {
            feature.name: feature.bins.unseen(columns[feature.name])
            for feature in self.features
            if isinstance(feature.bins, CategoricalBins) and feature.name in columns
        }
        return {name: labels for name, labels in found.items() if labels}

    def recounted(self, counts: Counts) -> "Profile":
        """The same bins with the shares of other rows. Raises LayoutMismatch, NoEvidence."""
        if counts.layout != self.layout:
            raise LayoutMismatch(self.layout.digest, counts.layout.digest)
        vectors = counts.by_feature()
        return Profile(
            tuple(
                FeatureProfile(feature.name, feature.bins, tuple(vectors[feature.name].tolist()))
                for feature in self.features
            )
        )

    def as_document(self) -> Document:
        """Plain JSON values; the same baseline always gives the same document."""
        return {"features": [feature.as_document() for feature in self.features]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Profile":
        return cls(tuple(FeatureProfile.from_document(item) for item in document["features"]))


@contextmanager
def _naming(column: str) -> Iterator[None]:
    """Puts the name of the column into an UncountableColumn raised within."""
    try:
        yield
    except UncountableColumn as error:
        raise UncountableColumn(column, error.reason) from error


def _count_feature(feature: FeatureProfile, columns: Columns, rows: int) -> CountVector:
    if feature.name not in columns:
        counts = np.zeros(feature.bins.size, dtype=np.int64)
        counts[-1] = rows
        return counts
    try:
        return feature.bins.count(columns[feature.name])
    except UncountableColumn as error:
        raise UncountableColumn(feature.name, error.reason) from error


def _widths(bins: Bins) -> FloatVector:
    if isinstance(bins, NumericBins):
        return np.concatenate((np.diff(bins.positions), (0.0, 0.0)))
    return np.zeros(bins.size)


def _rows_of(columns: Columns) -> int:
    lengths = {name: _length(values) for name, values in columns.items()}
    if not lengths:
        return 0
    first = next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != first:
            raise UncountableColumn(name, f"it has {length} rows where others have {first}")
    return first


def _length(values: Column) -> int:
    if isinstance(values, np.ndarray):
        return values.size
    return len(values) if isinstance(values, Sequence) else int(np.size(values))


def _kind_of(values: Column) -> Kind:
    column = np.asarray(values)
    if column.dtype.kind in "iuf":
        return "numeric"
    if column.dtype.kind != "O":
        return "categorical"
    present = [value for value in column.ravel().tolist() if not is_missing(value)]
    numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in present)
    return "numeric" if present and numbers else "categorical"
