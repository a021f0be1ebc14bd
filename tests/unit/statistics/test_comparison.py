import math

import numpy as np
import pytest
from scipy import stats

from runtime.statistics.comparison import PairedMoments, compare_moments, compare_paired
from runtime.statistics.errors import InvalidStatistic, UncountableColumn


def errors(seed: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two models that find the same rows hard; a is a little better."""
    rng = np.random.default_rng(seed)
    hard = rng.exponential(10, size=rows)
    return hard + rng.normal(0, 0.5, size=rows), hard + 0.2 + rng.normal(0, 0.5, size=rows)


def test_a_small_gain_shows_because_rows_are_paired() -> None:
    a, b = errors(1)
    result = compare_paired(a, b, np.random.default_rng(2))
    assert result.low < result.difference < result.high < 0
    assert result.relative == pytest.approx(result.difference / np.abs(b).mean())
    assert result.relative_high == pytest.approx(result.high / np.abs(b).mean())
    unpaired = stats.ttest_ind(np.abs(a), np.abs(b)).confidence_interval()
    assert unpaired.high > 0


def test_the_bootstrap_agrees_with_scipys() -> None:
    a, b = errors(1)
    d = np.abs(a) - np.abs(b)
    theirs = stats.bootstrap(
        (d,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    ours = compare_paired(a, b, np.random.default_rng(2), resamples=5000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_moments_give_students_interval() -> None:
    a, b = errors(1)
    theirs = stats.ttest_rel(np.abs(a), np.abs(b)).confidence_interval(0.9)
    ours = compare_moments(PairedMoments.from_errors(a, b), confidence=0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_the_same_generator_gives_the_same_interval() -> None:
    a, b = errors(1)
    first, second = (compare_paired(a, b, np.random.default_rng(7), block_length=5) for _ in range(2))
    assert first == second


def test_blocks_widen_the_interval_of_rows_that_follow_each_other() -> None:
    rng = np.random.default_rng(1)
    drift = np.repeat(rng.normal(size=50), 20)  # differences come in runs of twenty
    rows = compare_paired(10 + drift, np.full(1000, 10.0), rng)
    blocks = compare_paired(10 + drift, np.full(1000, 10.0), rng, block_length=20)
    assert blocks.high - blocks.low > 2 * (rows.high - rows.low)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        a, b = rng.exponential(2.0, size=60), rng.exponential(2.0, size=60)
        result = compare_paired(a, b, rng, resamples=300, confidence=0.9)
        held += result.low <= 0 <= result.high
    assert 0.84 <= held / 300 <= 0.95  # 0.9 +- 3.5 standard errors, less what small samples cost


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_bound_nothing(rows: int) -> None:
    a, b = [1.0] * rows, [3.0] * rows
    for result in (
        compare_paired(a, b, np.random.default_rng(1)),
        compare_moments(PairedMoments.from_errors(a, b)),
    ):
        assert (result.rows, result.low, result.high) == (rows, -math.inf, math.inf)
        assert result.difference == -2 if rows else math.isnan(result.difference)


def test_rows_without_both_errors_are_left_out() -> None:
    result = compare_paired([1.0, np.nan, 1.0, 5.0], [2.0, 2.0, 2.0, np.inf], np.random.default_rng(1))
    assert (result.rows, result.low, result.high) == (2, -1, -1)


def test_models_that_never_err_do_not_differ() -> None:
    result = compare_paired([0.0, 0.0], [0.0, 0.0], np.random.default_rng(1))
    assert (result.relative, result.low, result.high) == (0, 0, 0)
    worse = compare_paired([1.0, 1.0], [0.0, 0.0], np.random.default_rng(1))
    assert worse.relative == math.inf


def test_a_block_longer_than_the_rows_is_all_of_them() -> None:
    result = compare_paired([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], np.random.default_rng(1), block_length=99)
    assert (result.low, result.high) == pytest.approx((2, 2))


def test_arguments_outside_their_domain_are_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(UncountableColumn):
        compare_paired([1.0], [1.0, 2.0], rng)
    with pytest.raises(InvalidStatistic, match="confidence"):
        compare_paired([1.0], [1.0], rng, confidence=1.0)
    with pytest.raises(InvalidStatistic, match="block_length"):
        compare_paired([1.0], [1.0], rng, block_length=0)
    with pytest.raises(InvalidStatistic, match="resamples"):
        compare_paired([1.0], [1.0], rng, resamples=0)
    with pytest.raises(InvalidStatistic, match="moments"):
        PairedMoments(rows=-1)
