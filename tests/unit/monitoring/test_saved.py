"""Saved monitor state: nothing is left out, what does not fit is passed over, and what is outdated is let go."""

import logging
import struct
from dataclasses import fields
from pathlib import Path

import pytest

from runtime.domain import events as e
from runtime.domain.ids import digest_of
from runtime.domain.state import FleetState, MonitorSave
from runtime.monitoring import saved, watch_form
from runtime.monitoring.fold import Monitor
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.pairs import WaitingRows
from runtime.monitoring.resuming import Known, candidates, resume
from runtime.monitoring.saved import pack, unpack
from runtime.monitoring.shards import Shard
from runtime.monitoring.trial import Trial
from runtime.monitoring.watch import Watch
from runtime.statistics.errors import CorruptState
from tests.unit.domain.lives import MODEL, STEPS, started
from tests.unit.monitoring.world import Traffic, World

ALONE = Shard()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with a champion, a rollout, rows that wait, rows that were judged, and an open tick."""
    world = World(tmp_path)
    world.prepare(2)
    world.tell(started(2, STEPS))
    for number in range(3):
        today = Traffic(number, bias=15.0)
        world.hand_in(today.decision, today.beside(2, error=3.0), today.outcomes)
        world.end_of(number)
    world.hand_in(Traffic(3).decision)
    world.hand_in(Traffic(4).outcomes)
    return world


def data_of(world: World) -> bytes:
    return pack(ALONE, len(world.entries), world.monitor.watches.values())


def resumed(world: World, saves: dict[str, MonitorSave], objects: dict[str, bytes]) -> Known:
    return resume(saves, ALONE, objects.__getitem__)


def test_every_field_of_a_watch_is_written() -> None:
    message = "write it in runtime/monitoring/watch_form.py as well, or a restart forgets it"
    assert set(vars(Watch(MODEL))) == watch_form.WRITTEN, message
    assert {each.name for each in fields(Trial)} == {
        *("version", "champion", "step", "needed", "metric", "classes", "moments", "told", "guardrail", "cuts"),
        *("excess", "answered", "failed", "timed", "slow", "apart", "pairs", "ended"),
    }, message
    assert {each.name for each in fields(Gauge)} == {
        *("profile", "plan", "state", "open_tick", "window", "since", "evidence", "gained", "quiet_until", "unseen")
    }, message
    assert set(vars(WaitingRows())) == {"_rows", "_beside", "_judged", "_limit", "_judged_limit", "given_up"}, message


def test_a_monitor_that_goes_on_from_a_save_reads_no_segment_again(world: World) -> None:
    data = data_of(world)
    known = resume({"": MonitorSave(1, 0, len(world.entries), digest_of(data))}, ALONE, lambda _: data)
    assert known == Known()

    save = MonitorSave(1, 0, len(world.entries), digest_of(data))
    known = resume({save.key: save}, ALONE, {save.digest: data}.__getitem__)

    def nothing(digest: str) -> list[object]:
        raise AssertionError(f"{digest} is read again")

    again = Monitor(nothing, nothing, nothing, ALONE, known)  # type: ignore[arg-type]
    assert [draft for entry in world.entries for draft in again.apply(entry)] == []
    assert pack(ALONE, again.state.size, again.watches.values()) == data
    assert again.state == world.monitor.state


def test_a_model_has_one_watch_whose_every_part_comes_back(world: World) -> None:
    data = data_of(world)
    (watch,) = unpack(data).watches.values()
    before = world.watch
    assert before.trial is not None
    assert before.features is not None
    assert watch.features is not None
    assert watch.trial == before.trial
    assert (len(watch.waiting), len(before.waiting)) == (50, 50)
    assert watch.told == before.told
    assert list(watch.recent) == list(before.recent)
    assert watch.recent.maxlen == before.recent.maxlen
    assert watch.features.open_tick == before.features.open_tick
    assert watch.features.open_tick.rows == 50
    assert (watch.decisions, watch.outcomes) == (50, 50)


@pytest.mark.parametrize("size", [0, 12, 200])
def test_a_save_that_ends_too_soon_is_refused(world: World, size: int) -> None:
    with pytest.raises(CorruptState):
        unpack(data_of(world)[:size])


@pytest.mark.parametrize("place", [0, 4, 5, 13, 40, -20])
def test_a_byte_that_was_changed_is_refused_or_is_another_object(world: World, place: int) -> None:
    data = bytearray(data_of(world))
    data[place] ^= 0x40
    with pytest.raises(CorruptState):
        unpack(bytes(data))


def test_a_save_of_another_version_is_refused_by_its_version(world: World) -> None:
    data = bytearray(data_of(world))
    struct.pack_into("<B", data, 4, saved.VERSION + 1)
    with pytest.raises(CorruptState, match="the version is 2, expected 1"):
        unpack(bytes(data))


def test_a_corrupt_save_is_passed_over_with_a_warning_for_the_one_before_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    older = data_of(world)
    save = MonitorSave(1, 0, len(world.entries) + 5, "sha256:new", "sha256:old")
    objects = {"sha256:new": b"FWMS\x00 of an older version", "sha256:old": older}
    with caplog.at_level(logging.WARNING):
        known = resumed(world, {save.key: save}, objects)
    assert known.start == len(world.entries)
    assert "a save of monitor state is passed over: not a stored state of this version: the version is 0" in caplog.text


def test_without_a_save_that_fits_everything_is_read_from_the_ledger(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    save = MonitorSave(1, 0, 7, "sha256:new")
    with caplog.at_level(logging.WARNING):
        assert resumed(world, {save.key: save}, {"sha256:new": b""}) == Known()
    assert "passed over" in caplog.text
    again = Monitor(world.store.get, world.monitor._read_decisions, world.monitor._read_outcomes)
    for entry in world.entries:
        again.apply(entry)
    assert pack(ALONE, again.state.size, again.watches.values()) == data_of(world)


def test_a_save_of_another_monitor_is_passed_over(world: World) -> None:
    save = MonitorSave(2, 1, 7, "sha256:new")
    assert resume({save.key: save}, Shard(1, 2), lambda _: data_of(world)) == Known()


# --- which saves -----------------------------------------------------------------------------------


def saves(*found: MonitorSave) -> dict[str, MonitorSave]:
    return {save.key: save for save in found}


def test_the_save_that_knows_most_comes_first_and_only_whole_sets_of_others() -> None:
    own = MonitorSave(1, 0, 50, "own", "before")
    two = (MonitorSave(2, 0, 90, "left"), MonitorSave(2, 1, 60, "right"))
    part = MonitorSave(3, 0, 99, "a part alone")
    found = [tuple(digest for _, digest in claims) for claims in candidates(saves(own, *two, part), ALONE)]
    assert found == [("left", "right"), ("own",), ("before",)]


def test_what_was_saved_before_the_save_before_is_let_go(world: World) -> None:
    def saved_at(size: int) -> e.MonitorSaved:
        digest = digest_of(str(size).encode())
        return e.MonitorSaved(monitor=0, monitors=1, size=size, digest=digest, watched=1)

    world.tell(saved_at(1), saved_at(2))
    assert world.monitor.outdated == []
    world.tell(saved_at(3))
    assert world.monitor.outdated == [saved_at(1).digest]
    world.tell(saved_at(2).model_copy(update={"digest": digest_of(b"came late")}))
    assert world.monitor.outdated == [saved_at(1).digest, digest_of(b"came late")]
    (save,) = world.monitor.state.saves.values()
    assert (save.size, save.digest, save.before) == (3, saved_at(3).digest, saved_at(2).digest)


def test_a_model_that_moved_goes_on_from_where_its_former_monitor_left_it(world: World) -> None:
    data = data_of(world)
    known = Known(unpack(data).watches, 2, {0: 10, 1: 20})
    assert known.start == 10
    assert {known.since(f"model-{number}") for number in range(50)} == {10, 20}
    assert FleetState().monitors == 1
