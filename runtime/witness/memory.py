"""What a witness must never forget: for each log, the last checkpoint that it cosigned.

    FOLDER/lock               flock of the one witness that lives; the kernel drops it when the process ends
    FOLDER/format             "fleetward-witness 1": the folder remembers since the key was made
    FOLDER/held/HASH          the last cosigned note of a log, with the log's line and the witness's own; HASH is
                              the SHA-256 of the log's origin in hex
    FOLDER/evidence/HASH      a request that a trusted log signed and that contradicts what was held

``keep`` writes a draft beside its place, syncs it, renames it over the old note and syncs the folder; only then
may the cosignature leave. What a fault may leave behind:

    before the rename         the old note holds; the draft is removed at the next start
    after it, before the sync of the folder
                              the new note holds, or after a power loss the old one. The cosignature did not
                              leave, so both are true; asked again, the witness writes again before it answers.

Who can write to the folder can roll it back, and a key that outlives its folder knows nothing of what it
cosigned: therefore a key without this folder is refused (``MemoryLost``), never started from nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.ledger.checkpoint import Checkpoint
from runtime.ledger.errors import NoteMalformed
from runtime.ledger.folders import sync_folder
from runtime.ledger.note import read_note
from runtime.witness.errors import MemoryDamaged, MemoryHeld, MemoryLost, MemoryUnusable

MOST_EVIDENCE = 100
"""Files of evidence that are kept: one is enough to convict, and nobody shall fill the disk with more."""

_FORMAT = b"fleetward-witness 1\n"


@dataclass(frozen=True, slots=True)
class Held:
    """What was last cosigned of a log, and the note as it stands in the folder."""

    checkpoint: Checkpoint
    note: bytes


class Memory:
    """A witness's folder, held by this process alone."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock: int | None = lock

    @classmethod
    def open(cls, folder: Path, key: Path) -> Memory:
        """Take the folder, made if there is neither it nor the key yet, and check all that it holds.

        Raises ``MemoryHeld``, ``MemoryDamaged``, ``MemoryLost``, ``MemoryUnusable``.
        """
        with _translated(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _locked(folder)
        memory = cls(folder, lock)
        try:
            with _translated(folder):
                memory._begin(key)
        except BaseException:
            memory.close()
            raise
        return memory

    def held(self, origin: str) -> Held | None:
        """What was last cosigned of this log, as the file says; None if nothing ever was.

        Raises ``MemoryDamaged`` or ``MemoryUnusable``.
        """
        self._require_open()
        path = self._place(origin)
        with _translated(self.folder):
            return self._read(path) if path.exists() else None

    def keep(self, origin: str, note: bytes) -> None:
        """Remember this note in place of the log's last: on return it survives a power loss.

        Raises ``MemoryUnusable``, after which the old note or the new one holds.
        """
        self._require_open()
        with _translated(self.folder):
            _replace(self._place(origin), note)

    def keep_evidence(self, request: bytes) -> None:
        """Keep a request that contradicts what is held, unless enough is kept already. Raises ``MemoryUnusable``."""
        self._require_open()
        place = self.folder / "evidence" / hashlib.sha256(request).hexdigest()
        with _translated(self.folder):
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if not place.exists() and sum(1 for _ in place.parent.iterdir()) < MOST_EVIDENCE:
                _replace(place, request)

    def close(self) -> None:
        """Let another witness take the folder. May be called again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self, key: Path) -> None:
        mark, held = self.folder / "format", self.folder / "held"
        if not mark.exists():
            if key.exists():
                raise MemoryLost(
                    str(self.folder),
                    f"there is a key, {key}, but nothing of what it cosigned; restore the folder, or retire the key "
                    "(remove the file) and hand out the new one",
                )
            held.mkdir(mode=0o700, exist_ok=True)
            _replace(mark, _FORMAT)
        if mark.read_bytes() != _FORMAT:
            raise MemoryDamaged(str(self.folder), f"{mark} is not {_FORMAT.decode().strip()!r}")
        if not held.is_dir():
            raise MemoryDamaged(str(self.folder), f"{held} is gone, with all that was cosigned")
        for path in sorted(held.iterdir()):
            if path.name.startswith("."):  # the draft of a witness that was killed
                path.unlink()
            else:
                self._read(path)

    def _read(self, path: Path) -> Held:
        note = path.read_bytes()
        try:
            text, _ = read_note(note)
            checkpoint = Checkpoint.parse(text)
        except NoteMalformed as error:
            raise MemoryDamaged(str(self.folder), f"{path.name}: {error}") from error
        if self._place(checkpoint.origin) != path:
            raise MemoryDamaged(str(self.folder), f"{path.name} holds a checkpoint of {checkpoint.origin[:200]!r}")
        return Held(checkpoint, note)

    def _place(self, origin: str) -> Path:
        return self.folder / "held" / hashlib.sha256(origin.encode()).hexdigest()

    def _require_open(self) -> None:
        if self._lock is None:
            raise MemoryUnusable(str(self.folder), "closed")


def _locked(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise MemoryHeld(str(folder), f"another witness lives: process {holder}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _replace(place: Path, content: bytes) -> None:
    """Put content in a file's place so that a reader finds all of the old or all of the new, and sync both."""
    draft = place.with_name(f".{place.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(place)
    sync_folder(place.parent)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MemoryUnusable(str(folder), f"{error.filename or 'a file'}: {error.strerror}") from error
