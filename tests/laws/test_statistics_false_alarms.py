"""The promise of the alarm: at least A checks between false ones, whatever the baseline's size.

Simulated with fixed seeds. A is set far below its default, so that alarms could happen at all in a short
run; the bound asserted is the promised rate itself, with no allowance for chance.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest

from runtime.statistics.bins import CategoricalBins, NumericBins
from runtime.statistics.detector import DetectorPlan, DetectorState, read, update
from runtime.statistics.profile import Counts, FeatureProfile, Profile


def multinomial_tick(rng: np.random.Generator, profile: Profile, truth: list[np.ndarray], rows: int) -> Counts:
    return Counts(profile.layout, rows, np.concatenate([rng.multinomial(rows, shares) for shares in truth]))


@pytest.mark.parametrize("rows", [5, 100])
def test_with_exact_shares_alarms_are_no_more_frequent_than_promised(rows: int) -> None:
    """Known truth and no discount: only the martingale holds the rate, A = 50 checks, 3,000 checks."""
    rng = np.random.default_rng(11)
    bins = NumericBins(tuple(float(edge) for edge in range(7)))
    counts = (1_000_000, 2_000_000, 3_000_000, 1_000_000, 500_000, 1_500_000, 700_000, 300_000, 200_000)
    profile = Profile(tuple(FeatureProfile(name, bins, counts) for name in "ab"))
    plan = DetectorPlan.build(profile, checks_between_false_alarms=50, reference_sigmas=0)
    truth = [plan.shares[:9], plan.shares[9:]]
    state, alarms = DetectorState.fresh(plan), 0
    for _ in range(3_000):
        state, reading = update(plan, state, multinomial_tick(rng, profile, truth, rows))
        if reading.alarm:
            state, alarms = DetectorState.fresh(plan), alarms + 1
    assert 0 < alarms <= 3_000 / 50


def test_a_model_rarely_has_much_evidence_at_any_one_check() -> None:
    """E[M_t] <= t, so by Markov P(M_20 >= 20 a) <= 1 / a."""
    rng = np.random.default_rng(12)
    profile = Profile.from_columns({"delay": rng.normal(size=100_000)})
    plan = DetectorPlan.build(profile, reference_sigmas=0)
    evidence = []
    for _ in range(100):
        state = DetectorState.fresh(plan)
        for _ in range(20):
            state, _ = update(plan, state, multinomial_tick(rng, profile, [plan.shares], 50))
        evidence.append(read(plan, state).evidence)
    for a in (2, 5, 20):
        assert np.mean(np.array(evidence) >= math.log(20 * a)) <= 1 / a


@pytest.mark.parametrize(("reference_rows", "rows"), [(365, 20), (5_000, 100)])
def test_a_baseline_that_is_only_a_sample_costs_no_false_alarms(reference_rows: int, rows: int) -> None:
    """Forty baselines of 100 checks each, A = 100: at most the promised 40, and by the discount far fewer."""
    rng = np.random.default_rng(13)
    carriers = dict(zip("abcdef", (0.4, 0.3, 0.15, 0.1, 0.04, 0.01), strict=True))
    alarms = 0
    for _ in range(40):
        carrier = rng.choice(list(carriers), reference_rows, p=list(carriers.values()))
        profile = Profile.from_columns({"delay": rng.normal(size=reference_rows), "carrier": carrier})
        truth = [normal_shares(profile), category_shares(profile, carriers)]
        plan = DetectorPlan.build(profile, checks_between_false_alarms=100)
        state = DetectorState.fresh(plan)
        for _ in range(100):
            state, reading = update(plan, state, multinomial_tick(rng, profile, truth, rows))
            if reading.alarm:
                state, alarms = DetectorState.fresh(plan), alarms + 1
    assert alarms <= 40 * 100 / 100 / 4


def normal_shares(profile: Profile) -> np.ndarray:
    """What a standard normal column puts into the bins of "delay"."""
    bins = profile.feature("delay").bins
    assert isinstance(bins, NumericBins)
    below = [0.0, *(NormalDist().cdf(edge) for edge in bins.edges), 1.0]
    return np.append(np.diff(below), 0.0)


def category_shares(profile: Profile, shares: dict[str, float]) -> np.ndarray:
    bins = profile.feature("carrier").bins
    assert isinstance(bins, CategoricalBins)
    known = [shares[category] for category in bins.categories]
    return np.array([*known, 1 - sum(known), 0.0])
