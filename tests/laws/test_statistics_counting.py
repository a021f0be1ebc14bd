"""Compiled and NumPy counting agree to the row, with each other and with a naive count, whatever the column holds."""

import math
from bisect import bisect_left
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.statistics.counting import CompiledLoops, Loops, NumpyLoops
from runtime.statistics.errors import InvalidStatistic
from runtime.statistics.kernels import BLOCK

few = settings(max_examples=60, deadline=None)  # machines are shared: no law is about time

SUBNORMAL = 5e-324
finite = st.floats(allow_nan=False, allow_infinity=False)
special = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, SUBNORMAL, -SUBNORMAL, 1e300, 0.1])
edges = st.lists(finite | st.sampled_from([0.0, SUBNORMAL, 0.1, 1e300]), unique=True, max_size=17).map(sorted)
values = st.lists(st.floats() | special, max_size=40)


def naive(cuts: list[float], column: np.ndarray) -> list[int]:
    places = [len(cuts) + 1 if math.isnan(value) else bisect_left(cuts, value) for value in column.tolist()]
    tally = Counter(places)
    return [tally[place] for place in range(len(cuts) + 2)]


@pytest.fixture(scope="module")
def compiled() -> CompiledLoops:
    return CompiledLoops()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@few
@example([0.0], [0.0, -0.0, SUBNORMAL, -SUBNORMAL])
@example([math.nextafter(0.1, -math.inf), 0.1], [0.1])
@example([-1e300, 1e300], [math.inf, -math.inf, 3e38, -3e38])
@given(edges, values)
def test_both_ways_put_every_value_where_a_search_does(
    compiled: CompiledLoops, kind: type[np.floating], cuts: list[float], values: list[float]
) -> None:
    with np.errstate(over="ignore"):
        column = np.concatenate((np.array(values), np.array(cuts))).astype(kind)  # edges are the hardest values
    at = np.array(cuts, dtype=np.float64)
    expected = naive(cuts, column)
    for way in (compiled, NumpyLoops()):
        assert way.between(at, column).tolist() == expected


@few
@given(st.integers(0, 2**32), st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]), st.integers(1, 3))
def test_blocks_strides_and_read_only_columns_are_counted_alike(
    compiled: CompiledLoops, seed: int, rows: int, stride: int
) -> None:
    rng = np.random.default_rng(seed)
    column = np.where(rng.random(rows * stride) < 0.1, np.nan, rng.normal(size=rows * stride))[::stride]
    column.setflags(write=False)
    at = np.array([-1.0, 0.0, 0.5, 2.0, 2.5])
    assert compiled.between(at, column).tolist() == NumpyLoops().between(at, column).tolist()


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
@few
@given(st.lists(st.integers(-3, 9), max_size=50), st.integers(0, 8))
def test_codes_are_counted_alike_and_one_without_a_category_is_refused(
    compiled: CompiledLoops, kind: type[np.signedinteger], codes: list[int], categories: int
) -> None:
    column = np.array(codes, dtype=kind)

    def count(way: Loops) -> list[int] | str:
        try:
            return list(way.coded(column, categories))
        except InvalidStatistic as error:
            return str(error)

    beyond = sum(code >= categories for code in codes)
    tally = Counter(categories if code < 0 else code for code in codes)
    refusal = f"codes: {beyond} of them name no category; expected less than {categories}"
    expected = refusal if beyond else [tally[code] for code in range(categories + 1)]
    assert count(compiled) == expected
    assert count(NumpyLoops()) == expected
