"""What is expected before outcomes comes true within its band, unless P(y | x) moved: that only outcomes show."""

from typing import Any

import numpy as np
import pytest

from runtime.statistics import histogram
from runtime.statistics.cbpe import LabelEstimator, ScoreEstimator, estimator_of
from runtime.statistics.classification import ClassCounts, ConfusionCounts, ScoreCounts, counted
from runtime.statistics.dle import LossEstimator
from runtime.statistics.errors import InvalidStatistic, NoEvidence
from runtime.statistics.estimated import Estimator

Array = np.ndarray[Any, np.dtype[np.float64]]


def bent(rows: int, seed: int, shift: float = 0.0) -> tuple[Array, Array, Array]:
    """Scores that say too much, what came of them, and the true chances."""
    chance = np.random.default_rng((seed, rows))
    x = chance.normal(shift, 1.3, rows)
    chances = 1 / (1 + np.exp(-x))
    return 1 / (1 + np.exp(-(1.7 * x + 0.3))), (chance.random(rows) < chances).astype(np.float64), chances


def labelled(rows: int, seed: int, shares: tuple[float, ...] = (0.5, 0.3, 0.2)) -> tuple[Array, Array]:
    """Labels of three classes, of which the later ones are wrong more often, and what came of them."""
    chance = np.random.default_rng((seed, rows))
    labels = chance.choice(3, rows, p=shares).astype(np.float64)
    wrong = chance.random(rows) < np.array([0.05, 0.2, 0.4])[labels.astype(int)]
    return labels, np.where(wrong, (labels + 1) % 3, labels)


def numbered(rows: int, seed: int, shift: float = 0.0) -> tuple[Array, Array]:
    """Answers, and errors that grow with them."""
    chance = np.random.default_rng((seed, rows))
    answers = chance.normal(100 + shift, 20, rows)
    return answers, chance.normal(0, 0.1 * np.abs(answers))


@pytest.mark.parametrize("rows", [100, 1000])
def test_two_classes_end_within_the_band_as_often_as_it_says(rows: int) -> None:
    inside = dict.fromkeys(("accuracy", "f1", "roc_auc", "brier", "log_loss"), 0)
    for seed in range(100):
        estimator = ScoreEstimator(ScoreCounts.of(*bent(2000, seed)[:2]))
        scores, outcomes, _ = bent(rows, seed, shift=0.3)
        found, real = estimator.expected(estimator.count(scores)), ScoreCounts.of(scores, outcomes).metrics()
        for name in inside:
            inside[name] += found[name].low <= real[name] <= found[name].high
    # Of 100 windows 95 are expected: fewer than 87 would come by chance once in 1,000 times.
    assert all(hits >= 87 for hits in inside.values()), inside


def test_three_classes_end_within_the_band_as_often_as_it_says() -> None:
    inside = dict.fromkeys(("accuracy", "f1"), 0)
    for seed in range(100):
        estimator = LabelEstimator(ConfusionCounts.of(*labelled(1000, seed), 3))
        labels, outcomes = labelled(500, seed, (0.2, 0.3, 0.5))
        found, real = estimator.expected(estimator.count(labels)), counted(labels, outcomes, 3).metrics()
        for name in inside:
            inside[name] += found[name].low <= real[name] <= found[name].high
    assert all(hits >= 87 for hits in inside.values()), inside


def test_errors_end_within_the_band_as_often_as_it_says() -> None:
    inside = dict.fromkeys(("mae", "rmse"), 0)
    for seed in range(100):
        estimator = LossEstimator.learned(*numbered(2000, seed))
        answers, errors = numbered(500, seed, shift=10)
        found = estimator.expected(estimator.count(answers))
        real = {"mae": np.abs(errors).mean(), "rmse": np.sqrt(np.square(errors).mean())}
        for name in inside:
            inside[name] += found[name].low <= real[name] <= found[name].high
    assert all(hits >= 87 for hits in inside.values()), inside


