"""Chances are learnt from scores and outcomes: they rise, they come true, and few rows are not taken at their word."""

import numpy as np
import pytest

from runtime.statistics.calibration import Calibration, calibration_curve, calibration_error
from runtime.statistics.classification import ScoreCounts
from runtime.statistics.errors import NoEvidence
from runtime.statistics.histogram import BINS, MIDDLES
from tests.unit.statistics.test_estimated import bent

NOTHING = ScoreCounts.of([], [])


def test_scores_that_say_too_much_are_brought_to_the_chances_that_come_true() -> None:
    scores, outcomes, chances = bent(200_000, 1)
    learnt = Calibration.learned(ScoreCounts.of(scores, outcomes)).chances
    found = learnt[np.minimum((scores * BINS).astype(int), BINS - 1)]
    assert np.abs(found - chances).mean() < 0.015
    assert np.abs(scores - chances).mean() > 0.08, "the scores themselves are not calibrated"


def test_a_bin_without_rows_lies_between_its_neighbours() -> None:
    learnt = Calibration.learned(ScoreCounts.of([0.2] * 1000 + [0.6] * 1000, [0] * 1000 + [1] * 1000)).chances
    assert learnt[int(0.2 * BINS)] < learnt[int(0.4 * BINS)] < learnt[int(0.6 * BINS)]
    assert learnt[int(0.4 * BINS)] == pytest.approx(0.5, abs=0.01)


def test_one_row_against_the_order_of_its_neighbours_is_hardly_believed() -> None:
    scores = [0.3] * 200 + [0.31] + [0.32] * 200
    learnt = Calibration.learned(ScoreCounts.of(scores, [0] * 200 + [1] + [0] * 200)).chances
    assert learnt[int(0.31 * BINS)] < 0.06


def test_a_calibration_from_more_rows_is_known_better() -> None:
    few, many = (Calibration.learned(ScoreCounts.of(*bent(rows, 2)[:2])) for rows in (500, 50_000))
    weights = np.full(BINS, 1 / BINS)
    assert few.variance(weights) > 20 * many.variance(weights)


def test_the_curve_and_its_error_are_those_of_the_rows() -> None:
    scores, outcomes, _ = bent(5000, 3)
    counts = ScoreCounts.of(scores, outcomes)
    part = np.minimum((MIDDLES[np.minimum((scores * BINS).astype(int), BINS - 1)] * 10).astype(int), 9)
    curve = calibration_curve(counts)
    assert [point.rows for point in curve] == [int((part == k).sum()) for k in range(10)]
    for k, point in enumerate(curve):
        assert point.share == pytest.approx(outcomes[part == k].mean())
        assert point.score == pytest.approx(scores[part == k].mean(), abs=1 / BINS)
    gaps = [(part == k).mean() * abs(scores[part == k].mean() - outcomes[part == k].mean()) for k in range(10)]
    assert calibration_error(counts) == pytest.approx(sum(gaps), abs=1 / BINS)


def test_nothing_is_calibrated_without_rows() -> None:
    with pytest.raises(NoEvidence):
        Calibration.learned(NOTHING)
    with pytest.raises(NoEvidence):
        calibration_error(NOTHING)
    assert calibration_curve(NOTHING) == ()
