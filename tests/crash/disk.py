"""A disk that loses what was not synced: traced under a real process, and rebuilt as of any moment of its life.

``disk_trace.c`` (compiled here, loaded with LD_PRELOAD) writes down each write, cut, sync and rename that a process
does under a folder, and each acknowledgement it gives. ``Trace.disk`` gives the folder as a power loss after so many
of them would leave it:

    a write or cut stays     if a sync of that file began after it and had succeeded by then
    a file stays             if a sync of its folder did so after the file's first write
    anything else is gone    (``chance`` None), or stays or goes by chance: each write apart, in blocks of 512 bytes

Renames and removals are taken to happen at once and in order, as journaling file systems do them.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512
_HEAD = struct.Struct("<cIIQ")
_SHIM = Path(__file__).with_name("disk_trace.c")


@dataclass(frozen=True, slots=True)
class Act:
    """One record of the trace; ``what`` and ``offset`` as in disk_trace.c."""

    what: str
    path: str
    data: bytes
    offset: int


def traced(code: str, folder: Path, shim: Path, *arguments: str) -> Trace:
    """Run Python code to its end under the shim; ``sys.argv[1]`` is the folder, which is made."""
    folder.mkdir()
    trace = folder.with_suffix(".trace")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "LD_PRELOAD": str(shim),
        "FLEETWARD_TRACE": str(trace),
        "FLEETWARD_TRACED_FOLDER": str(folder),
    }
    command = [sys.executable, "-c", code, str(folder), *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=120)
    return Trace(tuple(_acts(trace.read_bytes())), folder)


def compiled(folder: Path) -> Path:
    """The shim as a library."""
    library = folder / "disk_trace.so"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, _SHIM, "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything a process did to a folder."""

    acts: tuple[Act, ...]
    folder: Path

    def acknowledged(self, until: int) -> list[str]:
        """The lines written to standard output by the first ``until`` acts."""
        return b"".join(act.data for act in self.acts[:until] if act.what == "A").decode().splitlines()

    def covered(self, path_end: str, until: int) -> int:
        """Up to which act the file was synced: where the last sync began that had succeeded by then."""
        begun = [act.offset for act in self.acts[:until] if act.what == "S" and act.path.endswith(path_end)]
        return max(begun, default=0)

    def disk(self, until: int, target: Path, chance: random.Random | None = None) -> Path:
        """The folder after a power loss at that moment, made at ``target``."""
        acts = self.acts[:until]
        synced = self._last_sync(acts)
        named: set[str] = set()
        target.mkdir(parents=True)
        for at, act in enumerate(acts):
            if act.what == "R":
                self._touch(target, act.path)  # a file that nothing was written to yet
                self._at(target, act.path).rename(self._at(target, act.data.decode()))
                named.add(act.data.decode())
            elif act.what == "U":
                self._at(target, act.path).unlink(missing_ok=True)
                named.discard(act.path)
            elif act.what in "WT":
                self._touch(target, act.path)
                _apply(self._at(target, act.path), act, chance, synced=at < synced[act.path])
                if at < synced[str(Path(act.path).parent)]:
                    named.add(act.path)
        for path in [path for path in target.rglob("*") if path.is_file()]:
            is_named = str(self.folder / path.relative_to(target)) in named
            if not is_named and not _stays(chance):
                path.unlink()
        return target

    def _last_sync(self, acts: tuple[Act, ...]) -> defaultdict[str, int]:
        synced: defaultdict[str, int] = defaultdict(int)
        for act in acts:
            if act.what == "S":
                synced[act.path] = max(synced[act.path], act.offset)
        return synced

    def _at(self, target: Path, path: str) -> Path:
        return target / Path(path).relative_to(self.folder)

    def _touch(self, target: Path, path: str) -> None:
        at = self._at(target, path)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.touch()


def _stays(chance: random.Random | None) -> bool:
    return chance is not None and chance.random() < 0.5


def _apply(path: Path, act: Act, chance: random.Random | None, *, synced: bool) -> None:
    """The whole change, or as much of it as chance lets through."""
    with path.open("r+b") as file:
        if act.what == "T" and (synced or _stays(chance)):
            file.truncate(act.offset)
        for start, end in _sectors(act.offset, len(act.data)):
            if synced or _stays(chance):
                file.seek(act.offset + start)
                file.write(act.data[start:end])


def _sectors(offset: int, size: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < size:
        end = min(size, start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES)
        yield start, end
        start = end


def _acts(content: bytes) -> Iterator[Act]:
    at = 0
    while at < len(content):
        what, path_bytes, data_bytes, offset = _HEAD.unpack_from(content, at)
        start = at + _HEAD.size
        at = start + path_bytes + data_bytes
        yield Act(what.decode(), content[start : start + path_bytes].decode(), content[start + path_bytes : at], offset)
