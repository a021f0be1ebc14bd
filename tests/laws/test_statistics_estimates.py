"""Windows merge by addition, and what is expected of them depends on their counts alone and stays in its range."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.statistics.cbpe import LabelEstimator, ScoreEstimator
from runtime.statistics.classification import ConfusionCounts, ScoreCounts
from runtime.statistics.dle import LossEstimator
from runtime.statistics.estimated import Estimator
from runtime.statistics.slices import SliceValues, sliced

CHANCE = st.floats(0, 1)
SCORED = st.lists(st.tuples(CHANCE, st.integers(0, 1)), min_size=1, max_size=40)
SAID = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)
NUMBERED = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=40)
ESTIMATORS: st.SearchStrategy[Estimator] = st.one_of(
    SCORED.map(lambda rows: ScoreEstimator(ScoreCounts.of([row[0] for row in rows], [row[1] for row in rows]))),
    SAID.map(lambda rows: LabelEstimator(ConfusionCounts.of([row[0] for row in rows], [row[1] for row in rows], 3))),
    NUMBERED.map(lambda rows: LossEstimator.learned([row[0] for row in rows], [row[1] for row in rows])),
)
ANSWERS = st.lists(CHANCE | st.sampled_from([0.0, 1.0, 2.0]), max_size=40)


@settings(max_examples=60)
@given(ESTIMATORS, ANSWERS, st.integers(0, 40), st.randoms(use_true_random=False))
def test_parts_in_any_order_are_the_whole(estimator: Estimator, answers: list[float], at: int, chance: Any) -> None:
    shuffled = sorted(answers, key=lambda _: chance.random())
    parts = estimator.count(shuffled[:at]) + estimator.count(shuffled[at:])
    assert parts.tolist() == estimator.count(answers).tolist()
    assert estimator.expected(parts) == estimator.expected(estimator.count(answers))


@settings(max_examples=60)
@given(ESTIMATORS, ANSWERS)
def test_an_estimate_lies_in_its_band_and_the_band_in_its_range(estimator: Estimator, answers: list[float]) -> None:
    for name, found in estimator.expected(estimator.count(answers)).items():
        assert 0 <= found.low <= found.value + 1e-9
        assert found.value <= found.high + 1e-9
        assert found.high <= 1 or name in {"log_loss", "mae", "rmse"}


@settings(max_examples=60)
@given(ESTIMATORS, ANSWERS)
def test_more_rows_of_the_same_kind_make_the_band_no_wider(estimator: Estimator, answers: list[float]) -> None:
    counts = estimator.count(answers)
    once, often = estimator.expected(counts), estimator.expected(counts * 7)
    for name, found in once.items():
        assert np.isclose(found.value, often[name].value)
        assert often[name].high - often[name].low <= (found.high - found.low) * (1 + 1e-9) + 1e-9


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcz"), CHANCE, st.integers(0, 2)), max_size=40), st.integers(0, 40))
def test_slices_of_parts_are_the_slices_of_all(rows: list[tuple[str, float, int]], at: int) -> None:
    values = SliceValues(("a", "b", "c"))

    def tables(part: list[tuple[str, float, int]], classes: int | None) -> Any:
        answers = [row[1] if classes is None else float(round(2 * row[1])) for row in part]
        return sliced(values, values.places([row[0] for row in part]), answers, [row[2] for row in part], classes)

    whole, parts = tables(rows, 3), tables(rows[at:], 3) + tables(rows[:at], 3)
    assert parts.as_document() == whole.as_document()
    whole, parts = tables(rows, None), tables(rows[at:], None) + tables(rows[:at], None)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert np.allclose(parts.sums, whole.sums)
