"""Every metric is scikit-learn's, and the spread that its losses claim is the spread that is seen."""

import numpy as np
import pytest
from sklearn import metrics as reference

from runtime.domain.metrics import METRICS, Metric, headline, shown, spelled
from runtime.domain.schema import Task
from runtime.statistics.comparison import compare_losses
from runtime.statistics.scoring import Array, compared, error, labels, losses, value


def two(rows: int, seed: int, strength: float = 1.0) -> tuple[Array, Array]:
    """Probabilities that are right more often than not, many of them equal; and the truth."""
    chance = np.random.default_rng(seed)
    truth = (chance.random(rows) < 0.3).astype(np.float64)
    raw = strength * (2 * truth - 1) + chance.normal(0, 1.5, rows)
    return np.round(1 / (1 + np.exp(-raw)), 2), truth


def three(rows: int, seed: int) -> tuple[Array, Array]:
    chance = np.random.default_rng(seed)
    truth = chance.integers(3, size=rows).astype(np.float64)
    raw = chance.normal(0, 1, (rows, 3)) + 1.2 * (truth[:, None] == np.arange(3))
    return np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True), truth


def test_two_classes_are_measured_as_scikit_learn_does() -> None:
    answers, truth = two(500, 1)
    said = labels(answers)
    assert value(Metric.ROC_AUC, answers, truth) == pytest.approx(reference.roc_auc_score(truth, answers))
    assert value(Metric.LOG_LOSS, answers, truth) == pytest.approx(reference.log_loss(truth, answers))
    assert value(Metric.BRIER, answers, truth) == pytest.approx(reference.brier_score_loss(truth, answers))
    assert value(Metric.ACCURACY, answers, truth) == pytest.approx(reference.accuracy_score(truth, said))
    assert value(Metric.F1, answers, truth) == pytest.approx(reference.f1_score(truth, said))


def test_three_classes_are_measured_as_scikit_learn_does() -> None:
    answers, truth = three(400, 2)
    said = labels(answers)
    auc = reference.roc_auc_score(truth, answers, multi_class="ovr")
    assert value(Metric.ROC_AUC, answers, truth) == pytest.approx(auc)
    assert value(Metric.LOG_LOSS, answers, truth) == pytest.approx(reference.log_loss(truth, answers))
    brier = reference.brier_score_loss(truth, answers, scale_by_half=False)
    assert value(Metric.BRIER, answers, truth) == pytest.approx(brier)
    assert value(Metric.ACCURACY, answers, truth) == pytest.approx(reference.accuracy_score(truth, said))
    assert value(Metric.F1, answers, truth) == pytest.approx(reference.f1_score(truth, said, average="macro"))


def test_a_regression_is_measured_in_the_unit_of_its_target() -> None:
    answers, truth = np.array([3.0, -4.0]), np.zeros(2)
    assert value(Metric.MAE, answers, truth) == 3.5
    assert value(Metric.RMSE, answers, truth) == pytest.approx(12.5**0.5)


@pytest.mark.parametrize("metric", METRICS[Task.CLASSIFICATION])
def test_a_better_model_has_the_smaller_error_whatever_the_metric(metric: Metric) -> None:
    truth = two(800, 3)[1]
    chance = np.random.default_rng(4)
    noise = chance.normal(0, 1, 800)
    good, bad = (1 / (1 + np.exp(-(strength * (2 * truth - 1) + noise))) for strength in (2.0, 0.5))
    assert error(metric, good, truth) < error(metric, bad, truth)
    assert metric.error_of(value(metric, good, truth)) == pytest.approx(error(metric, good, truth))
    assert float(losses(metric, good, truth).mean()) == pytest.approx(error(metric, good, truth))


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.F1, Metric.ACCURACY, Metric.LOG_LOSS])
def test_an_interval_of_no_difference_holds_nothing_about_as_often_as_it_says(metric: Metric) -> None:
    """Two models that are equally good, 200 times: 10 misses are expected; seeds 0 to 7 gave 4 to 17."""
    missed = 0
    chance = np.random.default_rng(2013)
    for _ in range(200):
        truth = (chance.random(300) < 0.4).astype(np.float64)
        shared = chance.normal(0, 1, 300)
        first, second = (1 / (1 + np.exp(-(2 * truth - 1 + shared + chance.normal(0, 0.7, 300)))) for _ in range(2))
        found = compare_losses(losses(metric, first, truth), losses(metric, second, truth), chance, resamples=300)
        missed += not found.low <= 0 <= found.high
    assert 3 <= missed <= 22


def test_the_spread_of_pseudo_values_is_delongs() -> None:
    """The variances of its components, each over its own class's rows: s10 / n1 + s01 / n0."""
    answers, truth = two(200, 5)
    ones, zeros = answers[truth == 1], answers[truth == 0]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    population = wins.mean(axis=1).var() / len(ones) + wins.mean(axis=0).var() / len(zeros)
    found = losses(Metric.ROC_AUC, answers, truth)
    assert found.var() / len(found) == pytest.approx(population)


@pytest.mark.parametrize("truth", [np.zeros(5), np.ones(5)])
def test_rows_of_one_class_tell_no_area_and_no_infinite_loss(truth: Array) -> None:
    answers = np.array([0.0, 0.2, 0.5, 0.7, 1.0])
    assert np.isnan(error(Metric.ROC_AUC, answers, truth))
    assert np.isfinite(error(Metric.LOG_LOSS, answers, truth))
    assert 0 <= value(Metric.F1, answers, truth) <= 1


@pytest.mark.parametrize("metric", METRICS[Task.CLASSIFICATION])
def test_an_answer_that_is_no_number_is_never_counted_as_a_class(metric: Metric) -> None:
    answers, truth = two(50, 6)
    answers[3] = np.nan
    assert np.isnan(error(metric, answers, truth))
    of_three, classes = three(50, 6)
    of_three[3, 1] = np.nan
    assert np.isnan(error(metric, of_three, classes)) or metric is Metric.LOG_LOSS
    assert np.isnan(error(metric, np.empty(0), np.empty(0)))


def test_a_comparison_is_of_errors_and_says_so() -> None:
    answers, truth = two(300, 7, strength=2.0)
    poor = two(300, 8)[0]
    chance = np.random.default_rng(9)
    found = compare_losses(losses(Metric.ROC_AUC, answers, truth), losses(Metric.ROC_AUC, poor, truth), chance)
    told = compared(found, Metric.ROC_AUC)
    assert told.metric == "1 - roc_auc"
    assert told.challenger == pytest.approx(1 - value(Metric.ROC_AUC, answers, truth))
    assert told.high is not None
    assert told.high < 0


def test_metrics_are_written_as_sentences_have_them() -> None:
    assert [spelled(name) for name in ("mae", "1 - roc_auc", "log_loss")] == ["MAE", "1 - ROC AUC", "log loss"]
    assert [shown("mae", 8.123), shown("brier", 0.0123), shown("mae", 1, sign="+")] == ["8.12", "0.0123", "+1.00"]
    assert headline({"accuracy": 0.9, "log_loss": 0.2}) is Metric.LOG_LOSS
    assert headline({"bias": 0.1}) is None
