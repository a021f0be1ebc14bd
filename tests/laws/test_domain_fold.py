"""Laws of the fold: it answers every event, changes all or nothing, and says the same of the same entries."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.entry import Draft, Entry, entry_from_leaf, leaf_bytes, prepare
from runtime.domain.errors import FleetwardError
from runtime.domain.fold import apply, fold
from runtime.domain.lifecycle import Status
from runtime.domain.state import FleetState
from tests.laws.any_events import DECLARED, EVENTS, TEXTS, of_kind, of_kinds
from tests.unit.domain.lives import KINDS, MONDAY

LIVES = st.lists(
    of_kinds(
        [
            e.VersionRegistered,
            e.VersionEvaluated,
            e.VersionApproved,
            e.GrantIssued,
            e.RolloutStarted,
            e.RolloutAdvanced,
            e.RolloutAborted,
            e.VersionPromoted,
            e.RolledBack,
            e.VersionRefused,
        ]
    )
    | EVENTS,
    max_size=40,
)


def an_entry(seq: int, event: e.Event, principal: str = "user:ada") -> Entry:
    return Entry(seq, f"id-{seq}", MONDAY + timedelta(microseconds=seq), principal, event)


def legal(events: list[e.Event]) -> list[Entry]:
    """Entries of those events that are legal, one after another."""
    state, entries = FleetState(), []
    for event in (*DECLARED, *events):
        entry = an_entry(state.size, event)
        try:
            apply(state, entry)
        except FleetwardError:
            continue
        entries.append(entry)
    return entries


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_an_entry_of_any_kind_survives_its_canonical_leaf(kind: type[Any], data: st.DataObject) -> None:
    entry = an_entry(7, data.draw(of_kind(kind)), data.draw(TEXTS))
    again = entry_from_leaf(7, entry.leaf())
    assert again == entry
    assert again.leaf() == entry.leaf()


@settings(max_examples=200)
@given(event=EVENTS, principal=TEXTS, event_id=TEXTS | st.text(max_size=3))
def test_a_prepared_draft_has_the_leaf_of_its_time_and_the_entry_that_is_read_back_from_it(
    event: e.Event, principal: str, event_id: str
) -> None:
    draft, time = Draft(event, principal, event_id), MONDAY + timedelta(microseconds=7)
    try:
        leaf = leaf_bytes(event_id, time, principal, event)
    except ValueError:
        with pytest.raises(ValueError):
            prepare(draft)
        return
    prepared = prepare(draft)
    assert prepared.leaf(rfc3339(time)) == leaf
    assert repr(prepared.entry(7, time)) == repr(entry_from_leaf(7, leaf))  # where 1 and 1.0 are not the same


@settings(max_examples=150)
@given(events=LIVES)
def test_the_fold_answers_every_event_and_a_refused_one_changes_nothing(events: list[e.Event]) -> None:
    state = FleetState()
    for event in (*DECLARED, *events):
        before = deepcopy(state)
        try:
            apply(state, an_entry(state.size, event))
        except FleetwardError:
            assert state == before, event
        else:
            assert state.size == before.size + 1


@settings(max_examples=60)
@given(events=LIVES, cut=st.integers(0, 40))
def test_the_same_entries_fold_into_the_same_state_in_one_go_or_two(events: list[e.Event], cut: int) -> None:
    entries = legal(events)
    whole = fold(entries)
    assert fold(entries[cut:], fold(entries[:cut])) == whole
    assert fold(entry_from_leaf(entry.seq, entry.leaf()) for entry in entries) == whole


@settings(max_examples=100)
@given(events=LIVES)
def test_a_champion_is_one_version_with_the_status_of_one(events: list[e.Event]) -> None:
    for model in fold(legal(events)).models.values():
        champions = [v.number for v in model.versions.values() if v.status is Status.CHAMPION]
        assert champions == ([] if model.champion is None else [model.champion])
        assert all(model.version(number).status is Status.SUPERSEDED for number in model.former) or model.retired
        under_rollout = [v.number for v in model.versions.values() if v.status in (Status.SHADOW, Status.CANARY)]
        assert not under_rollout or (model.rollout is not None and under_rollout == [model.rollout.version])
