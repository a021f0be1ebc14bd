"""Is it beyond its limit? Tests that may be looked at after every row, and stopped for any reason.

Each is an *e-process*: while what it doubts is true, its mean is at most 1 whenever one stops. By Ville's inequality it
ever reaches 1 / alpha with a chance of at most alpha, so a look costs nothing and there is no number of rows to wait
for.

    mean    numbers of unknown spread: x is above (below) its limit on average. With S and V the sums of x - limit and
            of its square over n rows, e = sqrt(c / (n + c)) (V / (V - S^2 / (n + c)))^(n / 2): a mixture of likelihood
            ratios of t over effect sizes N(0, 1 / c). Exact for Gaussian rows, whatever their spread; for others as
            good as the central limit theorem makes it, and careful where tails are heavy
    rate    yes or no: more than a share p says yes. A mixture of likelihood ratios over shares q > p; for any share
            below p it is a supermartingale, since the ratio rises with the number of yeses
    apart   two answers to the same row: their distributions over bins are further apart than a limit, in total
            variation. A bet on each row: that the one answer falls, and the other does not, among the bins where the
            one came more often *before*. Whatever bins are bet on, that happens by at most the total variation more
            often than the opposite

Sources: Robbins, Annals of Mathematical Statistics 1970, 41:1397; Lai, Annals of Statistics 1976, 4:265; Wang and
Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance", arXiv 2310.03722;
Shekhar and Ramdas, "Nonparametric two-sample testing by betting", arXiv 2112.09162; Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", JRSS B 2024, 86:1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import Document, FloatVector
from runtime.statistics.errors import InvalidStatistic

LEAST_ROWS = 10
"""Of fewer rows a mean claims nothing: a t statistic of a handful of rows is at the mercy of their shape."""
_PRIOR = 1.0
_STRONGEST = 700.0
"""A log evidence that is shown; beyond it numbers would not fit a float when they are raised to a power."""
_RATES = (1.5, 2.0, 3.0, 5.0, 10.0)
"""Shares that the mixture expects, as multiples of the limit."""
_STAKES: Final = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
"""Parts of what may be bet at most."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows, their sum and the sum of their squares; they merge by addition."""

    rows: int = 0
    total: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Sums":
        """Of numbers that are all finite. Raises InvalidStatistic."""
        numbers = np.asarray(values, dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise InvalidStatistic("values", "must be finite")
        return cls(numbers.size, float(numbers.sum()), float(np.square(numbers).sum()))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.rows + other.rows, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """0 without rows."""
        return self.total / self.rows if self.rows else 0.0

    def as_document(self) -> Document:
        return {"rows": self.rows, "total": self.total, "squares": self.squares}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Sums":
        return cls(int(document["rows"]), float(document["total"]), float(document["squares"]))


def log_evidence_above(sums: Sums) -> float:
    """The log of e that the mean is above 0; 0 while the sample's own is not. Of ``-x`` for below.

    >>> log_evidence_above(Sums.of([1.0, 1.2, 0.8, 1.1] * 5)) > math.log(1000)
    True
    """
    if sums.rows < LEAST_ROWS or sums.total <= 0 or sums.squares <= 0:
        return 0.0
    n = sums.rows
    explained = sums.total**2 / ((n + _PRIOR) * sums.squares)  # below n / (n + c), so that the logarithm is finite
    log_e = 0.5 * math.log(_PRIOR / (n + _PRIOR)) - n / 2 * math.log1p(-min(explained, n / (n + _PRIOR)))
    return min(max(log_e, 0.0), _STRONGEST)


def log_evidence_below(sums: Sums) -> float:
    """The log of e that the mean is below 0."""
    return log_evidence_above(Sums(sums.rows, -sums.total, sums.squares))


def log_evidence_of_rate(hits: int, rows: int, limit: float) -> float:
    """The log of e that more than the share ``limit`` of rows is a hit. Raises InvalidStatistic.

    >>> log_evidence_of_rate(1, 100, 0.01) < 0 < log_evidence_of_rate(8, 100, 0.01)
    True
    """
    if not 0 < limit < 1 or not 0 <= hits <= rows:
        raise InvalidStatistic("rate", f"{hits} of {rows} against a limit of {limit:g}, expected within 0 and 1")
    shares = np.array([min(limit * each, (1 + limit) / 2) for each in _RATES])
    logs = hits * np.log(shares / limit) + (rows - hits) * np.log((1 - shares) / (1 - limit))
    return min(float(np.logaddexp.reduce(logs)) - math.log(len(_RATES)), _STRONGEST)


@dataclass(slots=True)
class Apart:
    """Pairs of answers by bin, and what was won by betting that they are further apart than ``limit``.

    >>> apart = Apart(0.1, 2)
    >>> for _ in range(20):
    ...     apart.take(np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 0]))
    >>> apart.distance, apart.log_evidence > math.log(1000)
    (0.8, True)
    """

    limit: float
    bins: int
    mine: npt.NDArray[np.int64] = field(init=False)
    theirs: npt.NDArray[np.int64] = field(init=False)
    log_won: FloatVector = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise InvalidStatistic("limit", f"{self.limit:g}, expected between 0 and 1")
        self.mine, self.theirs = np.zeros(self.bins, dtype=np.int64), np.zeros(self.bins, dtype=np.int64)
        self.log_won = np.zeros(len(_STAKES))

    def take(self, mine: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> None:
        """Pairs of one tick, as numbers of bins; what ticks before showed is bet on, so their order is nothing."""
        backed = self.mine > self.theirs
        if backed.any():
            gains = backed[mine].astype(np.float64) - backed[theirs] - self.limit
            stakes = _STAKES / (1 + self.limit)
            self.log_won = self.log_won + np.log1p(stakes[:, None] * gains).sum(axis=1)
        self.mine = self.mine + np.bincount(mine, minlength=self.bins)
        self.theirs = self.theirs + np.bincount(theirs, minlength=self.bins)

    @property
    def rows(self) -> int:
        """Pairs."""
        return int(self.mine.sum())

    @property
    def distance(self) -> float:
        """Total variation between the two samples: the share of answers that would have to move."""
        rows = self.rows
        return float(np.maximum(self.mine - self.theirs, 0).sum() / rows) if rows else 0.0

    @property
    def log_evidence(self) -> float:
        """Log of e that the two are further apart than the limit."""
        return min(float(np.logaddexp.reduce(self.log_won)) - math.log(len(_STAKES)), _STRONGEST)

    def as_document(self) -> Document:
        return {
            "limit": self.limit,
            "mine": self.mine.tolist(),
            "theirs": self.theirs.tolist(),
            "log_won": [float.hex(each) for each in self.log_won.tolist()],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Apart":
        apart = cls(float(document["limit"]), len(document["mine"]))
        apart.mine = np.array(document["mine"], dtype=np.int64)
        apart.theirs = np.array(document["theirs"], dtype=np.int64)
        apart.log_won = np.array([float.fromhex(each) for each in document["log_won"]])
        return apart

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Apart) and self.as_document() == other.as_document()

    __hash__ = None  # type: ignore[assignment]  # it changes
