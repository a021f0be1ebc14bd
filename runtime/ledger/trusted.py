"""A ledger's signing keys over time: the present one, and earlier ones that are still believed.

A change of the key is a decision of people, since whoever holds the database can put any key beside it. So a
governor does not go on from a checkpoint that was signed with another key than its own, unless its settings name
that key. ``docs/operations/signing-keys.md`` says how a key is changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.domain.errors import LedgerCorrupt, SettingsError
from runtime.ledger.checkpoint import Checkpoint, open_checkpoint
from runtime.ledger.database import Database
from runtime.ledger.errors import KeyUnusable, NoteMalformed, NoteUntrusted, SignatureInvalid
from runtime.ledger.note import Verifier, read_note
from runtime.ledger.proofs import Proofs, PublishedCheckpoint

TRUSTED_KEYS = "FLEETWARD_TRUSTED_KEYS"
ORIGIN = "FLEETWARD_ORIGIN"


def parse_trusted(text: str) -> tuple[Verifier, ...]:
    """The keys that ``VKEY, VKEY`` names. Raises ``SettingsError`` naming what is no key."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(Verifier.parse(item))
        except KeyUnusable as error:
            raise SettingsError(TRUSTED_KEYS, item, f"VKEY, VKEY ({error})") from error
    return tuple(found)


def require_known_signer(database: Database, own: Verifier, trusted: Iterable[Verifier]) -> None:
    """Pass silently unless the newest checkpoint was signed under another name, or with a key not known here.

    Raises ``SettingsError`` naming the setting. What was tampered with, the publisher refuses: it has the tree.
    """
    known = (own, *trusted)
    for key in known:
        if key.name != own.name:
            raise SettingsError(TRUSTED_KEYS, key.vkey, f"keys of this ledger, which is named {own.name}")
    try:
        newest = Proofs(database).checkpoint()
        if newest is not None:
            _require(newest, known)
    except (LedgerCorrupt, NoteMalformed, SignatureInvalid):
        return


def _require(newest: PublishedCheckpoint, known: tuple[Verifier, ...]) -> None:
    own, *earlier = known
    text, lines = read_note(newest.note.encode())
    origin, of = Checkpoint.parse(text).origin, f"the ledger's last checkpoint, of {newest.size} entries"
    if origin != own.name:
        raise SettingsError(ORIGIN, own.name, f"{origin!r}, the name in {of}")
    try:
        open_checkpoint(newest.note.encode(), known, origin=origin)
    except SignatureInvalid:
        raise
    except NoteUntrusted as error:
        signers = " or ".join(_spelled(line.name, line.key_hash) for line in lines if line.name == origin) or "nobody"
        raise SettingsError(
            TRUSTED_KEYS,
            ", ".join(key.vkey for key in earlier),
            f"the vkey of {signers}, which signed {of}: this governor signs as {_spelled(own.name, own.key_hash)}; if "
            "the key was not changed on purpose, put the earlier one back (FLEETWARD_KEY)",
        ) from error


def _spelled(name: str, key_hash: bytes) -> str:
    return f"{name}+{key_hash.hex()}"
