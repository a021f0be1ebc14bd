"""What this room raises beside the ledger's ``NoteMalformed``, ``NoteUntrusted`` and ``KeyUnusable``.

WitnessError (a FleetwardError)
├── UnknownLog           404   the witness trusts no key for this origin
├── Stale                409   the old size is not the one the witness holds (its answer says which it is)
│   └── Forked                 the size it holds, under another root: the log signed two histories
├── Inconsistent         422   the proof does not lead from what the witness holds to the checkpoint
├── MemoryUnusable       503   the witness's folder cannot be read or written
│   ├── MemoryHeld             another witness lives on it
│   ├── MemoryDamaged          what it holds cannot be read; it is never taken for nothing
│   └── MemoryLost             there is a key, but nothing of what it cosigned
├── WitnessUnreachable   503   no answer, or one that is none of a witness
├── WitnessRefused       502   it answered with another refusal; the reason is its own
├── WitnessContradicts   409   what it holds is no part of this ledger: history was rewritten (an IntegrityError)
├── AnchorUnavailable    503   the object store cannot be used: no such bucket, wrong credentials, no answer
├── AnchorUnprotected    500   the bucket has no object lock: what is put there could be taken away
└── AnchorConflict       409   another checkpoint of this size stands there: history was rewritten (an IntegrityError)
"""

from __future__ import annotations

from typing import ClassVar

from runtime.domain.errors import FleetwardError, IntegrityError


class WitnessError(FleetwardError):
    """The root of this room's errors."""


class UnknownLog(WitnessError):
    """The witness trusts no key for this origin."""

    status: ClassVar[int] = 404

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.origin = origin

    def __str__(self) -> str:
        return f"no key is trusted for the log {self.origin[:200]!r}"


class Stale(WitnessError):
    """A submission that does not begin where the witness stands, at ``held_size``."""

    status: ClassVar[int] = 409

    def __init__(self, origin: str, old_size: int, held_size: int) -> None:
        super().__init__(origin, old_size, held_size)
        self.origin, self.old_size, self.held_size = origin, old_size, held_size

    def __str__(self) -> str:
        return f"log {self.origin[:200]!r}: old size {self.old_size}, the witness holds {self.held_size}"


class Forked(Stale):
    """The log signed another root for the very size that the witness holds."""

    def __str__(self) -> str:
        return f"log {self.origin[:200]!r}: another root of size {self.held_size} is held; the log signed two histories"


class Inconsistent(WitnessError):
    """No proof that the checkpoint extends what the witness holds."""

    status: ClassVar[int] = 422

    def __init__(self, origin: str, held_size: int, size: int) -> None:
        super().__init__(origin, held_size, size)
        self.origin, self.held_size, self.size = origin, held_size, size

    def __str__(self) -> str:
        sizes = f"from size {self.held_size} to size {self.size}"
        return f"log {self.origin[:200]!r}: the consistency proof {sizes} does not verify"


class MemoryUnusable(WitnessError):
    """The witness's folder cannot be used now; nothing is cosigned."""

    status: ClassVar[int] = 503

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return f"witness folder {self.folder}: {self.reason}"


class MemoryHeld(MemoryUnusable):
    """Another witness lives on this folder."""


class MemoryDamaged(MemoryUnusable):
    """What the witness held cannot be read. Taking it for nothing would let a log begin anew."""


class MemoryLost(MemoryUnusable):
    """A key without its memory: it may have cosigned what it no longer knows."""


class WitnessUnreachable(WitnessError):
    """The witness did not answer as one."""

    status: ClassVar[int] = 503

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"witness {self.url}: {self.reason}"


class WitnessRefused(WitnessError):
    """The witness refused with ``code``, an HTTP status, and its own words."""

    status: ClassVar[int] = 502

    def __init__(self, url: str, code: int, reason: str) -> None:
        super().__init__(url, code, reason)
        self.url, self.code, self.reason = url, code, reason

    def __str__(self) -> str:
        return f"witness {self.url} refused ({self.code}): {self.reason}"


class WitnessContradicts(WitnessError, IntegrityError):
    """The witness holds a tree of ``held_size`` that this ledger, at ``size``, does not extend."""

    status: ClassVar[int] = 409

    def __init__(self, url: str, held_size: int, size: int, reason: str) -> None:
        super().__init__(url, held_size, size, reason)
        self.url, self.held_size, self.size, self.reason = url, held_size, size, reason

    def __str__(self) -> str:
        return f"witness {self.url} holds size {self.held_size}, this ledger has {self.size}: {self.reason}"


class AnchorUnavailable(WitnessError):
    """The object store cannot be used now; ``place`` is s3://bucket/prefix."""

    status: ClassVar[int] = 503

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place, self.reason = place, reason

    def __str__(self) -> str:
        return f"anchor {self.place}: {self.reason}"


class AnchorUnprotected(AnchorUnavailable):
    """The bucket lets objects be deleted: an anchor there holds nothing."""

    status: ClassVar[int] = 500


class AnchorConflict(WitnessError, IntegrityError):
    """The anchor of ``size`` is another checkpoint than the one to be put there."""

    status: ClassVar[int] = 409

    def __init__(self, place: str, size: int, anchored_root: str, root: str) -> None:
        super().__init__(place, size, anchored_root, root)
        self.place, self.size, self.anchored_root, self.root = place, size, anchored_root, root

    def __str__(self) -> str:
        return f"anchor {self.place}: size {self.size} is anchored with root {self.anchored_root}, not {self.root}"
