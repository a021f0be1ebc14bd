"""CBPE: the performance of a classifier from its scores and how they were calibrated when it was trained.

With c the calibrated chance of a bin and n its rows, n c rows are expected to end in 1; every metric follows from
those two histograms. The band is the delta method on ``histogram.slopes``: the window's outcomes fall by chance, with
variance n c (1 - c) a bin, and the chances themselves were learnt from a limited baseline. Bialek et al., arXiv
2407.08649.
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.statistics import histogram
from runtime.statistics.bins import CountVector, FloatVector
from runtime.statistics.calibration import Calibration
from runtime.statistics.classification import ClassCounts, ConfusionCounts, ScoreCounts
from runtime.statistics.errors import InvalidStatistic, NoEvidence
from runtime.statistics.estimated import CONFIDENCE, Estimate, Estimator, Method, banded


class ScoreEstimator:
    """CBPE of two classes."""

    method: ClassVar[Method] = "cbpe"
    size = histogram.BINS

    def __init__(self, known: ScoreCounts) -> None:
        """Raises NoEvidence without rows."""
        self.calibration = Calibration.learned(known)

    def count(self, answers: npt.ArrayLike) -> CountVector:
        """Rows by bin of their probability; what is no finite number is left out."""
        return np.bincount(histogram.bins_of(_finite(answers)), minlength=self.size).astype(np.int64)

    def expected(self, counts: CountVector, confidence: float = CONFIDENCE) -> dict[str, Estimate]:
        """As ``Estimator`` says."""
        chances = self.calibration.chances
        ones = counts * chances
        zeros = counts - ones
        slopes = histogram.slopes(zeros, ones)
        return {
            name: banded(
                Metric(name),
                value,
                float(np.square(slopes[name]) @ (ones * (1 - chances)))
                + self.calibration.variance(slopes[name] * counts),
                confidence,
            )
            for name, value in histogram.metrics(zeros, ones).items()
        }


class LabelEstimator:
    """CBPE of more than two classes: a record holds the label, whose chances are what came of it out of fold.

    A label that the baseline never gave ends as all its rows did.
    """

    method: ClassVar[Method] = "cbpe"

    def __init__(self, known: ConfusionCounts) -> None:
        """Raises NoEvidence without rows."""
        if not known.rows:
            raise NoEvidence("a calibration")
        self.size = len(known.table)
        said = known.table.sum(axis=0)
        overall = known.table.sum(axis=1) / known.rows
        self._chances = np.where(said > 0, known.table / np.maximum(said, 1), overall[:, None])
        self._rows = np.where(said > 0, said, known.rows).astype(np.float64)

    def count(self, answers: npt.ArrayLike) -> CountVector:
        """Rows by label; what is no class is left out."""
        labels = _finite(answers)
        known = labels[np.isin(labels, np.arange(self.size))].astype(np.intp)
        return np.bincount(known, minlength=self.size).astype(np.int64)

    def expected(self, counts: CountVector, confidence: float = CONFIDENCE) -> dict[str, Estimate]:
        """As ``Estimator`` says."""
        rows = int(counts.sum())
        if not rows:
            return {}
        table = self._chances * counts
        hits, all_of = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
        there = all_of > 0
        each = np.where(there, 2 * hits / np.where(there, all_of, 1), 0.0)
        right = np.eye(self.size)
        slope = np.where(there[:, None], (2 * right - each[:, None]) / np.where(there, all_of, 1)[:, None], 0.0)
        found = {
            Metric.ACCURACY: (float(hits.sum()) / rows, right / rows),
            Metric.F1: (float(each[there].mean()), slope / int(there.sum())),
        }
        return {
            metric.value: banded(metric, value, self._variance(counts, gain), confidence)
            for metric, (value, gain) in found.items()
        }

    def _variance(self, counts: CountVector, gain: FloatVector) -> float:
        """Of a sum of ``gain`` [outcome, label] over rows whose outcomes fall by chance, learnt from few rows."""
        mean = (self._chances * gain).sum(axis=0)
        spread = (self._chances * np.square(gain)).sum(axis=0) - np.square(mean)
        return float(spread @ (counts + np.square(counts) / self._rows))


def estimator_of(known: ClassCounts) -> Estimator | None:
    """Of a classification's baseline; ``None`` where it has no rows."""
    if not known.rows:
        return None
    match known:
        case ScoreCounts():
            return ScoreEstimator(known)
        case ConfusionCounts():
            return LabelEstimator(known)
        case _:
            raise InvalidStatistic("classes", f"are counts of an unknown kind, {type(known).__name__}")


def _finite(answers: npt.ArrayLike) -> FloatVector:
    column = np.asarray(answers, dtype=np.float64)
    return column[np.isfinite(column)]
