"""Performance of a classification once outcomes are known, as counts that merge by addition, exactly.

    two classes         256 bins of the probability x outcome      4 KB; log loss and Brier take a bin's middle
    more than two       label x outcome                            what decision records hold is the label

Labels change at one half, which is an edge of the bins: accuracy and F1 are exact. The area under the curve is off
by at most half the share of pairs that fall in one bin, Brier by 1/256, and log loss ends at ln 512 for a row that was
sure and wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.domain.schema import TWO
from runtime.statistics import histogram
from runtime.statistics.bins import Document, FloatVector
from runtime.statistics.errors import InvalidStatistic, UncountableColumn
from runtime.statistics.histogram import BINS

_Counts = npt.NDArray[np.int64]


class ClassCounts(Protocol):
    """What both kinds have in common; ``unusable`` rows had no finite answer, or an outcome that is no class."""

    @property
    def rows(self) -> int: ...
    def metrics(self) -> dict[str, float]: ...
    def as_document(self) -> Document: ...


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCounts:
    """Rows by bin of their probability: those whose outcome was 0, those whose was 1. Shape [256] each.

    >>> counts = ScoreCounts.of([0.9, 0.2, 0.6], [1, 0, 0]) + ScoreCounts.of([0.7], [1])
    >>> counts.rows, counts.metrics()["accuracy"], counts.metrics()["roc_auc"]
    (4, 0.75, 1.0)
    """

    zeros: _Counts
    ones: _Counts
    unusable: int = 0

    def __post_init__(self) -> None:
        for name, counts in (("zeros", self.zeros), ("ones", self.ones)):
            _check(name, counts, (BINS,))

    @classmethod
    def of(cls, probabilities: npt.ArrayLike, outcomes: npt.ArrayLike) -> Self:
        """From 1-D arrays of equal length. Raises ``UncountableColumn``."""
        chances, truth = _pair(probabilities, outcomes)
        usable = np.isfinite(chances) & ((truth == 0) | (truth == 1))
        bins = histogram.bins_of(chances[usable])
        is_one = truth[usable] == 1
        zeros, ones = (np.bincount(bins[which], minlength=BINS).astype(np.int64) for which in (~is_one, is_one))
        return cls(zeros, ones, int((~usable).sum()))

    def __add__(self, other: "ScoreCounts") -> "ScoreCounts":
        return ScoreCounts(self.zeros + other.zeros, self.ones + other.ones, self.unusable + other.unusable)

    @property
    def rows(self) -> int:
        return int(self.zeros.sum() + self.ones.sum())

    def metrics(self) -> dict[str, float]:
        """By name, without those that these rows do not tell (roc_auc of one class); nothing without rows."""
        return histogram.metrics(self.zeros, self.ones)

    def as_document(self) -> Document:
        return {"zeros": self.zeros.tolist(), "ones": self.ones.tolist(), "unusable": self.unusable}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(_array(document["zeros"]), _array(document["ones"]), int(document["unusable"]))


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionCounts:
    """Rows by outcome (first) and label (second), shape [classes, classes].

    >>> ConfusionCounts.of([0, 1, 2, 1], [0, 1, 2, 2], 3).metrics()["accuracy"]
    0.75
    """

    table: _Counts
    unusable: int = 0

    def __post_init__(self) -> None:
        _check("table", self.table, (len(self.table), len(self.table)))

    @classmethod
    def of(cls, labels: npt.ArrayLike, outcomes: npt.ArrayLike, classes: int) -> Self:
        """From 1-D arrays of equal length. Raises ``UncountableColumn``."""
        said, truth = _pair(labels, outcomes)
        usable = np.isin(said, np.arange(classes)) & np.isin(truth, np.arange(classes))
        cells = (truth[usable] * classes + said[usable]).astype(np.intp)
        table = np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)
        return cls(table, int((~usable).sum()))

    def __add__(self, other: "ConfusionCounts") -> "ConfusionCounts":
        if self.table.shape != other.table.shape:
            raise InvalidStatistic("table", f"of {len(self.table)} and {len(other.table)} classes does not add up")
        return ConfusionCounts(self.table + other.table, self.unusable + other.unusable)

    @property
    def rows(self) -> int:
        return int(self.table.sum())

    def metrics(self) -> dict[str, float]:
        """Accuracy, and F1 as the mean over the classes that occur; nothing without rows."""
        if not self.rows:
            return {}
        right, all_of = np.diag(self.table), self.table.sum(axis=0) + self.table.sum(axis=1)
        there = all_of > 0
        f1 = float((2 * right[there] / all_of[there]).mean())
        return {Metric.ACCURACY.value: int(right.sum()) / self.rows, Metric.F1.value: f1}

    def as_document(self) -> Document:
        return {"table": self.table.tolist(), "unusable": self.unusable}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(_array(document["table"]), int(document["unusable"]))


def counted(answers: npt.ArrayLike, outcomes: npt.ArrayLike, classes: int) -> ClassCounts:
    """Of recorded answers: probabilities where there are two classes, labels where there are more."""
    if classes == TWO:
        return ScoreCounts.of(answers, outcomes)
    return ConfusionCounts.of(answers, outcomes, classes)


def counts_from(document: Mapping[str, Any]) -> ClassCounts:
    """The inverse of ``as_document``, of either kind."""
    return ConfusionCounts.from_document(document) if "table" in document else ScoreCounts.from_document(document)


def _pair(answers: npt.ArrayLike, outcomes: npt.ArrayLike) -> tuple[FloatVector, FloatVector]:
    a, b = (np.asarray(each, dtype=np.float64) for each in (answers, outcomes))
    if a.ndim != 1 or a.shape != b.shape:
        raise UncountableColumn("answer", f"shapes {a.shape} and {b.shape} do not pair row by row")
    return a, b


def _array(values: Any) -> _Counts:
    return np.asarray(values, dtype=np.int64)


def _check(name: str, counts: _Counts, shape: tuple[int, ...]) -> None:
    if counts.shape != shape:
        raise InvalidStatistic(name, f"must have shape {list(shape)}, not {list(counts.shape)}")
    if (counts < 0).any():
        raise InvalidStatistic(name, "must not be negative")
