"""Evidence that may be looked at after every row: it seldom accuses the innocent, and finds harm soon."""

import math

import numpy as np
import pytest

from runtime.statistics.errors import InvalidStatistic
from runtime.statistics.sequential import (
    LEAST_ROWS,
    Apart,
    Sums,
    log_evidence_above,
    log_evidence_below,
    log_evidence_of_rate,
)

THRESHOLD = math.log(20)
"""5%."""
ROWS = 400
RUNS = 400


def first_alarm(rows: np.ndarray) -> int | None:
    """After how many rows the mean is surely above 0, looked at after every one."""
    totals, squares = np.cumsum(rows).tolist(), np.cumsum(rows**2).tolist()
    looks = (Sums(at + 1, totals[at], squares[at]) for at in range(len(rows)))
    return next((sums.rows for sums in looks if log_evidence_above(sums) >= THRESHOLD), None)


@pytest.mark.parametrize(
    "draw",
    [
        lambda chance: chance.normal(0, 10, ROWS),
        lambda chance: chance.laplace(0, 3, ROWS),
        lambda chance: chance.standard_t(3, ROWS),
        lambda chance: chance.exponential(1, ROWS) - 1,
        lambda chance: chance.choice([-1.0, 0.0, 1.0], ROWS, p=[0.1, 0.8, 0.1]),
    ],
    ids=["normal", "laplace", "heavy tails", "skewed", "right and wrong labels"],
)
def test_rows_that_are_not_above_the_limit_seldom_seem_so_however_often_one_looks(draw) -> None:  # type: ignore[no-untyped-def]
    chance = np.random.default_rng(2013)
    alarms = sum(first_alarm(draw(chance)) is not None for _ in range(RUNS))
    assert alarms / RUNS <= 0.05


def test_a_mean_that_is_half_a_spread_above_is_found_within_some_dozens_of_rows() -> None:
    chance = np.random.default_rng(7)
    found = [first_alarm(chance.normal(5, 10, ROWS)) for _ in range(100)]
    assert None not in found
    assert np.median([each or ROWS for each in found]) < 60


def test_sums_merge_and_come_back() -> None:
    values = np.arange(30.0)
    whole = Sums.of(values)
    assert Sums.of(values[:7]) + Sums.of(values[7:]) == whole
    assert Sums.from_document(whole.as_document()) == whole
    assert (whole.mean, Sums().mean) == (14.5, 0.0)


def test_below_is_above_of_the_opposite_and_few_or_equal_rows_say_nothing() -> None:
    rows = np.array([-1.0, -1.2, -0.7] * 10)
    assert log_evidence_below(Sums.of(rows)) == log_evidence_above(Sums.of(-rows)) > THRESHOLD
    assert log_evidence_above(Sums.of(rows)) == 0
    assert log_evidence_above(Sums.of(-rows[: LEAST_ROWS - 1])) == 0
    assert log_evidence_above(Sums.of(np.zeros(100))) == log_evidence_below(Sums.of(np.zeros(100))) == 0


def test_numbers_that_are_none_have_no_sum() -> None:
    with pytest.raises(InvalidStatistic):
        Sums.of([1.0, math.nan])


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3])
def test_a_rate_at_its_limit_seldom_seems_above_it_and_twice_the_limit_is_found(limit: float) -> None:
    chance = np.random.default_rng(3)
    rows = 2_000

    def alarms(share: float) -> float:
        hits = np.cumsum(chance.random((200, rows)) < share, axis=1)
        looked = range(9, rows, 10)
        found = [any(log_evidence_of_rate(int(run[at]), at + 1, limit) >= THRESHOLD for at in looked) for run in hits]
        return float(np.mean(found))

    assert alarms(limit) <= 0.05
    assert alarms(2.5 * limit) >= 0.95


@pytest.mark.parametrize(("hits", "rows", "limit"), [(3, 2, 0.1), (-1, 2, 0.1), (0, 1, 0.0), (0, 1, 1.0)])
def test_a_rate_that_cannot_be_is_refused(hits: int, rows: int, limit: float) -> None:
    with pytest.raises(InvalidStatistic):
        log_evidence_of_rate(hits, rows, limit)


def evidence_of(chance: np.random.Generator, moved: float, limit: float = 0.1) -> float:
    """The most that was ever won in 60 ticks of 20 pairs, a share ``moved`` of the one side in another bin."""
    apart, most = Apart(limit, 8), 0.0
    for _ in range(60):
        theirs = chance.integers(0, 7, 20)
        mine = np.where(chance.random(20) < moved, 7, chance.integers(0, 7, 20))
        apart.take(mine, theirs)
        most = max(most, apart.log_evidence)
    return most


def test_answers_that_lie_no_further_apart_than_the_limit_seldom_seem_so() -> None:
    chance = np.random.default_rng(11)
    assert sum(evidence_of(chance, moved=0.1) >= THRESHOLD for _ in range(200)) / 200 <= 0.05


def test_answers_that_lie_further_apart_are_found() -> None:
    chance = np.random.default_rng(12)
    assert sum(evidence_of(chance, moved=0.3) >= THRESHOLD for _ in range(100)) >= 95


def test_the_order_of_pairs_in_a_tick_is_nothing_and_a_bet_comes_back() -> None:
    chance = np.random.default_rng(1)
    one, other = Apart(0.2, 4), Apart(0.2, 4)
    for _ in range(5):
        mine, theirs = chance.integers(0, 4, 30), chance.integers(0, 2, 30)
        order = chance.permutation(30)
        one.take(mine, theirs)
        other.take(mine[order], theirs[order])
    assert one.log_evidence == pytest.approx(other.log_evidence)
    assert (one.mine.tolist(), one.rows) == (other.mine.tolist(), 150)
    assert Apart.from_document(one.as_document()) == one
    with pytest.raises(InvalidStatistic):
        Apart(0.0, 4)
