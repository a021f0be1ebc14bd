"""Files that hold a secret: of mode 0600, this user's own, whole as soon as their name can be found."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from runtime.ledger.errors import KeyUnusable
from runtime.ledger.folders import sync_folder

LARGEST_KEY_FILE_BYTES = 4_096
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path) -> bytes:
    """The content of a file that nobody else can reach; what is asked is the open file, not its name.

    Raises ``KeyUnusable`` for one that others can reach, ``OSError``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnusable(str(path), "not a file")
        if status.st_mode & _OPEN_TO_OTHERS:
            raise KeyUnusable(str(path), f"mode {stat.S_IMODE(status.st_mode):04o} lets others at it; expected 0600")
        if status.st_uid != os.geteuid():
            raise KeyUnusable(str(path), f"belongs to user {status.st_uid}, not to {os.geteuid()}")
        return os.read(descriptor, LARGEST_KEY_FILE_BYTES)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """A new file with this content, synced; its name is not. Raises ``OSError``, also when it exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def place_private(path: Path, content: bytes) -> None:
    """Put a file in place, unless another process was faster (folders too, mode 0700). Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_private(draft, content)
        try:
            os.link(draft, path)  # fails where rename would overwrite
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
