"""Counts of answers by outcome tell what the rows themselves tell, to the width of a bin."""

import numpy as np
import pytest

from runtime.domain.metrics import Metric
from runtime.statistics.classification import ConfusionCounts, ScoreCounts, counted, counts_from
from runtime.statistics.errors import InvalidStatistic, UncountableColumn
from runtime.statistics.histogram import BINS
from runtime.statistics.scoring import value
from tests.unit.statistics.test_scoring import three, two


def test_a_histogram_tells_what_the_rows_tell() -> None:
    answers, truth = two(5000, 1)
    told = ScoreCounts.of(answers, truth).metrics()
    assert told["accuracy"] == value(Metric.ACCURACY, answers, truth)
    assert told["f1"] == pytest.approx(value(Metric.F1, answers, truth), abs=1e-12)
    assert told["roc_auc"] == pytest.approx(value(Metric.ROC_AUC, answers, truth), abs=0.002)
    assert told["brier"] == pytest.approx(value(Metric.BRIER, answers, truth), abs=1 / BINS)
    assert told["log_loss"] == pytest.approx(value(Metric.LOG_LOSS, answers, truth), abs=0.01)


def test_labels_by_outcome_tell_accuracy_and_f1() -> None:
    answers, truth = three(700, 2)
    told = ConfusionCounts.of(answers.argmax(axis=1), truth, 3).metrics()
    assert told["accuracy"] == pytest.approx(value(Metric.ACCURACY, answers, truth), abs=1e-12)
    assert told["f1"] == pytest.approx(value(Metric.F1, answers, truth), abs=1e-12)


def test_what_is_no_class_is_counted_apart() -> None:
    found = ScoreCounts.of([0.5, np.nan, 0.1], [1, 1, 2])
    assert (found.rows, found.unusable) == (1, 2)
    assert ConfusionCounts.of([0, 3, 1], [0, 0, 0.5], 3).unusable == 2


def test_rows_of_one_class_tell_no_area() -> None:
    told = ScoreCounts.of([0.2, 0.9], [1, 1]).metrics()
    assert "roc_auc" not in told
    assert told["accuracy"] == 0.5
    assert ScoreCounts.of([], []).metrics() == ConfusionCounts.of([], [], 3).metrics() == {}


def test_a_certain_answer_lies_in_the_outermost_bins() -> None:
    found = ScoreCounts.of([0.0, 1.0, 1.0], [0, 1, 0])
    assert (found.zeros[0], found.zeros[-1], found.ones[-1]) == (1, 1, 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_counts_come_back_from_their_document(classes: int) -> None:
    found = counted([0.0, 1.0], [1, 1], classes)
    assert counts_from(found.as_document()).as_document() == found.as_document()


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(UncountableColumn):
        ScoreCounts.of([0.5], [1, 0])
    with pytest.raises(InvalidStatistic):
        ScoreCounts(np.zeros(3, dtype=np.int64), np.zeros(BINS, dtype=np.int64))
    with pytest.raises(InvalidStatistic):
        ConfusionCounts(np.array([[-1, 0], [0, 1]]))
    with pytest.raises(InvalidStatistic, match="2 and 3 classes"):
        ConfusionCounts.of([0], [0], 2) + ConfusionCounts.of([0], [0], 3)
