"""The write-ahead file of one replica epoch: what an answer waits for.

    <directory>/<replica>@<epoch>@<index>.wal         one is written at a time, older ones wait to be sealed

    file   = frame*
    frame  = u32 length | u32 crc32 | payload         little-endian; length and crc32 are of the payload, length > 0
    payload  is JSON: first a mark ["h", ...], then records (see ``frames``), last, if the file was closed, ["e", ...]

    ["h", layout, boot id, next decision number, next outcome number]
    ["e", next decision number, next outcome number]

What an append survives. One ``os.write`` has put the whole frame into the page cache before ``append`` returns:

    kill -9, a crash, out of memory      nothing acknowledged is lost, under either durability
    power loss, kernel panic
        STRICT                           nothing: fdatasync covers the frame before it is acknowledged (callers in
                                         several threads share one)
        BOUNDED                          what came after the last finished fdatasync began. One begins 20 ms after
                                         the first unsynced record, or at the 64th; records that arrive while it
                                         runs (as long as the disk takes) are at risk with the next one
    loss of the disk                     everything not yet sealed

Who owns a file. The writer holds an exclusive flock on it until it is deleted, also after rotation, so a file
whose flock can be taken has a dead writer. A new file is locked under the name ``.new`` and then renamed: nobody
ever sees an unlocked file with a live writer. flock is inherited by a fork, and is not to be trusted on NFS: the
directory is on a local disk, and a replica does not fork.

After a failed write the file is cut back to its last whole frame. After a failed fdatasync the kernel may have
dropped the pages, so the file takes no more strict records until it is rotated.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

import orjson

from runtime.domain.decision import Decision, Outcomes
from runtime.storage.frames import FrameUnreadable, encode_decision, encode_outcomes
from runtime.storage.objects import sync_folder

LAYOUT = 1
SUFFIX = ".wal"
SYNC_WITHIN = timedelta(milliseconds=20)
SYNC_RECORDS = 64

_FRAME = struct.Struct("<II")
_NEW = ".new"
_STALE_NEW_SECONDS = 3600.0
_NO_FILE = -1


class Durability(StrEnum):
    """What an acknowledged record survives besides the death of its process; see the module's text."""

    BOUNDED = "bounded"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The next free record number of each content."""

    decisions: int = 1
    outcomes: int = 1


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file that are not frames: a torn tail, or a changed frame among good ones."""

    offset: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class WalContent:
    """What a file holds. ``begin`` and ``end`` are its marks; a file without ``end`` was not closed."""

    records: tuple[bytes, ...]
    damage: tuple[Damage, ...] = ()
    begin: Numbers | None = None
    end: Numbers | None = None
    boot_id: str = ""


