"""Performance of a regression once outcomes are known: mergeable sums, and errors as features.

An error is prediction minus outcome, in the unit of the target: positive when the model says too much.
Concept drift is found by the same detector, fed with errors: ``error_profile`` of the evaluation errors is
the baseline and ``profile.count(error_columns(errors))`` a tick.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import MAX_BINS, Document, FloatVector
from runtime.statistics.errors import InvalidStatistic, NoEvidence, UncountableColumn
from runtime.statistics.profile import Profile


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Sums over ``rows`` finite errors. Merges by addition: exact in rows, to rounding in the sums.

    ``unusable`` counts rows left out because their error was NaN (no outcome) or infinite.

    >>> summary = ErrorSummary.from_errors([1.0, -1.0]) + ErrorSummary.from_errors([3.0, float("nan")])
    >>> summary.rows, summary.unusable, summary.bias
    (3, 1, 1.0)
    """

    rows: int = 0
    sum_error: float = 0.0
    sum_absolute: float = 0.0
    sum_squared: float = 0.0
    unusable: int = 0

    def __post_init__(self) -> None:
        if self.rows < 0 or self.unusable < 0:
            raise InvalidStatistic("rows", "must not be negative")
        if not all(math.isfinite(total) for total in (self.sum_error, self.sum_absolute, self.sum_squared)):
            raise InvalidStatistic("sums", "must be finite")
        if min(self.sum_absolute, self.sum_squared) < 0:
            raise InvalidStatistic("sums", "of absolute and squared errors must not be negative")

    @classmethod
    def from_errors(cls, errors: npt.ArrayLike) -> "ErrorSummary":
        """From a 1-D array of errors. Raises UncountableColumn."""
        column = _errors(errors)
        finite = column[np.isfinite(column)]
        return cls(
            rows=finite.size,
            sum_error=float(finite.sum()),
            sum_absolute=float(np.abs(finite).sum()),
            sum_squared=float(np.square(finite).sum()),
            unusable=column.size - finite.size,
        )

    def __add__(self, other: "ErrorSummary") -> "ErrorSummary":
        return ErrorSummary(
            self.rows + other.rows,
            self.sum_error + other.sum_error,
            self.sum_absolute + other.sum_absolute,
            self.sum_squared + other.sum_squared,
            self.unusable + other.unusable,
        )

    @property
    def mae(self) -> float:
        """Mean absolute error, target units. Raises NoEvidence without rows."""
        return self._mean(self.sum_absolute, "mae")

    @property
    def rmse(self) -> float:
        """Root mean squared error, target units. Raises NoEvidence without rows."""
        return math.sqrt(self._mean(self.sum_squared, "rmse"))

    @property
    def bias(self) -> float:
        """Mean error, target units; positive when the model says too much. Raises NoEvidence without rows."""
        return self._mean(self.sum_error, "bias")

    def _mean(self, total: float, statistic: str) -> float:
        if not self.rows:
            raise NoEvidence(statistic)
        return total / self.rows

    def as_document(self) -> Document:
        return {
            "rows": self.rows,
            "sum_error": self.sum_error,
            "sum_absolute": self.sum_absolute,
            "sum_squared": self.sum_squared,
            "unusable": self.unusable,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ErrorSummary":
        return cls(
            int(document["rows"]),
            float(document["sum_error"]),
            float(document["sum_absolute"]),
            float(document["sum_squared"]),
            int(document["unusable"]),
        )


def error_columns(errors: npt.ArrayLike) -> dict[str, FloatVector]:
    """Errors as the two features of ``error_profile``: a bias moves the first, a spread the second."""
    column = _errors(errors)
    return {"error": column, "absolute_error": np.abs(column)}


def error_profile(errors: npt.ArrayLike, *, max_bins: int = MAX_BINS) -> Profile:
    """A baseline of errors, signed and absolute. Take errors on rows that the model was not trained on.

    Rows without an outcome (NaN) are left out. Raises NoEvidence if none is left.

    >>> [feature.name for feature in error_profile([0.5, -0.2, 0.1]).features]
    ['error', 'absolute_error']
    """
    column = _errors(errors)
    known = column[~np.isnan(column)]
    if not known.size:
        raise NoEvidence("an error baseline")
    return Profile.from_columns(error_columns(known), max_bins=max_bins)


def _errors(errors: npt.ArrayLike) -> FloatVector:
    try:
        column = np.asarray(errors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UncountableColumn("error", str(error)) from error
    if column.ndim != 1:
        raise UncountableColumn("error", f"it has {column.ndim} dimensions, not 1")
    return column
