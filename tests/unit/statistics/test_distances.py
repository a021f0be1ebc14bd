import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from runtime.statistics.distances import (
    chi_square,
    distances,
    js,
    ks_on_bins,
    missing_rate,
    psi,
    wasserstein_on_bins,
)
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence
from runtime.statistics.profile import Profile

REFERENCE = np.array([120, 80, 0, 40, 30, 10])
CURRENT = np.array([30, 60, 5, 0, 20, 4])


def test_psi_is_the_relative_entropy_both_ways() -> None:
    e, a = REFERENCE + 0.5, CURRENT + 0.5
    assert psi(REFERENCE, CURRENT) == pytest.approx(stats.entropy(a, e) + stats.entropy(e, a))


def test_js_is_the_square_of_scipys_distance() -> None:
    assert js(REFERENCE, CURRENT) == pytest.approx(jensenshannon(REFERENCE, CURRENT, base=2) ** 2)


def test_ks_on_bins_is_the_two_sample_statistic_of_bin_numbers() -> None:
    numbers = np.arange(5)
    rows = [np.repeat(numbers, side[:-1]) for side in (REFERENCE, CURRENT)]
    assert ks_on_bins(REFERENCE, CURRENT) == pytest.approx(stats.ks_2samp(*rows).statistic)


def test_chi_square_is_the_test_of_a_contingency_table() -> None:
    ours = chi_square(REFERENCE, CURRENT)
    theirs = stats.chi2_contingency(np.stack((REFERENCE, CURRENT)), correction=False)
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.degrees_of_freedom == theirs.dof
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_chi_square_leaves_out_bins_that_nobody_holds() -> None:
    assert chi_square([5, 0, 5], [3, 0, 7]) == chi_square([5, 5], [3, 7])
    assert chi_square([5, 0], [9, 0]).p_value == 1


def test_wasserstein_on_bins_is_scipys_at_the_same_positions() -> None:
    positions = np.array([-3.0, -1.0, 0.0, 0.5, 9.0])
    expected = stats.wasserstein_distance(positions, positions, REFERENCE[:-1], CURRENT[:-1])
    assert wasserstein_on_bins(REFERENCE, CURRENT, positions) == pytest.approx(expected)


def test_wasserstein_on_bins_sees_a_shift_in_its_own_unit() -> None:
    sample = np.random.default_rng(1).uniform(0, 100, size=20_000)
    profile = Profile.from_columns({"minutes": sample})
    (found,) = distances(profile, profile.count({"minutes": sample + 5}))
    assert found.wasserstein == pytest.approx(5, abs=1)


def test_alike_windows_have_no_distance() -> None:
    for distance in (psi, js, ks_on_bins, wasserstein_on_bins):
        assert distance(CURRENT, CURRENT) == 0
    assert chi_square(CURRENT, CURRENT).p_value == 1


@pytest.mark.parametrize("distance", [psi, js, ks_on_bins, chi_square, wasserstein_on_bins])
def test_a_distance_from_nothing_is_refused(distance) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NoEvidence):
        distance([1, 2, 3], [0, 0, 0])
    with pytest.raises(InvalidStatistic):
        distance([1, 2, 3], [1, 2])


def test_missing_rate_is_the_share_of_the_last_bin() -> None:
    assert missing_rate([6, 2, 2]) == 0.2
    with pytest.raises(NoEvidence):
        missing_rate([0, 0])


def test_every_feature_of_a_window_is_compared() -> None:
    profile = Profile.from_columns({"delay": [1.0, 2.0, None, 4.0], "origin": ["a", "b", "a", "a"]})
    window = profile.count({"delay": [None, None], "origin": ["c", "a"]})
    delay, origin = distances(profile, window)
    assert (delay.name, delay.missing_rate, delay.reference_missing_rate) == ("delay", 1.0, 0.25)
    assert delay.ks is None  # nothing present to compare
    assert origin.ks is None  # categories have no order
    assert origin.psi > 0
    with pytest.raises(LayoutMismatch):
        distances(Profile.from_columns({"delay": [1.0]}), window)
