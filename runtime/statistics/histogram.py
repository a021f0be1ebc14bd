"""What a histogram of scores by outcome tells of a classification, and how much each of its rows tells.

256 bins of equal width over the probability of label 1; a label changes at one half, which is an edge. The counts may
be whole (rows with outcomes) or fractions (rows that are expected to end in 1): every metric is a smooth function of
them, and its *slope* is what it gains when one row of a bin ends in 1 instead of 0.
"""

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.statistics.bins import FloatVector

BINS = 256
HALF = BINS // 2
MIDDLES: FloatVector = (np.arange(BINS) + 0.5) / BINS
Amounts = npt.NDArray[np.int64] | FloatVector


def bins_of(probabilities: FloatVector) -> npt.NDArray[np.intp]:
    """The bin of each finite probability; what lies outside 0 and 1 falls into the outermost ones.

    >>> bins_of(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return np.clip(np.floor(probabilities * BINS), 0, BINS - 1).astype(np.intp)


def metrics(zeros: Amounts, ones: Amounts) -> dict[str, float]:
    """By name, without those that these rows do not tell (roc_auc of one class); nothing without rows."""
    all_zeros, all_ones = float(zeros.sum()), float(ones.sum())
    rows = all_zeros + all_ones
    if not rows:
        return {}
    losses = zeros @ -np.log(1 - MIDDLES) + ones @ -np.log(MIDDLES)
    squares = zeros @ np.square(MIDDLES) + ones @ np.square(1 - MIDDLES)
    hits, misses, false = (float(part.sum()) for part in (ones[HALF:], ones[:HALF], zeros[HALF:]))
    found = {
        Metric.LOG_LOSS: float(losses) / rows,
        Metric.BRIER: float(squares) / rows,
        Metric.ACCURACY: 1.0 - (misses + false) / rows,
        Metric.F1: 2 * hits / (2 * hits + misses + false) if hits else 0.0,
    }
    if all_zeros and all_ones:
        found[Metric.ROC_AUC] = float(ones @ (_below(zeros) + zeros / 2)) / (all_zeros * all_ones)
    return {metric.value: number for metric, number in found.items()}


def slopes(zeros: Amounts, ones: Amounts) -> dict[str, FloatVector]:
    """What each of ``metrics`` gains when one row of a bin ends in 1 instead of 0, shape [256] each.

    The number of rows stays, so accuracy, log loss and Brier are linear in it. roc_auc is a ratio: pairs in the right
    order, to which a row adds the zeros below it and takes the ones above, by all pairs. f1 is 2 hits / (ones + rows
    said to be 1).
    """
    told = metrics(zeros, ones)
    if not told:
        return {}
    all_zeros, all_ones = float(zeros.sum()), float(ones.sum())
    rows = all_zeros + all_ones
    above = (np.arange(BINS) >= HALF).astype(np.float64)
    said = float(zeros[HALF:].sum() + ones[HALF:].sum())
    found: dict[Metric, FloatVector] = {
        Metric.LOG_LOSS: np.log((1 - MIDDLES) / MIDDLES) / rows,
        Metric.BRIER: (1 - 2 * MIDDLES) / rows,
        Metric.ACCURACY: np.where(above, 1.0, -1.0) / rows,
        Metric.F1: (2.0 * above - told[Metric.F1.value]) / (all_ones + said or 1.0),
    }
    if Metric.ROC_AUC.value in told:
        gained = _below(zeros) + zeros / 2 - (all_ones - _below(ones) - ones / 2)
        area = told[Metric.ROC_AUC.value]
        found[Metric.ROC_AUC] = gained / (all_zeros * all_ones) - area * (1 / all_ones - 1 / all_zeros)
    return {metric.value: slope for metric, slope in found.items()}


def _below(amounts: Amounts) -> FloatVector:
    """In the bins below each one."""
    return np.asarray(np.cumsum(amounts) - amounts, dtype=np.float64)
