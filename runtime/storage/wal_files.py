"""Write-ahead files on the disk: their names, their locks, and those that a dead writer left.

    <directory>/<replica>@<epoch>@<index>.wal         one is written at a time, older ones wait to be sealed

Who owns a file. The writer holds an exclusive flock on it until it is deleted, also after rotation, so a file
whose flock can be taken has a dead writer. A new file is locked under the name ``.new``, gets its header, and is
renamed when that is durable: nobody ever sees an unlocked file with a live writer, and a file that lost all its records
to a power loss still says where they began, and under which start of the machine. flock is inherited by a fork, and is
not to be trusted on NFS: the directory is on a local disk, and a replica does not fork.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote

from runtime.ledger.folders import sync_folder
from runtime.storage.wal_format import (
    Numbers,
    WalContent,
    begin_of,
    boot_id,
    frame_of,
    header_payload,
    read_frames,
)

SUFFIX = ".wal"
NO_FILE = -1

_NEW = ".new"
_STALE_NEW_SECONDS = 3600.0


@dataclass(slots=True)
class OpenFile:
    """A file under this process's lock; without a descriptor, the place of one that could not be made."""

    path: Path
    descriptor: int
    index: int
    begin: Numbers = field(default_factory=Numbers)
    end: Numbers = field(default_factory=Numbers)
    size_bytes: int = 0
    records: int = 0
    broken: OSError | None = None

    @property
    def is_open(self) -> bool:
        return self.descriptor != NO_FILE

    def write(self, frame: bytes) -> None:
        """All of the frame in one system call, or nothing of it and an ``OSError``."""
        if self.broken is not None:
            raise OSError(self.broken.errno, f"waits for its rotation: {self.broken.strerror}", str(self.path))
        written = os.write(self.descriptor, frame)
        if written != len(frame):
            self._cut_back()
            raise OSError(errno.ENOSPC, f"only {written} of {len(frame)} bytes were written", str(self.path))
        self.size_bytes += written

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self.descriptor, self.size_bytes)
        except OSError as error:
            self.broken = error


@dataclass(slots=True)
class ClosedWal:
    """A file that nobody writes to any more, under this process's lock until it is deleted or released."""

    path: Path
    replica: str
    epoch: str
    index: int
    end: Numbers | None
    """Where the writer's numbers stood, if this is known from elsewhere than the file's own end mark."""
    _descriptor: int = field(repr=False)
    _damaged: bool | None = field(default=None, repr=False)

    def read(self) -> WalContent:
        """The file's frames (``read_frames``)."""
        content = read_frames(self.path)
        self._damaged = bool(content.damage)
        return content

    @property
    def is_damaged(self) -> bool:
        """Whether some bytes of the file are no frames."""
        if self._damaged is None:
            self.read()
        return bool(self._damaged)

    def delete(self) -> None:
        """Remove the file: its records are in the ledger's care now."""
        self.path.unlink(missing_ok=True)
        self.release()

    def keep_aside(self) -> None:
        """Take a damaged file out of the way of sealing, as ``.wal.damaged``, for whoever wants to look at it."""
        self.path.rename(self.path.with_suffix(SUFFIX + ".damaged"))
        self.release()

    def release(self) -> None:
        """Give the lock up, and the file to whoever looks for orphans."""
        if self._descriptor != NO_FILE:
            os.close(self._descriptor)
            self._descriptor = NO_FILE


def create_file(directory: Path, replica: str, epoch: str, index: int, begin: Numbers) -> OpenFile:
    """A file with its header, locked, all durable: create .new, lock, write, sync, rename, sync the folder."""
    path = directory / f"{quote(replica, safe='')}@{quote(epoch, safe='')}@{index:08d}{SUFFIX}"
    if path.exists():
        raise FileExistsError(errno.EEXIST, "this epoch was used before", str(path))
    new = path.with_suffix(SUFFIX + _NEW)
    descriptor = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file = OpenFile(path, descriptor, index, begin)
        file.write(frame_of(header_payload(begin, boot_id())))
        os.fdatasync(descriptor)
        new.rename(path)
        sync_folder(directory)
    except OSError:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return file


def orphans(directory: Path) -> list[ClosedWal]:
    """Every file whose writer is dead, taken under this process's lock, in the order they were written.

    Files of a live writer, in this process or another, are left alone. The caller deletes or releases each.
    """
    found = []
    for path in sorted(directory.glob(f"*@*@*{SUFFIX}")):
        descriptor = _take(path)
        if descriptor is not None:
            replica, epoch, index = _parts(path.name)
            found.append(ClosedWal(path, replica, epoch, index, None, descriptor))
    for wal, following in pairwise(found):
        if (wal.replica, wal.epoch, wal.index + 1) == (following.replica, following.epoch, following.index):
            wal.end = begin_of(following.path)
    for path in directory.glob(f"*{SUFFIX}{_NEW}"):
        _remove_if_stale(path)
    return found


def _parts(name: str) -> tuple[str, str, int]:
    replica, epoch, index = name.removesuffix(SUFFIX).split("@")
    return unquote(replica), unquote(epoch), int(index)


def _take(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between open and flock another sweeper may have sealed and deleted it, or put it aside.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _remove_if_stale(new: Path) -> None:
    """A .new file holds no records; an old one is what a crash between create and rename left."""
    with suppress(FileNotFoundError):
        if time.time() - new.stat().st_mtime > _STALE_NEW_SECONDS:
            new.unlink()