def test_answers_that_are_harder_are_expected_to_be_worse_before_any_outcome() -> None:
    scores = ScoreEstimator(ScoreCounts.of(*bent(20_000, 1)[:2]))
    sure, torn = (scores.expected(scores.count(each))["accuracy"] for each in ([0.02] * 500, [0.5] * 500))
    assert torn.high < sure.low
    losses = LossEstimator.learned(*numbered(20_000, 1))
    small, large = (losses.expected(losses.count([each] * 500))["mae"] for each in (60.0, 140.0))
    assert small.high < large.low


def test_a_changed_world_is_not_seen_without_outcomes() -> None:
    estimator = ScoreEstimator(ScoreCounts.of(*bent(20_000, 1)[:2]))
    scores, outcomes, _ = bent(2000, 2)
    found = estimator.expected(estimator.count(scores))["accuracy"]
    flipped = ScoreCounts.of(scores, 1 - outcomes).metrics()["accuracy"]
    assert flipped < found.low - 0.3, "which is what the assumption says"


@pytest.mark.parametrize("seed", [1, 2])
def test_slopes_are_what_a_row_that_ends_otherwise_changes(seed: int) -> None:
    scores, outcomes, _ = bent(3000, seed)
    counts = ScoreCounts.of(scores, outcomes)
    zeros, ones = (np.asarray(each + 0.5, dtype=np.float64) for each in (counts.zeros, counts.ones))
    slopes, step = histogram.slopes(zeros, ones), 1e-4
    for at in (3, 100, 127, 128, 200, 255):
        moved = np.zeros(histogram.BINS)
        moved[at] = step
        one, other = histogram.metrics(zeros - moved, ones + moved), histogram.metrics(zeros + moved, ones - moved)
        for name, slope in slopes.items():
            assert slope[at] == pytest.approx((one[name] - other[name]) / (2 * step), rel=1e-4, abs=1e-9), name


@pytest.mark.parametrize(
    "estimator",
    [
        ScoreEstimator(ScoreCounts.of([0.2, 0.8], [0, 1])),
        LabelEstimator(ConfusionCounts.of([0, 1, 2], [0, 1, 1], 3)),
        LossEstimator.learned([1.0, 2.0], [0.5, -0.5]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_nothing_is_expected_of_no_answers_and_no_confidence_is_certain(estimator: Estimator) -> None:
    assert estimator.expected(estimator.count([])) == {}
    some = estimator.count([1.0])
    assert some.sum() == 1
    assert estimator.expected(some)
    with pytest.raises(InvalidStatistic, match="confidence"):
        estimator.expected(some, confidence=1.0)


def test_a_label_that_the_baseline_never_gave_ends_as_all_its_rows_did() -> None:
    estimator = LabelEstimator(ConfusionCounts.of([0, 0, 0, 1], [0, 0, 2, 2], 3))
    assert estimator.expected(estimator.count([2.0] * 10))["accuracy"].value == pytest.approx(0.5)


def test_a_baseline_without_rows_gives_no_estimator() -> None:
    assert estimator_of(ScoreCounts.of([], [])) is None
    with pytest.raises(NoEvidence):
        LabelEstimator(ConfusionCounts.of([], [], 3))
    with pytest.raises(NoEvidence):
        LossEstimator.learned([], [])


def test_each_kind_of_counts_has_its_estimator_and_others_have_none() -> None:
    class Strange:
        rows = 1

        def metrics(self) -> dict[str, float]:
            return {}

        def as_document(self) -> dict[str, Any]:
            return {}

    assert isinstance(estimator_of(ScoreCounts.of([0.5], [1])), ScoreEstimator)
    assert isinstance(estimator_of(ConfusionCounts.of([2], [2], 3)), LabelEstimator)
    strange: ClassCounts = Strange()
    with pytest.raises(InvalidStatistic, match="Strange"):
        estimator_of(strange)


def test_losses_come_back_from_their_document_and_only_fit_their_own_bins() -> None:
    known = LossEstimator.learned(*numbered(500, 1))
    again = LossEstimator.from_document(known.as_document())
    assert again.as_document() == known.as_document()
    with pytest.raises(InvalidStatistic, match="differ"):
        _ = known + LossEstimator.learned(*numbered(500, 2))
    with pytest.raises(InvalidStatistic, match="bins"):
        LossEstimator(known.bins, known.rows[1:], known.sums)
