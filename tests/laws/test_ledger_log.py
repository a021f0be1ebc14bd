"""Laws of the ledger: it behaves as a list that refuses, and its proofs hold for trees of any size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from runtime.domain.entry import Draft
from runtime.domain.errors import IdempotencyConflict
from runtime.domain.events import ModelSuspended
from runtime.ledger.log import Log
from runtime.ledger.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from runtime.ledger.verify import verify_log

# Few ids, so that repetitions and conflicts are common; any text may stand in a reason or a principal.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
DRAFTS = st.builds(
    lambda number, reason, principal: Draft(
        ModelSuspended(model=f"m-{number}", reason=reason), principal, f"\u00e9vent-{number}"
    ),
    st.integers(0, 7),
    st.sampled_from(["", "drift"]) | ANY_TEXT,
    st.sampled_from(["ada", "\x00"]),
)


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, read aloud."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


class LedgerAsAList(RuleBasedStateMachine):
    """Appends, restarts and a wandering clock, beside a plain list of (draft, time)."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.model: list[tuple[Draft, datetime]] = []

    @initialize()
    def make(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name, 'ledger.sqlite')}"
        self.log = Log.open(self.url, lambda: self.now)

    def teardown(self) -> None:
        self.log.close()
        self.folder.cleanup()

    @rule(seconds=st.integers(-100, 100))
    def move_the_clock(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds, microseconds=1)

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = Log.open(self.url, lambda: self.now)

    @rule(drafts=st.lists(DRAFTS, max_size=5))
    def append(self, drafts: list[Draft]) -> None:
        time = max([self.now, *(time for _, time in self.model[-1:])])
        after, expected = list(self.model), []
        for draft in drafts:
            at = next((at for at, (known, _) in enumerate(after) if known.event_id == draft.event_id), None)
            if at is None:
                at = len(after)
                after.append((draft, time))
            elif after[at][0] != draft:
                with pytest.raises(IdempotencyConflict):
                    self.log.append(drafts)
                return
            expected.append(at)
        answers = self.log.append(drafts)
        self.model = after
        assert [entry.seq for entry in answers] == expected
        assert [(Draft(e.event, e.principal, e.event_id), e.time) for e in answers] == [after[at] for at in expected]

    @invariant()
    def it_is_the_list(self) -> None:
        entries = list(self.log.entries())
        assert [(Draft(e.event, e.principal, e.event_id), e.time) for e in entries] == self.model
        assert self.log.size == len(self.model)
        if entries:
            assert self.log.root == naive_root([leaf_hash(entry.leaf()) for entry in entries]).hex()
            assert verify_log(self.url).root == self.log.root


def test_a_ledger_is_a_list_that_refuses_whatever_is_done_to_it() -> None:
    run_state_machine_as_test(
        LedgerAsAList,
        settings=settings(
            max_examples=20, stateful_step_count=8, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@contextmanager
def new_log() -> Iterator[Log]:
    with tempfile.TemporaryDirectory() as folder:
        log = Log.open(f"sqlite:///{Path(folder, 'ledger.sqlite')}", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        with log:
            yield log


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=4))
def test_the_root_does_not_depend_on_how_the_appends_were_batched(cuts: list[int]) -> None:
    drafts = [Draft(ModelSuspended(model="m", reason="r"), "ada", str(number)) for number in range(30)]
    bounds = sorted({0, *cuts, 30})
    with new_log() as batched:
        for start, end in pairwise(bounds):
            batched.append(drafts[start:end])
        expected = root(leaf_hash(entry.leaf()) for entry in batched.entries()).hex()
        assert (batched.size, batched.root) == (30, expected)


def each_node_flipped(proof: list[bytes], bit: int) -> Iterator[list[bytes]]:
    """The proof with one bit of one node flipped, for each node."""
    for at, node in enumerate(proof):
        flipped = (int.from_bytes(node, "big") ^ 1 << bit).to_bytes(32, "big")
        yield [*proof[:at], flipped, *proof[at + 1 :]]


LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(700)]


@given(size=st.integers(1, 700), data=st.data())
@settings(max_examples=60, deadline=None)
def test_proofs_of_any_tree_hold_and_any_flipped_bit_breaks_them(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    index = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(1, size))
    frontier = Frontier()
    frontier.extend(leaves)
    whole, old = naive_root(leaves), naive_root(leaves[:old_size])
    assert frontier.root() == whole

    inclusion = inclusion_proof(leaves, index)
    assert verify_inclusion(leaves[index], index, size, inclusion, whole)
    consistency = consistency_proof(leaves, old_size)
    assert verify_consistency(old_size, size, consistency, old, whole)

    bit = data.draw(st.integers(0, 255))
    for bad in each_node_flipped(inclusion, bit):
        assert not verify_inclusion(leaves[index], index, size, bad, whole)
    for bad in each_node_flipped(consistency, bit):
        assert not verify_consistency(old_size, size, bad, old, whole)
