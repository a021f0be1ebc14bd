"""The file in which somebody's credential lies: one header line, which ``curl -H @FILE`` takes as it is.

    authorization: Bearer CREDENTIAL

It has mode 0600, so that a credential stands in no command line, which every process of a machine can read.
"""

from __future__ import annotations

from pathlib import Path

from runtime.ledger.errors import KeyUnusable
from runtime.ledger.private_files import place_private, read_private

_PREFIX = "authorization: bearer "


def read_credential(path: Path) -> str | None:
    """The credential in this file, None if there is no file. Raises ``KeyUnusable``."""
    try:
        content = read_private(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(str(path), f"cannot be read: {error.strerror}") from error
    line = content.decode("latin-1").strip()
    if not line.lower().startswith(_PREFIX) or "\n" in line:
        raise KeyUnusable(str(path), "no credential; expected one line, 'authorization: Bearer CREDENTIAL'")
    return line[len(_PREFIX) :].strip()


def write_credential(path: Path, credential: str) -> None:
    """The file, new or in place of an old one. Raises ``OSError``."""
    path.unlink(missing_ok=True)
    place_private(path, f"authorization: Bearer {credential}\n".encode())
