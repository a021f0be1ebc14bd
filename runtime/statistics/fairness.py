"""How differently a classifier of two classes treats groups of people, by the definitions of fairlearn.

``tables`` are [groups, outcome, label] counts, so groups merge by addition. Rates of a group, where label 1 is what is
granted or flagged:

    selection rate        rows labelled 1 / rows
    true positive rate    rows labelled 1 of those whose outcome is 1        false positive rate: of those whose is 0

    demographic parity difference    largest - smallest selection rate
    equalized odds difference        the larger of the two spreads, of true and of false positive rates

A rate without rows is not known and takes no part (fairlearn counts it as 0, so that a group nobody of which ended in 1
would look like one that is always passed over). Agarwal et al., ICML 2018; Hardt et al., NeurIPS 2016.
"""

import numpy as np
import numpy.typing as npt

from runtime.statistics.bins import FloatVector
from runtime.statistics.errors import InvalidStatistic

Tables = npt.NDArray[np.int64]
SHAPE = (2, 2)


def table_of(labels: npt.NDArray[np.bool_], outcomes: npt.NDArray[np.bool_]) -> Tables:
    """One group's counts, [outcome, label].

    >>> table_of(np.array([True, True, False]), np.array([True, False, False])).tolist()
    [[1, 1], [0, 1]]
    """
    cells = 2 * outcomes.astype(np.intp) + labels
    counts: Tables = np.bincount(cells, minlength=4).reshape(SHAPE).astype(np.int64)
    return counts


def selection_rates(tables: Tables) -> FloatVector:
    """Of each group; NaN without rows."""
    _check(tables)
    return _shares(tables[:, :, 1].sum(axis=1), tables.sum(axis=(1, 2)))


def true_positive_rates(tables: Tables) -> FloatVector:
    """Of each group; NaN where no outcome is 1."""
    _check(tables)
    return _shares(tables[:, 1, 1], tables[:, 1, :].sum(axis=1))


def false_positive_rates(tables: Tables) -> FloatVector:
    """Of each group; NaN where no outcome is 0."""
    _check(tables)
    return _shares(tables[:, 0, 1], tables[:, 0, :].sum(axis=1))


def demographic_parity_difference(tables: Tables) -> float | None:
    """``None`` with fewer than two groups that have rows.

    >>> demographic_parity_difference(np.array([[[3, 1], [0, 0]], [[1, 1], [1, 1]]]))
    0.25
    """
    return _spread(selection_rates(tables))


def equalized_odds_difference(tables: Tables) -> float | None:
    """``None`` where neither rate is known of two groups."""
    found = [_spread(rates(tables)) for rates in (true_positive_rates, false_positive_rates)]
    return max((each for each in found if each is not None), default=None)


def _shares(part: Tables, whole: Tables) -> FloatVector:
    shares: FloatVector = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _spread(rates: FloatVector) -> float | None:
    known = rates[~np.isnan(rates)]
    return float(known.max() - known.min()) if known.size > 1 else None


def _check(tables: Tables) -> None:
    if tables.ndim != 3 or tables.shape[1:] != SHAPE:
        raise InvalidStatistic("tables", f"must be [groups, 2, 2], not {list(tables.shape)}")
