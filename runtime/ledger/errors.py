"""What this room raises beside the domain's ``LedgerCorrupt``, ``IdempotencyConflict`` and ``GrantInvalid``.

LedgerError (a FleetwardError)
├── LedgerUnavailable    503   the database cannot be used: missing, unreadable, closed, an I/O error
│   ├── LedgerLocked           another process kept the database locked for longer than the timeout
│   ├── LedgerHeld             another writer lives, or took over; a ledger has one
│   ├── LedgerOlder            tables are missing that this code needs: no governor of it has opened it yet
│   ├── LedgerNewer      500   its tables were made by a newer version of this code
│   └── LedgerFull       507   no space left; nothing was written
├── EntryUnwritable      422   a draft has no canonical JSON or does not survive being read back
├── CommitQueueFull      503   more submissions are waiting than the queue holds
├── CommitQueueClosed    503   the group commit was closed
├── NeverHeld            404   the ledger has no such entry, or never had that size
├── NothingPublished     404   no checkpoint of the ledger was published yet
├── NoSuchTile           404   a path that names no tile
├── EntryTooLarge        501   a leaf that C2SP's bundles of entries cannot hold
├── PublicationRefused   500   the stored tree does not extend what was published (an IntegrityError)
├── KeyUnusable          500   a signing or public key cannot be loaded, or lies open to others
│   └── KeyUnreachable   503   whoever keeps the key does not answer; try again
├── NoteMalformed        400   bytes are no signed note, or its text no checkpoint
└── NoteUntrusted        403   no trusted key signed the note (an IntegrityError)
    └── SignatureInvalid       a line that bears a trusted key's name and hash does not verify
"""

from __future__ import annotations

from typing import ClassVar

from runtime.domain.errors import FleetwardError, IntegrityError


class LedgerError(FleetwardError):
    """The root of this room's errors."""


class LedgerUnavailable(LedgerError):
    """The ledger's database cannot be used now; ``url`` carries no password."""

    status: ClassVar[int] = 503

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"ledger {self.url}: {self.reason}"


class LedgerLocked(LedgerUnavailable):
    """Another process holds a lock on the database, and the timeout ran out."""


class LedgerHeld(LedgerUnavailable):
    """Another writer holds the ledger, or wrote to it past the lock."""


class LedgerOlder(LedgerUnavailable):
    """The ledger was made by an earlier version, and nobody has brought its tables up to date."""

    def __init__(self, url: str, missing: str) -> None:
        Exception.__init__(self, url, missing)
        self.url, self.missing = url, missing
        remedy = "bring it up once (fleetward up), which adds what is missing and changes no entry"
        self.reason = f"made by an earlier Fleetward ({missing}); {remedy}"


class LedgerNewer(LedgerUnavailable):
    """The ledger's tables are of a revision that this code does not know; nothing was touched."""

    status: ClassVar[int] = 500


class LedgerFull(LedgerUnavailable):
    """The disk or the database's own limit is full; nothing of the batch was written."""

    status: ClassVar[int] = 507


class EntryUnwritable(LedgerError):
    """A draft cannot become a leaf: NaN, integers beyond 2**53, lone surrogates, a body its own type refuses."""

    status: ClassVar[int] = 422

    def __init__(self, event_id: str, reason: str) -> None:
        super().__init__(event_id, reason)
        self.event_id, self.reason = event_id, reason

    def __str__(self) -> str:
        return f"event {self.event_id!r} cannot be written: {self.reason}"


class CommitQueueFull(LedgerError):
    """Refused instead of queued without bound; the caller may try again, under the same event id."""

    status: ClassVar[int] = 503

    def __init__(self, queued: int) -> None:
        super().__init__(queued)
        self.queued = queued

    def __str__(self) -> str:
        return f"{self.queued} submissions are waiting to be committed; try again"


class CommitQueueClosed(LedgerError):
    """The group commit takes no more submissions."""

    status: ClassVar[int] = 503

    def __str__(self) -> str:
        return "no more submissions are taken: the group commit was closed"


class NeverHeld(LedgerError):
    """Asked for what the ledger does not hold; ``what`` names it, ``size`` are the entries there are."""

    status: ClassVar[int] = 404

    def __init__(self, what: str, size: int) -> None:
        super().__init__(what, size)
        self.what, self.size = what, size

    def __str__(self) -> str:
        return f"the ledger never held {self.what}: it has {self.size} entries"


class NothingPublished(LedgerError):
    """No checkpoint of the ledger was published yet."""

    status: ClassVar[int] = 404

    def __str__(self) -> str:
        return "no checkpoint of this ledger was published yet"


class NoSuchTile(LedgerError):
    """A path that names no tile of C2SP tlog-tiles."""

    status: ClassVar[int] = 404

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path[:80]!r} names no tile: {self.reason}"


class EntryTooLarge(LedgerError):
    """A leaf is longer than C2SP's bundles of entries can say; it can be asked for alone."""

    status: ClassVar[int] = 501

    def __init__(self, seq: int, size_bytes: int, most_bytes: int) -> None:
        super().__init__(seq, size_bytes, most_bytes)
        self.seq, self.size_bytes, self.most_bytes = seq, size_bytes, most_bytes

    def __str__(self) -> str:
        told = f"entry {self.seq} has {self.size_bytes} bytes; a bundle holds entries of at most {self.most_bytes}"
        return f"{told}: ask for entries/{self.seq}"


class PublicationRefused(LedgerError, IntegrityError):
    """No checkpoint of ``size`` entries was signed, since the database contradicts what is known of it."""

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(size, reason)
        self.size, self.reason = size, reason

    def __str__(self) -> str:
        return f"no checkpoint of {self.size} entries is signed: {self.reason}"


class KeyUnusable(LedgerError):
    """A key cannot be used; ``name`` is its path or its public text, never its secret."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"key {self.name}: {self.reason}"


class KeyUnreachable(KeyUnusable):
    """A key management service does not answer; nothing was signed."""

    status: ClassVar[int] = 503


class NoteMalformed(LedgerError):
    """Bytes are not what ``what`` ("note", "checkpoint") has to look like."""

    status: ClassVar[int] = 400

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"not a {self.what}: {self.reason}"


class NoteUntrusted(LedgerError, IntegrityError):
    """A note bears no signature of a trusted key; ``signers`` are the names it bears."""

    status: ClassVar[int] = 403

    def __init__(self, signers: tuple[str, ...], trusted: tuple[str, ...]) -> None:
        super().__init__(signers, trusted)
        self.signers, self.trusted = signers, trusted

    def __str__(self) -> str:
        signers, trusted = (", ".join(names) or "nobody" for names in (self.signers, self.trusted))
        return f"the note is signed by {signers}, with no key that is trusted; trusted are {trusted}"


class SignatureInvalid(NoteUntrusted):
    """The line of a trusted key does not verify: the text or the line was changed, or somebody poses as the key."""

    def __init__(self, name: str, key_hash: str) -> None:
        Exception.__init__(self, name, key_hash)
        self.name, self.key_hash = name, key_hash
        self.signers, self.trusted = (name,), (name,)

    def __str__(self) -> str:
        return f"the signature of {self.name}+{self.key_hash} does not verify"