@cache
def boot_id() -> str:
    """Which start of this machine this is; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def frame_of(payload: bytes) -> bytes:
    """The payload with its length and checksum before it."""
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def header_payload(numbers: Numbers, boot: str) -> bytes:
    """The first payload of a file."""
    return orjson.dumps(("h", LAYOUT, boot, numbers.decisions, numbers.outcomes))


def end_payload(numbers: Numbers) -> bytes:
    """The last payload of a closed file."""
    return orjson.dumps(("e", numbers.decisions, numbers.outcomes))


def read_frames(path: Path) -> WalContent:
    """Every whole frame of a file, and what is not one.

    Stops at a torn tail. A frame with a wrong checksum before a good one was changed after it was written; it
    alone is left out. Raises ``FrameUnreadable`` for the layout of another release.
    """
    payloads, damage = _split(path.read_bytes())
    begin = end = None
    boot = ""
    records = []
    for payload in payloads:
        if payload.startswith(b'["h",'):
            boot, begin = _begin(payload)
        elif payload.startswith(b'["e",'):
            end = Numbers(*orjson.loads(payload)[1:])
        else:
            records.append(payload)
    return WalContent(tuple(records), tuple(damage), begin, end, boot)


def _split(content: bytes) -> tuple[list[bytes], list[Damage]]:
    payloads: list[bytes] = []
    damage: list[Damage] = []
    offset = 0
    while offset < len(content):
        payload, reason = _frame_at(content, offset)
        if payload is not None:
            payloads.append(payload)
            offset += _FRAME.size + len(payload)
            continue
        following = _after(content, offset)
        size = (following or len(content)) - offset
        damage.append(Damage(offset, size, reason if following else f"torn tail: {reason}"))
        offset += size
    return payloads, damage


def _frame_at(content: bytes, offset: int) -> tuple[bytes | None, str]:
    start = offset + _FRAME.size
    if start > len(content):
        return None, "no whole frame header"
    length, checksum = _FRAME.unpack_from(content, offset)
    if length == 0:  # a tail of zeros, which some file systems leave after a power loss, has a valid crc32
        return None, "empty frame"
    if start + length > len(content):
        return None, f"{len(content) - start} of {length} bytes"
    payload = content[start : start + length]
    return (payload, "") if zlib.crc32(payload) == checksum else (None, "checksum")


def _after(content: bytes, offset: int) -> int | None:
    """Where a good frame follows the bad one at ``offset``, if its length can be believed."""
    if offset + _FRAME.size > len(content):
        return None
    following = offset + _FRAME.size + int(_FRAME.unpack_from(content, offset)[0])
    good = following > offset + _FRAME.size and _frame_at(content, following)[0] is not None
    return following if good else None


@dataclass(slots=True)
class _OpenFile:
    """A file under this process's lock; without a descriptor, the place of one that could not be made."""

    path: Path
    descriptor: int
    index: int
    begin: Numbers = Numbers()
    end: Numbers = Numbers()
    size_bytes: int = 0
    records: int = 0
    broken: OSError | None = None

    @property
    def is_open(self) -> bool:
        return self.descriptor != _NO_FILE

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

    def read(self) -> WalContent:
        """The file's frames (``read_frames``)."""
        return read_frames(self.path)

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
        if self._descriptor != _NO_FILE:
            os.close(self._descriptor)
            self._descriptor = _NO_FILE


