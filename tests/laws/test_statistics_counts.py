"""Counting equals a naive count, counts add up like integers, and documents come back as they were."""

import json
import math
from bisect import bisect_left
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.statistics.bins import CategoricalBins, Column, NumericBins, bins_from_document
from runtime.statistics.comparison import PairedMoments
from runtime.statistics.detector import DetectorPlan, DetectorState, update
from runtime.statistics.distances import distances, js, ks_on_bins, psi
from runtime.statistics.performance import ErrorSummary
from runtime.statistics.profile import Counts, Profile

numbers = st.one_of(st.none(), st.floats(), st.integers(-5, 5).map(float))
labels = st.one_of(st.none(), st.sampled_from("abc"), st.text(max_size=3), st.integers(0, 3), st.booleans())
windows = st.lists(st.tuples(numbers, labels), max_size=60)
edges = st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True, max_size=8).map(sorted)
finite = st.lists(st.floats(-1e6, 1e6), max_size=30)

Window = list[tuple[float | None, object]]

few = settings(max_examples=30, deadline=None)  # machines are shared: no law is about time

BASELINE = Profile.from_columns(
    {"number": np.arange(-20.0, 20.0), "label": np.array(["a", "b", "c", "a"] * 10)},
)
PLAN = DetectorPlan.build(BASELINE)


def columns(window: Window) -> dict[str, Column]:
    label = np.empty(len(window), dtype=object)
    label[:] = [row[1] for row in window]
    return {"number": np.array([row[0] for row in window], dtype=float), "label": label}


def count(window: Window) -> Counts:
    return BASELINE.count(columns(window))


@few
@given(edges, st.lists(numbers, max_size=60))
def test_numeric_counting_equals_a_naive_count(cuts: list[float], values: list[float | None]) -> None:
    bins = NumericBins(tuple(cuts))
    missing = bins.size - 1
    naive = Counter(missing if v is None or math.isnan(v) else bisect_left(cuts, v) for v in values)
    assert bins.count(np.array(values, dtype=object)).tolist() == [naive[k] for k in range(bins.size)]


@few
@given(st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=60))
def test_categorical_counting_equals_a_naive_count(values: list[str | None]) -> None:
    bins = CategoricalBins.from_sample(values, max_categories=3)
    known = [values.count(category) for category in bins.categories]
    missing = values.count(None)
    expected = [*known, len(values) - sum(known) - missing, missing]
    assert bins.count(values).tolist() == expected
    assert sum(bins.unseen(values, limit=100).values()) == expected[-2]


@few
@given(st.lists(numbers, max_size=300), st.integers(2, 16))
def test_every_value_of_a_sample_finds_a_bin(values: list[float | None], most: int) -> None:
    column = np.array(values, dtype=object)
    bins = NumericBins.from_sample(column, max_bins=most)
    assert bins.size <= most + 1
    assert bins.count(column).sum() == len(values)


@few
@given(windows, windows, windows)
def test_counts_are_a_commutative_monoid(a: Window, b: Window, c: Window) -> None:
    x, y, z = count(a), count(b), count(c)
    assert x + y == y + x
    assert (x + y) + z == x + (y + z)
    assert x + Counts.empty(BASELINE.layout) == x
    assert count(a + b) == x + y


@few
@given(windows)
def test_counts_come_back_from_their_document(window: Window) -> None:
    counts = count(window)
    text = json.dumps(counts.as_document(), allow_nan=False, sort_keys=True)
    assert Counts.from_document(json.loads(text), BASELINE.layout) == counts


@few
@given(edges, st.lists(st.text(max_size=4), unique=True, max_size=5))
def test_bins_come_back_from_their_document(cuts: list[float], categories: list[str]) -> None:
    for bins in (NumericBins(tuple(cuts)), CategoricalBins(tuple(categories))):
        assert bins_from_document(json.loads(json.dumps(bins.as_document(), allow_nan=False))) == bins


@few
@given(windows.filter(bool))
def test_a_profile_comes_back_from_its_document(window: Window) -> None:
    profile = Profile.from_columns(columns(window))
    again = Profile.from_document(json.loads(json.dumps(profile.as_document(), allow_nan=False)))
    assert again == profile
    assert again.layout == profile.layout
    assert profile.recounted(profile.counts) == profile


@few
@given(st.lists(windows, max_size=5))
def test_a_state_comes_back_from_its_document_and_goes_on_alike(
    ticks: list[Window],
) -> None:
    state = DetectorState.fresh(PLAN)
    for tick in ticks:
        stored = DetectorState.from_document(json.loads(json.dumps(state.as_document(), allow_nan=False)), PLAN)
        assert update(PLAN, stored, count(tick)) == update(PLAN, state, count(tick))
        state, _ = update(PLAN, state, count(tick))


@few
@given(windows.filter(bool))
def test_distances_are_finite_and_within_their_bounds(window: Window) -> None:
    for found in distances(BASELINE, count(window)):
        assert 0 <= found.js <= 1 + 1e-12
        assert 0 <= found.psi < math.inf
        assert 0 <= found.missing_rate <= 1
        assert 0 <= found.chi_square.p_value <= 1
        assert found.ks is None or 0 <= found.ks <= 1 + 1e-12


@few
@given(st.lists(st.integers(0, 50), min_size=3, max_size=6), st.data())
def test_distances_are_symmetric(one: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(0, 50), min_size=len(one), max_size=len(one)))
    if sum(one[:-1]) and sum(other[:-1]):
        for distance in (psi, js, ks_on_bins):
            assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-12)


@few
@given(finite, finite)
def test_summaries_of_errors_merge_by_addition(a: list[float], b: list[float]) -> None:
    merged, whole = ErrorSummary.from_errors(a) + ErrorSummary.from_errors(b), ErrorSummary.from_errors(a + b)
    assert merged.rows == whole.rows
    assert merged.sum_error == pytest.approx(whole.sum_error, rel=1e-9, abs=1e-6)
    assert merged.sum_absolute == pytest.approx(whole.sum_absolute, rel=1e-9)
    assert merged.sum_squared == pytest.approx(whole.sum_squared, rel=1e-9)
    assert ErrorSummary.from_document(json.loads(json.dumps(whole.as_document()))) == whole


@few
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), max_size=30), st.integers(0, 30))
def test_moments_of_pairs_merge_by_addition(rows: list[tuple[float, float]], at: int) -> None:
    def moments(part: list[tuple[float, float]]) -> PairedMoments:
        return PairedMoments.from_errors([a for a, _ in part], [b for _, b in part])

    merged, whole = moments(rows[:at]) + moments(rows[at:]), moments(rows)
    assert merged.rows == whole.rows
    assert merged.sum_a == pytest.approx(whole.sum_a, rel=1e-9)
    assert merged.sum_difference_squared == pytest.approx(whole.sum_difference_squared, rel=1e-9)
    assert PairedMoments.from_document(json.loads(json.dumps(whole.as_document()))) == whole
