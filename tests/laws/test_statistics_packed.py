"""Counts and states come back from their bytes to the bit, add up as bytes, and bytes that were touched are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.statistics.detector import DetectorPlan, DetectorState, update
from runtime.statistics.errors import CorruptState, LayoutMismatch
from runtime.statistics.packed import merged, model_digest, pack_counts, pack_state, unpack_counts, unpack_state
from runtime.statistics.profile import Counts, Profile

few = settings(max_examples=40, deadline=None)  # machines are shared: no law is about time

BASELINE = Profile.from_columns({"number": np.arange(-20.0, 20.0), "label": np.array(["a", "b", "c", "a"] * 10)})
OTHER = Profile.from_columns({"number": np.arange(-20.0, 21.0)})
PLAN = DetectorPlan.build(BASELINE)
MODEL = model_digest("flight-time", 3)
rows = st.lists(st.tuples(st.floats(-30, 30) | st.none(), st.sampled_from("abcd")), max_size=300)


def count(window: list[tuple[float | None, str]], times: int = 1) -> Counts:
    counts = BASELINE.count(
        {"number": np.array([row[0] for row in window], dtype=float), "label": [row[1] for row in window]}
    )
    return Counts(counts.layout, counts.rows * times, counts.values * times)


@few
@given(rows, rows, st.sampled_from([1, 300, 70_000, 2**34]))
def test_packed_counts_come_back_and_add_up_like_the_counts(
    a: list[tuple[float | None, str]], b: list[tuple[float | None, str]], times: int
) -> None:
    one, other = count(a, times), count(b)
    packed = pack_counts(one, MODEL)
    assert unpack_counts(packed, BASELINE.layout, MODEL) == one
    assert merged(packed, pack_counts(other, MODEL)) == pack_counts(one + other, MODEL)


@few
@given(st.lists(rows, max_size=4))
def test_a_packed_state_goes_on_as_if_it_had_never_been_stored(ticks: list[list[tuple[float | None, str]]]) -> None:
    state = DetectorState.fresh(PLAN)
    for tick in ticks:
        stored = unpack_state(pack_state(state, MODEL), PLAN, MODEL)
        assert pack_state(stored, MODEL) == pack_state(state, MODEL)
        assert update(PLAN, stored, count(tick)) == update(PLAN, state, count(tick))
        state, _ = update(PLAN, state, count(tick))


@few
@given(rows, st.data())
def test_bytes_that_were_touched_or_cut_are_refused(
    window: list[tuple[float | None, str]], data: st.DataObject
) -> None:
    state, _ = update(PLAN, DetectorState.fresh(PLAN), count(window))
    for packed in (pack_counts(count(window), MODEL), pack_state(state, MODEL)):
        at, bit = data.draw(st.integers(0, len(packed) - 1)), data.draw(st.integers(0, 7))
        touched = bytearray(packed)
        touched[at] ^= 1 << bit
        for broken in (bytes(touched), packed[:at], packed + b"\0"):
            with pytest.raises(CorruptState):
                unpack_counts(broken, BASELINE.layout, MODEL)
            with pytest.raises(CorruptState):
                unpack_state(broken, PLAN, MODEL)


def test_what_belongs_to_another_model_baseline_or_kind_is_told_apart() -> None:
    packed, state = pack_counts(BASELINE.counts, MODEL), pack_state(DetectorState.fresh(PLAN), MODEL)
    with pytest.raises(CorruptState, match="the model is"):
        unpack_counts(packed, BASELINE.layout, model_digest("flight-time", 4))
    with pytest.raises(CorruptState, match="the model is"):
        merged(packed, pack_counts(BASELINE.counts, model_digest("flight-time", 4)))
    with pytest.raises(LayoutMismatch):
        unpack_counts(packed, OTHER.layout, MODEL)
    with pytest.raises(LayoutMismatch):
        unpack_state(state, DetectorPlan.build(OTHER), MODEL)
    with pytest.raises(LayoutMismatch):
        merged(packed, pack_counts(OTHER.counts, MODEL))
    with pytest.raises(CorruptState, match="the content is a detector's state, expected counts"):
        unpack_counts(state, BASELINE.layout, MODEL)


def test_another_version_of_the_form_is_named() -> None:
    packed = bytearray(pack_counts(BASELINE.counts, MODEL))
    packed[4] = 2
    with pytest.raises(CorruptState, match="the version is 2, expected 1"):
        unpack_counts(bytes(packed), BASELINE.layout, MODEL)


def test_a_feature_costs_at_most_512_bytes() -> None:
    """The state, the open tick and the window since evidence rose; numbers, and categories up to ten."""
    rng = np.random.default_rng(1)
    for columns in (
        {f"number_{f}": rng.normal(size=1000) for f in range(35)},
        {f"label_{f}": rng.integers(0, 10, 1000).astype(str) for f in range(35)},
    ):
        profile = Profile.from_columns(columns)
        plan = DetectorPlan.build(profile)
        state, _ = update(plan, DetectorState.fresh(plan), profile.counts)
        window = Counts(profile.layout, profile.rows * 10**6, profile.counts.values * 10**6)
        parts = (pack_state(state, MODEL), pack_counts(profile.counts, MODEL), pack_counts(window, MODEL))
        assert sum(map(len, parts)) / 35 <= 512
