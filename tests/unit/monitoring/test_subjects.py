"""The monitor counts what it can open: sealed inputs while their key lives, and performance for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.statistics.profile import Counts
from runtime.storage.keyring import Keyring
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.monitoring.world import Traffic, World

ADA = "ada@example.org"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "subjects", lambda: MONDAY)


def counts(world: World) -> Counts:
    """What the open tick has counted of the features."""
    assert world.watch.features is not None
    return world.watch.features.open_tick


def test_sealed_inputs_are_counted_as_if_they_were_in_the_clear(tmp_path: Path, keyring: Keyring) -> None:
    today = Traffic(0)
    clear, sealed = World(tmp_path / "clear"), World(tmp_path / "sealed")
    sealed.key_of = keyring.key_of
    clear.hand_in(today.decision)
    sealed.hand_in(keyring.key(MODEL, ADA).protect(today.decision))
    assert counts(sealed) == counts(clear)
    assert counts(sealed).rows == today.decision.rows
    assert sealed.watch.erased == 0


def test_rows_of_an_erased_subject_count_for_performance_and_not_for_drift(tmp_path: Path, keyring: Keyring) -> None:
    today = Traffic(0, rows=20)
    world, empty = World(tmp_path / "world"), World(tmp_path / "empty")
    world.key_of = keyring.key_of
    key = keyring.key(MODEL, ADA)
    keyring.destroy(MODEL, ADA, key.pseudonym)
    world.hand_in(key.protect(today.decision), today.outcomes)
    assert counts(world) == counts(empty)
    assert counts(world).rows == 0
    assert world.watch.erased == today.decision.rows
    world.watch.settle()
    assert len(world.watch.recent) == today.decision.rows


def test_a_request_sent_again_is_counted_once_though_its_subject_is_erased(tmp_path: Path, keyring: Keyring) -> None:
    today = Traffic(0)
    world = World(tmp_path / "world")
    decision = keyring.key(MODEL, ADA).protect(today.decision)
    world.hand_in(decision)
    world.hand_in(decision)
    assert world.watch.erased == today.decision.rows
