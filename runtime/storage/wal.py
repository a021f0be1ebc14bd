"""The write-ahead file of one replica epoch: what an answer waits for.

``wal_format`` draws the file, ``wal_files`` says who owns it; here is the writer, and what an append survives.
One ``os.write`` has put the whole frame into the page cache before ``append`` returns:

    kill -9, a crash, out of memory      nothing acknowledged is lost, under either durability
    power loss, kernel panic
        STRICT                           nothing: fdatasync covers the frame before it is acknowledged (callers in
                                         several threads share one)
        BOUNDED                          what came after the last finished fdatasync began. One begins 20 ms after
                                         the first unsynced record, or at the 64th; records that arrive while it
                                         runs (as long as the disk takes) are at risk with the next one
    loss of the disk                     everything not yet sealed

After a failed write the file is cut back to its last whole frame. After a failed fdatasync the kernel may have
dropped the pages, so the file takes no more strict records until it is rotated.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from runtime.domain.decision import Decision, Outcomes
from runtime.storage.frames import encode_decision, encode_outcomes
from runtime.storage.wal_files import NO_FILE, SUFFIX, ClosedWal, OpenFile, create_file, orphans
from runtime.storage.wal_format import (
    Damage,
    Numbers,
    WalContent,
    boot_id,
    dropped_payload,
    end_payload,
    frame_of,
    header_payload,
    read_frames,
)

__all__ = [
    "SUFFIX",
    "ClosedWal",
    "Damage",
    "Durability",
    "Numbers",
    "WalContent",
    "WalWriter",
    "boot_id",
    "end_payload",
    "frame_of",
    "header_payload",
    "orphans",
    "read_frames",
]

SYNC_WITHIN = timedelta(milliseconds=20)
SYNC_RECORDS = 64


class Durability(StrEnum):
    """What an acknowledged record survives besides the death of its process; see the module's text."""

    BOUNDED = "bounded"
    STRICT = "strict"


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
        self._file = create_file(directory, replica, epoch, 0, self._numbers)

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

    def holds(self, records: int, size_bytes: int) -> bool:
        """Whether the present file has so many records, or is of this size."""
        file = self._file
        return file.records >= records or file.size_bytes >= size_bytes

    @property
    def is_open(self) -> bool:
        """Whether there is a file to append to (no, after a ``rotate`` on a full disk)."""
        return self._file.is_open

    @property
    def has_news(self) -> bool:
        """Whether the present file, once closed, has something to tell: records, or numbers that were skipped."""
        return self._file.records > 0 or self._numbers != self._file.begin

    def append_decision(self, decision: Decision, durability: Durability = Durability.BOUNDED) -> int:
        """Write all rows of a decision and give the number of the first.

        Raises ``OSError`` when it could not be written, with no number taken, or, under STRICT, not be synced
        (then its frame may be found later: a decision recorded whose answer was refused).
        """
        rows = decision.rows
        with self._append_lock:
            number, outcomes = self._numbers
            after = Numbers(number + rows, outcomes)
            mark = self._write(encode_decision(number, decision), rows, after, durability)
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

    def drop(self, content: str, model: str, records: int) -> None:
        """Count records that are not kept, on purpose: as surely as a record is, and without numbers."""
        self.append(dropped_payload(content, model, records))

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
            # Numbers that were skipped while no file was open belong to the new one.
            following = self._following(self._numbers if old.is_open else old.begin)
            with self._append_lock:
                self._file, mark = following, self._appended
                old.end = self._numbers
                if old.is_open and following.begin != self._numbers:
                    following.begin = self._numbers
                    self._begin_again(following)
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

    def _following(self, begin: Numbers) -> OpenFile:
        index = self._file.index + 1
        try:
            return create_file(self._directory, self._replica, self._epoch, index, begin)
        except OSError as error:
            return OpenFile(self._file.path, NO_FILE, self._file.index, begin, broken=error)

    def _begin_again(self, file: OpenFile) -> None:
        """Write a header that replaces the first. On a full disk the file is given up, and nothing but its name."""
        if not file.is_open:
            return
        try:
            file.write(frame_of(header_payload(file.begin, boot_id())))
        except OSError as error:
            file.path.unlink(missing_ok=True)
            os.close(file.descriptor)
            file.descriptor, file.broken = NO_FILE, error

    def _finish(self, old: OpenFile, mark: int) -> None:
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

    def _closed(self, file: OpenFile) -> ClosedWal | None:
        if not file.is_open:
            return None
        return ClosedWal(file.path, self._replica, self._epoch, file.index, file.end, file.descriptor)
