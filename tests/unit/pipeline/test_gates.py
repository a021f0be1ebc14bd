"""Each gate passes or refuses with its value, its limit and the reason."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from runtime.domain.reports import GateResult
from runtime.flavors import Column, Floats
from runtime.pipeline.gates import Evidence, judge
from tests.unit.pipeline.flights import a_spec


def alternating(size: float, rows: int = 200) -> Floats:
    """Errors of this size to both sides: MAE and RMSE are the size."""
    return np.tile([size, -size], rows // 2)


def evidence(
    errors: Floats,
    *,
    baseline: Floats | None = None,
    champion: Floats | None = None,
    slices: Mapping[str, Column] | None = None,
    **measured: Any,
) -> Evidence:
    rest = {"latency_ms_p99": 1.0, "artifact_bytes": 1000, "round_trip_difference": 0.0} | measured
    median = np.full(len(errors), 10.0) if baseline is None else baseline
    truth = np.zeros(len(errors))
    return Evidence(truth=truth, answers=errors, naive=median, champion=champion, slices=slices or {}, **rest)


def result(gate: dict[str, Any], given: Evidence) -> GateResult:
    """As a spec says the gate."""
    (found,) = a_spec(gates=[gate]).gates
    return judge(found, given, np.random.default_rng(2013))


@pytest.mark.parametrize(
    ("gate", "given", "expected"),
    [
        (
            {"metric": "mae", "max": 5},
            evidence(alternating(5)),
            GateResult(gate="mae", passed=True, value=5, limit=5, reason="mae 5, within the limit 5"),
        ),
        (
            {"metric": "rmse", "max": 5},
            evidence(alternating(5.5)),
            GateResult(gate="rmse", passed=False, value=5.5, limit=5, reason="rmse 5.5, over the limit 5"),
        ),
        (
            {"latency_ms_p99": 2},
            evidence(alternating(1), latency_ms_p99=2.5),
            GateResult(
                gate="latency_ms_p99",
                passed=False,
                value=2.5,
                limit=2,
                reason="one-row p99 2.5 ms, over the limit 2",
            ),
        ),
        (
            {"artifact_bytes": 1000},
            evidence(alternating(1)),
            GateResult(
                gate="artifact_bytes",
                passed=True,
                value=1000,
                limit=1000,
                reason="artifact of 1000 bytes, within the limit 1000",
            ),
        ),
        (
            {"round_trip": True},
            evidence(alternating(1), round_trip_difference=1e-12),
            GateResult(
                gate="round_trip",
                passed=False,
                value=1e-12,
                limit=0,
                reason="loaded again it differs by 1e-12, over the limit 0",
            ),
        ),
        (
            {"better_than": "baseline", "by": 0.1},
            evidence(alternating(8)),
            GateResult(
                gate="better_than:baseline",
                passed=True,
                value=8,
                limit=9,
                reason="mae 8 against 10 of the training median, where better by 0.1 of it is asked",
            ),
        ),
        (
            {"better_than": "baseline"},
            evidence(alternating(10)),
            GateResult(
                gate="better_than:baseline",
                passed=False,
                value=10,
                limit=10,
                reason="mae 10 against 10 of the training median, where better is asked",
            ),
        ),
    ],
    ids=["limit", "over", "latency", "size", "round trip", "median", "as good as the median"],
)
def test_a_gate_says_value_limit_and_reason(gate: dict[str, Any], given: Evidence, expected: GateResult) -> None:
    assert result(gate, given) == expected


# --- no worse than the median ----------------------------------------------------------------------


def test_bad_luck_on_few_rows_is_not_held_against_a_version() -> None:
    errors = np.random.default_rng(1).normal(0, 10, 12)
    median = errors - np.random.default_rng(2).normal(0.5, 8, 12)
    given = evidence(errors, baseline=median)
    assert np.abs(errors).mean() > np.abs(median).mean()
    assert not result({"better_than": "baseline"}, given).passed
    found = result({"no_worse_than": "baseline"}, given)
    assert found.passed
    assert found.value is not None
    assert found.value < 0


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_a_version_that_is_plainly_worse_than_the_median_is_refused(metric: str) -> None:
    chance = np.random.default_rng(3)
    given = evidence(chance.normal(0, 20, 300), baseline=chance.normal(0, 10, 300))
    found = result({"no_worse_than": "baseline", "metric": metric}, given)
    assert not found.passed
    assert found.limit == 0
    assert found.value is not None
    assert found.value > 5
    assert found.reason.startswith(f"{metric} ")
    assert found.reason.endswith("at 0.95 confidence, where 0 is allowed")


def test_a_share_of_the_medians_error_may_be_allowed() -> None:
    given = evidence(alternating(11))
    assert not result({"no_worse_than": "baseline"}, given).passed
    found = result({"no_worse_than": "baseline", "by": 0.2}, given)
    assert found.passed
    assert [found.value, found.limit] == pytest.approx([1, 2])


def test_one_row_cannot_show_that_a_version_is_worse() -> None:
    found = result({"no_worse_than": "baseline"}, evidence(np.array([50.0])))
    assert found.passed
    assert found.reason.endswith("1 rows are too few to call it worse")


# --- better than the champion ----------------------------------------------------------------------


def test_without_a_champion_there_is_none_to_beat() -> None:
    found = result({"better_than": "champion"}, evidence(alternating(99)))
    assert (found.passed, found.reason) == (True, "there is no champion to beat")


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_a_challenger_that_is_better_on_the_same_rows_passes(metric: str) -> None:
    champion = np.random.default_rng(4).normal(0, 10, 200)
    found = result({"better_than": "champion", "metric": metric}, evidence(champion * 0.8, champion=champion))
    assert found.passed
    assert found.value is not None
    assert found.value < 0
    assert "on 200 rows; difference at most -" in found.reason


def test_a_challenger_that_may_only_be_lucky_is_refused() -> None:
    chance = np.random.default_rng(5)
    given = evidence(chance.normal(0, 9.5, 40), champion=chance.normal(0, 10, 40))
    found = result({"better_than": "champion"}, given)
    assert not found.passed
    assert found.value is not None
    assert found.value > 0


def test_the_champion_itself_is_not_better_than_the_champion() -> None:
    found = result({"better_than": "champion"}, evidence(alternating(5), champion=alternating(5)))
    assert (found.passed, found.value, found.limit) == (False, 0, 0)


def test_a_margin_is_a_share_of_the_champions_error() -> None:
    given = evidence(alternating(9), champion=alternating(10))
    found = result({"better_than": "champion", "by": 0.2}, given)
    assert not found.passed
    assert [found.value, found.limit] == pytest.approx([-1, -2])
    assert found.reason.endswith("where better by 0.2 of it is asked")
    assert result({"better_than": "champion", "by": 0.05}, given).passed


def test_one_row_cannot_show_that_a_challenger_is_better() -> None:
    found = result({"better_than": "champion"}, evidence(np.array([0.0]), champion=np.array([50.0])))
    assert (found.passed, found.reason) == (False, "1 rows are too few to compare")


def test_the_same_seed_draws_the_same_answer() -> None:
    chance = np.random.default_rng(6)
    given = evidence(chance.normal(0, 9, 60), champion=chance.normal(0, 10, 60))
    assert result({"better_than": "champion"}, given) == result({"better_than": "champion"}, given)


# --- slices ----------------------------------------------------------------------------------------

SLICE = {"slice": "origin", "metric": "mae", "max": 10, "min_rows": 20}


def by_origin(**errors: Floats) -> Evidence:
    origin = np.repeat(np.array(list(errors), dtype=object), [len(part) for part in errors.values()])
    return evidence(np.concatenate(list(errors.values())), slices={"origin": origin})


def test_the_worst_slice_decides() -> None:
    found = result(SLICE, by_origin(EWR=alternating(3, 50), JFK=alternating(12, 50)))
    assert found == GateResult(
        gate="slice:origin",
        passed=False,
        value=12,
        limit=10,
        reason="mae 12 on origin JFK, the worst of 2 judged, over the limit 10",
    )


def test_a_slice_of_few_rows_is_not_judged() -> None:
    found = result(SLICE, by_origin(EWR=alternating(3, 50), JFK=alternating(12, 18)))
    assert (found.passed, found.value) == (True, 3)
    assert "the worst of 1 judged" in found.reason


def test_where_no_slice_has_enough_rows_nothing_passes() -> None:
    found = result(SLICE, by_origin(EWR=alternating(1, 10), JFK=alternating(1, 10)))
    assert (found.passed, found.value, found.limit) == (False, None, 10)
    assert found.reason == "no origin has 20 of the 20 holdout rows, so nothing was judged"


def test_rows_without_a_slice_belong_to_none() -> None:
    origin = np.array(["EWR"] * 20 + [None] * 20, dtype=object)
    errors = np.concatenate((alternating(3, 20), alternating(50, 20)))
    assert result(SLICE, evidence(errors, slices={"origin": origin})).value == 3


# --- what is not a number --------------------------------------------------------------------------

GATES: list[dict[str, Any]] = [
    {"metric": "mae", "max": 1e9},
    {"metric": "rmse", "max": 1e9},
    {"better_than": "baseline"},
    {"no_worse_than": "baseline"},
    {"better_than": "champion"},
    SLICE | {"max": 1e9},
]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: "-".join(map(str, list(gate.values())[:2])))
@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("rows", [slice(199, None), slice(None)], ids=["one", "all"])
def test_errors_that_are_no_numbers_never_pass(gate: dict[str, Any], broken: float, rows: slice) -> None:
    errors = alternating(0.1)
    errors[rows] = broken
    origin = np.array(["EWR"] * 100 + ["JFK"] * 100, dtype=object)
    found = result(gate, evidence(errors, champion=alternating(10), slices={"origin": origin}))
    assert (found.passed, found.value) == (False, None)
    assert "not a finite number" in found.reason


def test_a_measurement_that_is_no_number_never_passes() -> None:
    found = result({"round_trip": True}, evidence(alternating(1), round_trip_difference=math.nan))
    assert (found.passed, found.value) == (False, None)
    assert found.reason.endswith("(not a finite number)")
