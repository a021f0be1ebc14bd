"""Why a data subject's key cannot be had. No message says whose it is.

FleetwardError
├── KeyringUnavailable   503   the folder of keys is not there, not readable, or not the one the others share
└── IntegrityError
    └── SubjectKeyDamaged      a key's file is not what this keyring wrote
"""

from __future__ import annotations

from typing import ClassVar

from runtime.domain.errors import FleetwardError, IntegrityError


class KeyringUnavailable(FleetwardError):
    """The keyring cannot be used now; nothing of the request was written down."""

    status: ClassVar[int] = 503

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return f"the keys of data subjects cannot be used: {self.where}: {self.reason}"


class SubjectKeyDamaged(IntegrityError):
    """A key's file was changed, or put in the place of another."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"key of a data subject {self.path}: {self.reason}"
