"""Laws of images: a chain of changes makes the state that the entries fold into, at every link, in every order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.fold import fold
from runtime.domain.state import FleetState
from runtime.governance.images import EMPTY, Image, changes, state_of
from tests.laws.test_domain_fold import LIVES, legal

CUTS = st.lists(st.integers(1, 45), min_size=1, max_size=5, unique=True).map(sorted)


def content(before: Image, after: Image) -> bytes:
    return b"\n".join(changes(before, after))


def images_at(entries: list[Entry], cuts: list[int]) -> list[Image]:
    """Images of one state that is folded on and on, as the writer takes them."""
    state, images = FleetState(), [EMPTY]
    for start, end in pairwise([0, *cuts]):
        images.append(Image.of(fold(entries[start:end], state)))
    return images


def in_order(state: FleetState) -> list[object]:
    """Everything that equality of dictionaries does not compare: the order of their keys."""
    versions = [[*model.versions] for model in state.models.values()]
    return [[*state.models], versions, [*state.findings], [*state.batches], [*state.specs], [*state.skipped]]


@settings(max_examples=60)
@given(events=LIVES, cuts=CUTS)
def test_a_snapshot_and_the_entries_after_it_are_the_fold_of_all(events: list[e.Event], cuts: list[int]) -> None:
    entries = legal(events)
    whole = fold(entries)
    images = images_at(entries, cuts)
    chain = [content(before, after) for before, after in pairwise(images)]
    for links, image in enumerate(images[1:], 1):
        state = state_of(chain[:links])
        assert state == fold(entries[: image.size])
        assert in_order(state) == in_order(fold(entries[: image.size]))
        assert Image.of(state).lines == image.lines
        assert fold(entries[image.size :], state) == whole
        assert in_order(state) == in_order(whole)


@settings(max_examples=40)
@given(events=LIVES, cuts=CUTS)
def test_a_chain_goes_on_from_a_state_that_was_read(events: list[e.Event], cuts: list[int]) -> None:
    entries = legal(events)
    whole, chain, before, state = fold(entries), [], EMPTY, FleetState()
    for start, end in pairwise([0, *cuts, len(entries)]):
        after = Image.of(fold(entries[start:end], state))
        chain.append(content(before, after))
        state = state_of(chain)
        before = Image.of(state)
    assert state == whole
    assert content(EMPTY, Image.of(state)) == content(EMPTY, Image.of(whole))


@settings(max_examples=40)
@given(events=LIVES)
def test_what_did_not_change_is_not_written(events: list[e.Event]) -> None:
    state = fold(legal(events))
    again = [line.split(b"\t")[0] for line in changes(Image.of(state), Image.of(state))]
    assert again == [b"rest"]
