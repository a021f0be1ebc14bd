import pickle

import numpy as np
import pytest

from runtime.domain.errors import FleetwardError
from runtime.statistics.bins import CategoricalBins, NumericBins, bins_from_document
from runtime.statistics.errors import (
    InvalidStatistic,
    LayoutMismatch,
    NoEvidence,
    StatisticsError,
    UncountableColumn,
)


def test_a_large_sample_gets_sixteen_bins_of_equal_mass() -> None:
    sample = np.random.default_rng(1).normal(size=16_000)
    counts = NumericBins.from_sample(sample).count(sample)
    assert counts.tolist() == [1000] * 16 + [0]


@pytest.mark.parametrize(("rows", "bins"), [(1, 2), (25, 2), (50, 5), (159, 15), (160, 16), (9_999, 16)])
def test_a_small_sample_gets_a_bin_for_ten_rows(rows: int, bins: int) -> None:
    assert NumericBins.from_sample(np.arange(rows)).size == bins + 1


def test_nan_and_none_are_missing_and_infinities_fall_into_the_outer_bins() -> None:
    bins = NumericBins((0.0, 1.0))
    assert bins.count([-np.inf, np.inf, np.nan]).tolist() == [1, 0, 1, 1]
    assert bins.count(np.array([None, 0.5], dtype=object)).tolist() == [0, 1, 0, 1]


def test_a_column_without_values_has_one_bin_beside_missing() -> None:
    bins = NumericBins.from_sample([np.nan] * 100)
    assert bins.count([np.nan, 3.0]).tolist() == [1, 1]
    assert CategoricalBins.from_sample([None, None]).count(["a", None]).tolist() == [1, 1]


def test_a_column_of_infinities_is_counted() -> None:
    assert NumericBins.from_sample([-np.inf] * 50 + [np.inf] * 50).count([np.inf, 1.0]).sum() == 2


def test_leaving_a_constant_is_seen_in_both_directions() -> None:
    bins = NumericBins.from_sample([7.0] * 1000)
    assert bins.count([6.99, 7.0, 7.01]).tolist() == [1, 1, 1, 0]


def test_a_value_with_much_mass_has_a_bin_of_its_own() -> None:
    rain = np.concatenate((np.zeros(900), np.random.default_rng(1).exponential(size=100)))
    counts = NumericBins.from_sample(rain).count(rain)
    assert counts.max() == 900
    assert counts[0] == 0  # below zero: not seen yet, but it would be


def test_single_and_double_precision_count_alike() -> None:
    sample = np.random.default_rng(1).integers(0, 9, size=2000).astype(np.float32)
    bins = NumericBins.from_sample(sample)
    assert bins.count(sample).tolist() == bins.count(sample.astype(np.float64)).tolist()


@pytest.mark.parametrize("column", [["a", "b"], np.array([["x"]]), np.array(["1"], dtype=object)[:, None]])
def test_a_column_that_is_not_numbers_in_one_dimension_is_refused(column: object) -> None:
    with pytest.raises(UncountableColumn):
        NumericBins((0.0,)).count(column)  # type: ignore[arg-type]


def test_text_among_numbers_is_refused_with_its_value() -> None:
    with pytest.raises(UncountableColumn, match="late"):
        NumericBins((0.0,)).count(np.array([1.0, "late"], dtype=object))


@pytest.mark.parametrize("edges", [(1.0, 1.0), (2.0, 1.0), (np.nan,), (np.inf,)])
def test_edges_must_be_finite_and_increase(edges: tuple[float, ...]) -> None:
    with pytest.raises(InvalidStatistic):
        NumericBins(edges)


def test_rare_and_unseen_categories_are_counted_together_and_named_apart() -> None:
    bins = CategoricalBins.from_sample(["a"] * 5 + ["b"] * 3 + ["c"], max_categories=2)
    assert bins.categories == ("a", "b")
    assert bins.count(["a", "c", "new", "new", None]).tolist() == [1, 0, 3, 1]
    assert bins.unseen(["a", "c", "new", "new", None]) == {"new": 2, "c": 1}


def test_names_of_unseen_categories_are_bounded() -> None:
    assert len(CategoricalBins(("a",)).unseen([f"id-{n}" for n in range(500)], limit=7)) == 7


def test_an_integer_category_survives_becoming_a_float() -> None:
    bins = CategoricalBins.from_sample([3, 3, 4])
    assert bins.count([3.0, 4.0, float("nan")]).tolist() == [1, 1, 0, 1]


def test_flags_are_categories_of_their_own() -> None:
    assert CategoricalBins.from_sample([True, False, True]).categories == ("True", "False")


def test_categories_must_differ() -> None:
    with pytest.raises(InvalidStatistic, match="categories"):
        CategoricalBins(("a", "a"))


def test_labels_name_every_bin() -> None:
    assert NumericBins((0.0, 1.5)).labels == ("(-inf, 0]", "(0, 1.5]", "(1.5, inf]", "missing")
    assert CategoricalBins(("a",)).labels == ("a", "other", "missing")


def test_an_unknown_kind_of_bins_is_refused() -> None:
    with pytest.raises(InvalidStatistic, match="kind"):
        bins_from_document({"kind": "text"})


@pytest.mark.parametrize(
    "error",
    [
        UncountableColumn("delay", "it is text"),
        LayoutMismatch("aa", "bb"),
        InvalidStatistic("edges", "must increase"),
        NoEvidence("mae"),
    ],
)
def test_errors_survive_pickling_between_processes(error: StatisticsError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert isinstance(again, FleetwardError)
