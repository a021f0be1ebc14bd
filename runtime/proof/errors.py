"""What a verifier says of files that do not prove what they claim to.

IntegrityError
├── LedgerCorrupt (domain)        an entry of a bundle is bad: names it
└── ProofInvalid            422   root of this room's errors
    ├── FileUnreadable            no bundle, passport or pack of a version this release reads, or only a part of one
    ├── CheckpointRefused         a signed checkpoint is missing, untrusted, or of another history
    ├── ProofFieldInvalid         a proof file contradicts its checkpoint or itself: names the field
    ├── PassportInvalid           a passport contradicts its signatures or itself: names the field
    └── PackInvalid               a file of an evidence pack is not what its bundle gives: names file and field
"""

from __future__ import annotations

from typing import ClassVar

from runtime.domain.errors import IntegrityError


class ProofInvalid(IntegrityError):
    """A file does not prove what it claims to."""

    status: ClassVar[int] = 422


class FileUnreadable(ProofInvalid):
    """A file is not what ``what`` ("bundle", "passport") has to look like; nothing in it was checked further."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"not a whole {self.what}: {self.reason}"


class CheckpointRefused(ProofInvalid):
    """A checkpoint cannot be relied on; ``field`` says which."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class ProofFieldInvalid(ProofInvalid):
    """The first field of a proof file that does not hold."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason

    def __str__(self) -> str:
        return f"proof field {self.field}: {self.reason}"


class PassportInvalid(ProofInvalid):
    """The first field of a passport that does not hold, as a path such as ``entries.grant.leaf``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field, self.reason = field, reason

    def __str__(self) -> str:
        return f"passport field {self.field}: {self.reason}"


class PackInvalid(ProofInvalid):
    """The first file of an evidence pack that does not hold, and the field (or line) in it, where one can be told."""

    def __init__(self, file: str, field: str, reason: str) -> None:
        super().__init__(file, field, reason)
        self.file, self.field, self.reason = file, field, reason

    def __str__(self) -> str:
        where = f" field {self.field}" if self.field else ""
        return f"evidence pack, {self.file}{where}: {self.reason}"
