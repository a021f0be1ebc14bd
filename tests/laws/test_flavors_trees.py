"""Few rows or many: the answer to a row is the same, to the last bit."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.flavors.sklearn import FEW_ROWS, SklearnPredictor
from runtime.flavors.threads import one_thread
from tests.unit.flavors.boosters import fitted

VALUES = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 2.0, 14.0, 1000.0])


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """On one core: on a busy machine threads wait for each other longer than they work."""
    with one_thread():
        yield


@cache
def predictor() -> SklearnPredictor:
    return fitted()


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=FEW_ROWS + 1, max_size=30))
def test_a_row_is_answered_alike_alone_and_among_many(rows: list[tuple[float, float, float]]) -> None:
    matrix = np.array(rows, dtype=np.float64)
    singly = np.concatenate([predictor().predict_matrix(row.reshape(1, -1)) for row in matrix])
    assert singly.tobytes() == predictor().predict_matrix(matrix).tobytes()
