"""Which rows judge, and what the others count."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from runtime.domain.errors import TooFewRows
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from tests.unit.domain.lives import MONDAY
from tests.unit.pipeline.flights import SPEC, a_spec, frame, rows_of

DAY = 24 * 3_600_000_000
AS_OF = MONDAY + timedelta(days=25)
"""The moment after the last of 200 flights, eight a day."""

FIRST = Plan.first(SPEC)


def challenger(**retrain: Any) -> Plan:
    return Plan.challenger(a_spec(retrain=retrain), AS_OF)


ALTERNATING = challenger(holdout={"every": 2, "of_last": "10d"})


def test_the_newest_share_judges_a_first_version() -> None:
    rows = rows_of(frame(200))
    arranged, at = FIRST.arrange("flights", rows)
    assert (arranged, at) == (rows, 160)


def test_a_challenger_is_judged_the_same_way_unless_the_spec_says_otherwise() -> None:
    assert challenger().arrange("flights", rows_of(frame(200)))[1] == 160


def test_every_second_day_of_the_last_stretch_judges() -> None:
    rows = rows_of(frame(200))
    arranged, at = ALTERNATING.arrange("flights", rows)
    judging = sorted(set(arranged.time[at:] // DAY))
    assert len(judging) == 5
    assert set(np.diff(judging)) == {2}
    assert judging[0] >= rows.time[-1] // DAY - 9
    assert not set(judging) & set(arranged.time[:at] // DAY), "a day is never split"


def test_every_third_day_is_a_third_of_the_days() -> None:
    plan = challenger(holdout={"every": 3, "of_last": "15d"})
    arranged, at = plan.arrange("flights", rows_of(frame(200)))
    assert set(np.diff(sorted(set(arranged.time[at:] // DAY)))) == {3}


@pytest.mark.parametrize("plan", [FIRST, ALTERNATING], ids=["newest share", "alternating days"])
def test_both_parts_are_in_order_of_time_and_no_row_is_lost(plan: Plan) -> None:
    rows = rows_of(frame(200))
    arranged, at = plan.arrange("flights", rows)
    for part in (arranged.part(0, at), arranged.part(at, len(arranged))):
        assert (np.diff(part.time) > 0).all()
    assert np.array_equal(np.sort(arranged.time), rows.time)
    targets = dict(zip(rows.time.tolist(), rows.target.tolist(), strict=True))
    assert arranged.target.tolist() == [targets[time] for time in arranged.time.tolist()]


def test_a_row_counts_half_as_much_for_each_half_life_of_age() -> None:
    rows = rows_of(frame(200))
    weights = challenger(half_life="5d").weights(rows)
    assert weights is not None
    ages = (DAY * 25 - (rows.time - rows.time[0])) / DAY
    assert weights == pytest.approx(0.5 ** (ages / 5))
    assert weights[40] / weights[0] == pytest.approx(2.0), "40 flights are five days"


def test_without_a_half_life_all_rows_count_alike() -> None:
    rows = rows_of(frame(20))
    assert challenger().weights(rows) is None
    assert Plan.first(a_spec(retrain={"half_life": "5d"})).weights(rows) is None


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("folds", [2, 3, 10])
def test_as_many_rows_as_are_asked_for_are_enough(share: float, folds: int) -> None:
    plan = Plan(folds, share)
    with pytest.raises(TooFewRows) as refused:
        plan.arrange("flights", rows_of(frame(folds)))
    _, at = plan.arrange("flights", rows_of(frame(refused.value.min_rows)))
    assert at >= 2 * (folds + 1)


def test_too_few_rows_are_refused_with_where_and_how_many() -> None:
    with pytest.raises(TooFewRows, match="flight-time-UA: 5 rows, fewer than the 11 required"):
        FIRST.arrange("flight-time-UA", rows_of(frame(5)))


def test_a_stretch_without_a_judging_day_is_refused_as_such() -> None:
    old: Rows = rows_of(frame(200, start=MONDAY - timedelta(days=100)))
    with pytest.raises(TooFewRows, match="flight-time-UA, on its judging days: 0 rows, fewer than the 1 required"):
        ALTERNATING.arrange("flight-time-UA", old)


def test_rows_that_all_judge_leave_none_to_train_on_and_are_refused_as_such() -> None:
    few = rows_of(frame(12, an_hour=4, start=AS_OF - timedelta(days=2)))
    with pytest.raises(TooFewRows, match="flight-time-UA, to train on: 6 rows, fewer than the 8 required"):
        ALTERNATING.arrange("flight-time-UA", few)
