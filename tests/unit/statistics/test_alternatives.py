"""What is taken off an alternative for the baseline being a sample, and what the alternatives are."""

import math

import numpy as np
import pytest

from runtime.statistics.alternatives import REFERENCE_SIGMAS, log_discounts, normal_shapes, ratio_shares

CHI = np.array([0.01, 0.07, 0.8])


def test_an_alarm_of_l_nats_asks_for_l_over_n_a_row_whatever_the_alternative() -> None:
    found = log_discounts(np.array([0.07, 0.8]), np.array([20.0, 20.0]), 100_000, None, 0.0)
    assert np.expm1(found) == pytest.approx([20 / 100_000] * 2)


def test_five_standard_errors_are_the_most_that_is_taken_off() -> None:
    found = log_discounts(np.array([0.01]), np.array([20.0]), 10_000, None, 0.0)
    assert np.expm1(found) == pytest.approx([REFERENCE_SIGMAS * 0.01 / 100])


def test_standard_errors_that_were_asked_for_are_taken_plainly() -> None:
    found = log_discounts(CHI, np.full(3, 20.0), 10_000, 2.0, 0.0)
    assert np.expm1(found) == pytest.approx(2 * CHI / 100)


def test_drift_to_be_ignored_comes_on_top() -> None:
    without = np.expm1(log_discounts(CHI, np.full(3, 20.0), 10_000, None, 0.0))
    assert np.expm1(log_discounts(CHI, np.full(3, 20.0), 10_000, None, 0.3)) == pytest.approx(without + 0.3 * CHI)


def test_a_feature_that_cannot_alarm_is_discounted_like_any_other() -> None:
    found = log_discounts(CHI, np.full(3, math.inf), 10_000, None, 0.0)
    assert np.expm1(found) == pytest.approx(5 * CHI / 100)


def test_shapes_are_shares_and_the_first_lies_low() -> None:
    p = np.full(16, 1 / 16)
    q = normal_shapes(p)
    assert q.sum(axis=1) == pytest.approx(np.ones(14))
    assert q[0, 0] > 3 * p[0] > 3 * q[9, 0]  # minus and plus .8 sigma


def test_a_large_share_cannot_double() -> None:
    assert ratio_shares(np.array([0.1, 0.9]), [0.5, 2.0]).tolist() == [[0.05, 0.2], [0.45, 0.95]]
