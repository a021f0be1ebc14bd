import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runtime.domain.ids import new_id
from runtime.serving.split import is_canary, point

UNITS = st.text(max_size=40)
SHARES = st.floats(0, 1)


@given(UNITS, SHARES, SHARES)
def test_raising_the_share_never_moves_a_canary_unit_back(unit: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert is_canary("m", unit, high) or not is_canary("m", unit, low)


@given(UNITS)
def test_share_zero_is_nobody_and_share_one_everybody(unit: str) -> None:
    assert 0 <= point("m", unit) < 1
    assert not is_canary("m", unit, 0.0)
    assert is_canary("m", unit, 1.0)


def test_a_point_is_the_same_in_every_process() -> None:
    # Fixed by the formula in the module: a change here moves every user of every canary.
    assert point("flight-time", "0190b8a6-7c1f-7d2e-8a52-4f3c2b1a0d9e") == 0.7818863169479702


def test_points_of_decision_ids_and_of_counted_keys_are_uniform() -> None:
    for units in ([new_id() for _ in range(20_000)], [f"user-{i}" for i in range(20_000)]):
        points = [point("m", unit) for unit in units]
        assert stats.kstest(points, "uniform").pvalue > 1e-6
        assert abs(sum(p < 0.1 for p in points) - 2_000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5


def test_the_canaries_of_two_models_are_not_the_same_units() -> None:
    units = [f"user-{i}" for i in range(20_000)]
    correlation = np.corrcoef([[point(model, unit) for unit in units] for model in ("a", "b")])[0, 1]
    assert abs(correlation) < 0.03
