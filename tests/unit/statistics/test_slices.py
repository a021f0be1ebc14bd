"""Slices are counted by the values of the baseline, whatever comes; groups are compared as fairlearn compares them."""

from typing import Any

import numpy as np
import pytest

from runtime.statistics import fairness
from runtime.statistics.errors import InvalidStatistic
from runtime.statistics.slices import SliceCounts, SliceErrors, SliceValues, sliced, slices_from

Array = np.ndarray[Any, Any]


def grouped(rows: int, seed: int) -> tuple[list[str], Array, Array]:
    """Three groups, of which the last is passed over more often."""
    chance = np.random.default_rng((seed, rows))
    groups = chance.integers(3, size=rows)
    truth = (chance.random(rows) < 0.4).astype(np.float64)
    granted = chance.random(rows) < np.array([0.7, 0.6, 0.3])[groups] * (0.3 + 0.7 * truth)
    return ["abc"[group] for group in groups], granted.astype(np.float64), truth


def counts_of(rows: int, seed: int) -> SliceCounts:
    groups, labels, truth = grouped(rows, seed)
    values = SliceValues.of(groups)
    return SliceCounts.of(values, values.places(groups), labels, truth, 2)


def test_rates_and_differences_are_those_of_the_rows() -> None:
    groups, labels, truth = grouped(2000, 1)
    tables = counts_of(2000, 1).tables[:3]
    at = np.array(groups)
    selected = [labels[at == name].mean() for name in "abc"]
    found = [labels[(at == name) & (truth == 1)].mean() for name in "abc"]
    false = [labels[(at == name) & (truth == 0)].mean() for name in "abc"]
    assert fairness.selection_rates(tables) == pytest.approx(selected)
    assert fairness.true_positive_rates(tables) == pytest.approx(found)
    assert fairness.false_positive_rates(tables) == pytest.approx(false)
    assert fairness.demographic_parity_difference(tables) == pytest.approx(max(selected) - min(selected))
    expected = max(max(found) - min(found), max(false) - min(false))
    assert fairness.equalized_odds_difference(tables) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_differences_are_those_of_fairlearn(seed: int) -> None:
    reference = pytest.importorskip("fairlearn.metrics")
    groups, labels, truth = grouped(700, seed)
    tables = counts_of(700, seed).tables[:3]
    said: dict[str, Any] = {"y_true": truth, "y_pred": labels, "sensitive_features": groups}
    parity, odds = fairness.demographic_parity_difference(tables), fairness.equalized_odds_difference(tables)
    assert parity == pytest.approx(reference.demographic_parity_difference(**said))
    assert odds == pytest.approx(reference.equalized_odds_difference(**said))


def test_a_rate_without_rows_takes_no_part() -> None:
    tables = np.array([[[3, 1], [0, 0]], [[2, 2], [1, 3]], [[0, 0], [0, 0]]])
    assert fairness.selection_rates(tables)[:2].tolist() == [0.25, 0.625]
    assert np.isnan(fairness.true_positive_rates(tables)[[0, 2]]).all()
    assert fairness.demographic_parity_difference(tables) == 0.375
    assert fairness.equalized_odds_difference(tables) == 0.25, "of the false positives alone"
    assert fairness.equalized_odds_difference(tables[2:]) is None
    with pytest.raises(InvalidStatistic, match="groups, 2, 2"):
        fairness.selection_rates(np.zeros((2, 3, 3), dtype=np.int64))


def test_values_that_the_baseline_does_not_count_apart_are_one() -> None:
    values = SliceValues.of(["b"] * 3 + ["a"] * 2 + ["c"] + [None] * 2, limit=3)
    assert values.labels == ("a", "b", "missing", "other")
    assert values.places(["c", None, "a", float("nan"), "new"]).tolist() == [3, 2, 0, 2, 3]
    many = SliceValues.of(range(1000))
    assert many.size == 31


def test_errors_by_value_are_those_of_the_rows() -> None:
    values = SliceValues(("a", "b"))
    places = values.places(["a", "a", "b", "z", "b"])
    found = sliced(values, places, [1.0, 5.0, 2.0, 9.0, np.nan], [0.0, 2.0, 2.0, 1.0, 1.0], None)
    assert found.rows.tolist() == [2, 1, 1]
    assert found.errors.tolist() == [2.0, 0.0, 8.0]
    labels = sliced(values, places, [0, 1, 2, 2, 0], [0, 2, 2, 1, 7], 3)
    assert labels.rows.tolist() == [2, 1, 1]
    assert labels.errors.tolist() == [0.5, 0.0, 1.0]
    assert np.isnan(sliced(values, places[:2], [0, 1], [0, 1], 2).errors[1:]).all()


@pytest.mark.parametrize("classes", [None, 2])
def test_slices_come_back_from_their_document_and_merge_with_their_like_only(classes: int | None) -> None:
    values = SliceValues(("a",))
    known = sliced(values, values.places(["a", "b"]), [1.0, 0.0], [0.0, 0.0], classes)
    assert slices_from(known.as_document()).as_document() == known.as_document()
    other = sliced(SliceValues(("b",)), np.array([0]), [1.0], [1.0], classes)
    with pytest.raises(InvalidStatistic, match="do not add up"):
        _ = known + other  # type: ignore[operator]


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidStatistic):
        SliceCounts(SliceValues(("a",)), np.zeros((3, 2, 2), dtype=np.int64))
    with pytest.raises(InvalidStatistic):
        SliceErrors(SliceValues(("a",)), np.array([1, -1]), np.zeros((2, 2)))
