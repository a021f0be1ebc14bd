"""Counts of a classification merge by addition, and metrics stay in their range whatever the answers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.metrics import METRICS
from runtime.domain.schema import Task
from runtime.statistics.classification import ConfusionCounts, ScoreCounts, counts_from
from runtime.statistics.scoring import error, losses, value

CHANCE = st.floats(0, 1, allow_nan=False)
ROWS = st.lists(st.tuples(CHANCE, st.integers(0, 1)), min_size=1, max_size=60)
LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=60)


def arrays(rows: list[tuple[float, int]]) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    answers, truth = (np.array([row[at] for row in rows], dtype=np.float64) for at in (0, 1))
    return answers, truth


@given(ROWS, st.integers(0, 60))
def test_a_histogram_of_parts_is_the_histogram_of_all(rows: list[tuple[float, int]], at: int) -> None:
    answers, truth = arrays(rows)
    whole = ScoreCounts.of(answers, truth)
    parts = ScoreCounts.of(answers[:at], truth[:at]) + ScoreCounts.of(answers[at:], truth[at:])
    assert parts.as_document() == whole.as_document()
    assert counts_from(whole.as_document()).metrics() == parts.metrics()


@given(LABELS, st.integers(0, 60))
def test_a_table_of_parts_is_the_table_of_all(rows: list[tuple[int, int]], at: int) -> None:
    answers, truth = arrays([(float(a), b) for a, b in rows])
    whole = ConfusionCounts.of(answers, truth, 4)
    parts = ConfusionCounts.of(answers[at:], truth[at:], 4) + ConfusionCounts.of(answers[:at], truth[:at], 4)
    assert parts.as_document() == whole.as_document()
    assert whole.rows == len(rows)


@given(ROWS)
def test_a_metric_lies_in_its_range_and_its_losses_add_up_to_it(rows: list[tuple[float, int]]) -> None:
    answers, truth = arrays(rows)
    one_class = len(set(truth.tolist())) == 1
    for metric in METRICS[Task.CLASSIFICATION]:
        found = value(metric, answers, truth)
        if metric == "roc_auc" and one_class:
            assert np.isnan(found)
            continue
        assert -1e-9 <= found <= (40 if metric == "log_loss" else 1 + 1e-9)
        assert np.isclose(losses(metric, answers, truth).mean(), error(metric, answers, truth))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_metric(rows: list[tuple[float, int]], chance: object) -> None:
    shuffled = sorted(rows, key=lambda _: chance.random())  # type: ignore[attr-defined]
    for metric in METRICS[Task.CLASSIFICATION]:
        first, second = (value(metric, *arrays(each)) for each in (rows, shuffled))
        assert np.isclose(first, second, equal_nan=True)
