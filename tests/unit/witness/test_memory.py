"""What a witness cosigned is never forgotten, and never taken for nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.witness.errors import MemoryDamaged, MemoryHeld, MemoryLost, MemoryUnusable
from runtime.witness.memory import MOST_EVIDENCE, Memory
from tests.unit.witness.logs import MemoryLog

LOG = MemoryLog()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "witness"


@pytest.fixture
def key(folder: Path) -> Path:
    return folder / "key.pem"


def kept(folder: Path, key: Path, size: int = 5) -> None:
    memory = Memory.open(folder, key)
    memory.keep(LOG.name, LOG.note(size))
    memory.close()


def size_in(folder: Path, key: Path) -> int | None:
    memory = Memory.open(folder, key)
    held = memory.held(LOG.name)
    memory.close()
    return None if held is None else held.checkpoint.size


def test_what_was_kept_is_held_after_a_restart(folder: Path, key: Path) -> None:
    assert size_in(folder, key) is None
    kept(folder, key, 5)
    kept(folder, key, 9)
    key.touch()
    assert size_in(folder, key) == 9


def test_two_witnesses_do_not_share_a_folder(folder: Path, key: Path) -> None:
    memory = Memory.open(folder, key)
    with pytest.raises(MemoryHeld, match=f"another witness lives: process {os.getpid()}"):
        Memory.open(folder, key)
    memory.close()
    Memory.open(folder, key).close()


def test_a_closed_memory_holds_nothing(folder: Path, key: Path) -> None:
    memory = Memory.open(folder, key)
    memory.close()
    memory.close()
    with pytest.raises(MemoryUnusable, match="closed"):
        memory.held(LOG.name)
    with pytest.raises(MemoryUnusable, match="closed"):
        memory.keep(LOG.name, LOG.note(5))
    with pytest.raises(MemoryUnusable, match="closed"):
        memory.keep_evidence(b"")


def test_a_key_without_its_memory_never_starts_from_nothing(folder: Path, key: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.pem"
    kept(folder, elsewhere)
    elsewhere.touch()
    shutil.rmtree(folder)
    with pytest.raises(MemoryLost, match="restore the folder, or retire the key"):
        Memory.open(folder, elsewhere)
    elsewhere.unlink()
    assert size_in(folder, elsewhere) is None


def _shorter(folder: Path) -> None:
    (path,) = (folder / "held").iterdir()
    path.write_bytes(path.read_bytes()[:-10])


def _empty(folder: Path) -> None:
    (path,) = (folder / "held").iterdir()
    path.write_bytes(b"")


def _renamed(folder: Path) -> None:
    (path,) = (folder / "held").iterdir()
    path.rename(path.with_name("0" * 64))


def _gone(folder: Path) -> None:
    shutil.rmtree(folder / "held")


def _of_the_future(folder: Path) -> None:
    (folder / "format").write_bytes(b"fleetward-witness 2\n")


@pytest.mark.parametrize("damage", [_shorter, _empty, _renamed, _gone, _of_the_future])
def test_a_damaged_memory_stops_the_witness(folder: Path, key: Path, damage: Callable[[Path], None]) -> None:
    kept(folder, key)
    damage(folder)
    with pytest.raises(MemoryDamaged):
        Memory.open(folder, key)


def test_the_draft_of_a_killed_witness_is_not_held(folder: Path, key: Path) -> None:
    kept(folder, key)
    (path,) = (folder / "held").iterdir()
    path.with_name(f".{path.name}.draft").write_bytes(LOG.note(9)[:50])
    assert size_in(folder, key) == 5
    assert [*(folder / "held").iterdir()] == [path]


FAULTS = {
    # step of keep(): (what fails, whether it was done before the fault is told, what is held then)
    "draft not synced": ("os.fsync", 0, False, 5),
    "draft synced, then failed": ("os.fsync", 0, True, 5),
    "rename failed": ("pathlib.Path.replace", 0, False, 5),
    "rename done, then failed": ("pathlib.Path.replace", 0, True, 9),
    "folder not synced": ("os.fsync", 1, False, 9),
    "folder synced, then failed": ("os.fsync", 1, True, 9),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
def test_a_fault_at_any_step_of_keeping_leaves_the_old_note_or_the_new(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch, fault: str, restart: bool
) -> None:
    name, passes, done_before, standing = FAULTS[fault]
    steps: dict[str, Callable[..., Any]] = {"os.fsync": os.fsync, "pathlib.Path.replace": Path.replace}
    step = steps[name]
    calls = iter(range(9))
    memory = Memory.open(folder, key)
    memory.keep(LOG.name, LOG.note(5))

    def failing(*arguments: Any) -> Any:
        if next(calls) < passes:
            return step(*arguments)
        if done_before:
            step(*arguments)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as faults:
        faults.setattr(name, failing)
        with pytest.raises(MemoryUnusable, match="Input/output error"):
            memory.keep(LOG.name, LOG.note(9))
    if restart:
        memory.close()
        memory = Memory.open(folder, key)
    held = memory.held(LOG.name)
    assert held is not None
    assert held.checkpoint.size == standing
    memory.keep(LOG.name, LOG.note(9))
    memory.close()
    assert size_in(folder, key) == 9


def test_the_note_is_synced_before_it_takes_its_place_and_the_folder_after(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def replaced(draft: Path, place: Path) -> Path:
        steps.append("rename")
        return replace(draft, place)

    memory = Memory.open(folder, key)
    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("pathlib.Path.replace", replaced)
    memory.keep(LOG.name, LOG.note(5))
    memory.close()
    (path,) = (folder / "held").iterdir()
    assert steps == [f"sync .{path.name}.draft", "rename", "sync held"]


def test_evidence_is_kept_once_and_not_without_end(folder: Path, key: Path) -> None:
    memory = Memory.open(folder, key)
    for number in range(MOST_EVIDENCE + 5):
        memory.keep_evidence(b"%d" % number)
        memory.keep_evidence(b"%d" % number)
    memory.close()
    assert len([*(folder / "evidence").iterdir()]) == MOST_EVIDENCE


def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MemoryUnusable, match="file"):
        Memory.open(tmp_path / "file", tmp_path / "key.pem")