class WalWriter:
    """Appends records, from any thread. ``create`` is the way to one; ``close`` ends it."""

    def __init__(self, directory: Path, replica: str, epoch: str) -> None:
        self._directory, self._replica, self._epoch = directory, replica, epoch
        self._append_lock = threading.Lock()  # order of frames and numbers; never held over an fsync
        self._sync_lock = threading.Lock()  # taken before _append_lock where both are needed
        self._numbers = Numbers()
        self._appended = self._synced = self._unsyncable = 0  # counts of records, over all files
        self._dirty, self._full, self._stopped = threading.Event(), threading.Event(), threading.Event()
        self._sync_error: OSError | None = None
        self._file = _create_file(directory, replica, epoch, 0)
        self._begin_file(self._file)
        if self._file.broken is not None:
            raise self._file.broken

    @classmethod
    def create(cls, directory: Path, replica: str, epoch: str, *, sync_within: timedelta = SYNC_WITHIN) -> Self:
        """A writer of a new epoch. An epoch is used once: its numbers start at 1.

        Raises ``FileExistsError`` if the epoch was used in this directory, ``OSError`` if it cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        writer = cls(directory, replica, epoch)
        syncer = threading.Thread(
            target=writer._sync_behind, args=(sync_within.total_seconds(),), name="wal-sync", daemon=True
        )
        syncer.start()
        return writer

    @property
    def path(self) -> Path:
        """The file written now."""
        return self._file.path

    @property
    def numbers(self) -> Numbers:
        """The next free numbers."""
        return self._numbers

    @property
    def records(self) -> int:
        """Records in the present file."""
        return self._file.records

    @property
    def size_bytes(self) -> int:
        """Size of the present file."""
        return self._file.size_bytes

    @property
    def is_open(self) -> bool:
        """Whether there is a file to append to (no, after a ``rotate`` on a full disk)."""
        return self._file.is_open

    @property
    def has_news(self) -> bool:
        """Whether the present file, once closed, has something to tell: records, or numbers that were skipped."""
        return self._numbers != self._file.begin

    def append_decision(self, decision: Decision, durability: Durability = Durability.BOUNDED) -> int:
        """Write all rows of a decision and give the number of the first.

        Raises ``OSError`` when it could not be written, with no number taken, or, under STRICT, not be synced
        (then its frame may be found later: a decision recorded whose answer was refused).
        """
        with self._append_lock:
            number = self._numbers.decisions
            after = Numbers(number + decision.rows, self._numbers.outcomes)
            mark = self._write(encode_decision(number, decision), decision.rows, after, durability)
        self._settle(mark, durability)
        return number

    def append_outcomes(self, outcomes: Outcomes, durability: Durability = Durability.BOUNDED) -> int:
        """As ``append_decision``."""
        with self._append_lock:
            number = self._numbers.outcomes
            after = Numbers(self._numbers.decisions, number + len(outcomes.rows))
            mark = self._write(encode_outcomes(number, outcomes), len(outcomes.rows), after, durability)
        self._settle(mark, durability)
        return number

    def append(self, payload: bytes, durability: Durability = Durability.BOUNDED) -> None:
        """Write a payload that was encoded elsewhere, with numbers kept elsewhere. Raises ``OSError``."""
        with self._append_lock:
            mark = self._write(payload, 1, self._numbers, durability)
        self._settle(mark, durability)

    def skip(self, *, decisions: int = 0, outcomes: int = 0) -> None:
        """Use up numbers of records that were lost, so that the gap shows."""
        with self._append_lock:
            self._numbers = Numbers(self._numbers.decisions + decisions, self._numbers.outcomes + outcomes)

    def sync(self) -> None:
        """Make everything appended so far survive a power loss. Raises ``OSError``."""
        with self._sync_lock:
            self._sync_to(self._appended)

    def rotate(self) -> ClosedWal | None:
        """Close the present file, marked with its end, and go on in a new one; None if there was none to close.

        On a full disk no new file can be made. The old one is closed all the same, since sealing and deleting it is
        what frees the disk; appends then raise until a later ``rotate`` (see ``is_open``).
        """
        with self._sync_lock:
            old = self._file
            following = self._following()
            with self._append_lock:
                self._file, mark = following, self._appended
                # Numbers that were skipped while no file was open belong to the new one.
                following.begin = self._numbers if old.is_open else old.begin
                old.end = self._numbers
                if following.is_open:
                    self._begin_file(following)
            self._finish(old, mark)
        return self._closed(old)

    def close(self) -> ClosedWal | None:
        """Close the present file and start no new one; an append after this raises ``OSError``."""
        with self._sync_lock:
            with self._append_lock:
                self._stopped.set()
                old, mark = self._file, self._appended
                old.end = self._numbers
            self._finish(old, mark)
        self._dirty.set()
        self._full.set()
        return self._closed(old)

    def take_sync_error(self) -> OSError | None:
        """What the background fdatasync failed with since the last call."""
        error, self._sync_error = self._sync_error, None
        return error

    def _write(self, payload: bytes, records: int, after: Numbers, durability: Durability) -> int:
        file = self._file
        if self._stopped.is_set():
            raise OSError(errno.EBADF, "the write-ahead file is closed", str(file.path))
        if durability is Durability.STRICT and self._unsyncable > self._appended - file.records:
            raise OSError(errno.EIO, "an fdatasync failed; the file waits for its rotation", str(file.path))
        file.write(frame_of(payload))
        file.records += records
        self._appended += records
        self._numbers = after
        return self._appended

    def _settle(self, mark: int, durability: Durability) -> None:
        if durability is Durability.STRICT:
            with self._sync_lock:
                self._sync_to(mark)
            return
        if not self._dirty.is_set():
            self._dirty.set()
        if mark - self._synced >= SYNC_RECORDS and not self._full.is_set():
            self._full.set()

    def _sync_to(self, mark: int) -> None:
        """With _sync_lock held: until ``mark`` records are synced, by whichever thread comes first."""
        # First the failure: a later fdatasync that succeeds says nothing of the pages an earlier one lost.
        if self._unsyncable >= mark > 0:
            raise OSError(errno.EIO, "the fdatasync that covered this record failed", str(self.path))
        if self._synced >= mark:
            return
        with self._append_lock:
            covered, descriptor = self._appended, self._file.descriptor
        try:
            os.fdatasync(descriptor)
        except OSError:
            self._unsyncable = covered
            raise
        self._synced = covered

    def _sync_behind(self, within: float) -> None:
        while True:
            self._dirty.wait()
            self._full.wait(within)
            if self._stopped.is_set():
                return
            self._dirty.clear()
            self._full.clear()
            try:
                self.sync()
            except OSError as error:
                self._sync_error = error

    def _following(self) -> _OpenFile:
        index = self._file.index + 1
        try:
            return _create_file(self._directory, self._replica, self._epoch, index)
        except OSError as error:
            return _OpenFile(self._file.path, _NO_FILE, self._file.index, broken=error)

    def _begin_file(self, file: _OpenFile) -> None:
        """Write the header. On a full disk the file is given up, and with it nothing but its name."""
        try:
            file.write(frame_of(header_payload(file.begin, boot_id())))
        except OSError as error:
            file.path.unlink(missing_ok=True)
            os.close(file.descriptor)
            file.descriptor, file.broken = _NO_FILE, error

    def _finish(self, old: _OpenFile, mark: int) -> None:
        if not old.is_open:
            return
        with suppress(OSError):  # a help, not a need: the numbers also travel in the ClosedWal
            old.write(frame_of(end_payload(old.end)))
        try:
            os.fdatasync(old.descriptor)
        except OSError as error:
            self._unsyncable, self._sync_error = max(self._unsyncable, mark), error
        else:
            self._synced = max(self._synced, mark)

    def _closed(self, file: _OpenFile) -> ClosedWal | None:
        if not file.is_open:
            return None
        return ClosedWal(file.path, self._replica, self._epoch, file.index, file.end, file.descriptor)


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
            wal.end = _begin_of(following.path)
    for path in directory.glob(f"*{SUFFIX}{_NEW}"):
        _remove_if_stale(path)
    return found


def _create_file(directory: Path, replica: str, epoch: str, index: int) -> _OpenFile:
    """An empty file under its name, locked, both durable: create .new, lock, rename, sync the folder."""
    path = directory / f"{quote(replica, safe='')}@{quote(epoch, safe='')}@{index:08d}{SUFFIX}"
    if path.exists():
        raise FileExistsError(errno.EEXIST, "this epoch was used before", str(path))
    new = path.with_suffix(SUFFIX + _NEW)
    descriptor = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)
        sync_folder(directory)
    except OSError:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return _OpenFile(path, descriptor, index)


def _begin_of(path: Path) -> Numbers | None:
    """Where a file's numbers begin, which is where those of the file before it end."""
    with path.open("rb") as file:
        payloads, _ = _split(file.read(1024))
    return _begin(payloads[0])[1] if payloads and payloads[0].startswith(b'["h",') else None


def _begin(payload: bytes) -> tuple[str, Numbers]:
    _, layout, boot, decisions, outcomes = orjson.loads(payload)
    if layout != LAYOUT:
        raise FrameUnreadable(payload.decode(), f"layout {layout}; this release reads {LAYOUT}")
    return boot, Numbers(decisions, outcomes)


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
