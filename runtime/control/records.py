"""What lies beside the ledger, in the object store: recorded decisions with their passports, evidence of findings.

Nothing is taken from there on trust: a decision is proven under its segment's root, a passport goes through the same
links that the verifier tries before it is given out, an evidence document is what its digest says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from runtime.domain.errors import FleetwardError, UnknownVersion
from runtime.domain.events import GovernorStarted, SegmentContent, SegmentSealed, VersionRegistered
from runtime.evidence.decisions import FoundDecision, find_decision
from runtime.evidence.ledger import Found, SignedLedger
from runtime.evidence.passport import deleted_bodies, passport_of_found
from runtime.evidence.recorded import recorded_decision
from runtime.ledger.database import Database
from runtime.ledger.note import Verifier
from runtime.proof.checkpoints import Keys
from runtime.proof.verify_passport import verify_passport
from runtime.storage.inputs import KeyOf
from runtime.storage.keyring_errors import KeyringUnavailable
from runtime.storage.objects import ObjectStore
from runtime.storage.subject_key import SubjectKey


class NotKept(FleetwardError):
    """A document that nobody kept."""

    status = 404

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


def no_keys(_pseudonym: str) -> SubjectKey | None:
    """Where the keys of data subjects cannot be reached: their inputs stay sealed."""
    raise KeyringUnavailable("the control API", "it holds no keys of data subjects")


@dataclass(frozen=True, slots=True)
class Issued:
    """A passport's bytes, and what a verifier said of them under the key that the ledger itself names."""

    content: bytes
    checked: dict[str, Any]
    vkey: str


class Records:
    """The store is opened when it is first asked; ``key_of`` opens inputs of data subjects."""

    def __init__(self, database: Callable[[], Database], store_url: str, key_of: KeyOf = no_keys) -> None:
        self._database, self._store_url, self._key_of = database, store_url, key_of
        self._opening = threading.Lock()
        self._store: ObjectStore | None = None

    def decision(self, decision_id: str, version: int | None) -> dict[str, Any]:
        """The decision as it was answered. Raises ``DecisionUnknown``, ``BodyDeleted``, ``EvidenceMissing``."""
        ledger = self._ledger()
        found = self._found(decision_id, version, ledger)
        return {"size": ledger.size, **recorded_decision(found, _registered(found, ledger).schema_, self._key_of)}

    def passport(self, decision_id: str, version: int | None) -> Issued:
        """The decision's passport, verified. Raises as ``decision`` does."""
        ledger = self._ledger()
        content = passport_of_found(self._found(decision_id, version, ledger), ledger).encode()
        key = _own_key(ledger)
        checked = asdict(verify_passport(content, Keys(key)))
        return Issued(content, orjson.loads(orjson.dumps(checked)), key.vkey)

    def evidence(self, digest: str) -> Any:
        """A finding's evidence document. Raises ``ObjectMissing``, ``DigestMismatch``."""
        return orjson.loads(self._opened().get(digest))

    def _found(self, decision_id: str, version: int | None, ledger: SignedLedger) -> FoundDecision:
        sealed = [
            Found(each.entry, each.event, each.leaf)
            for each in ledger.found(("segment_sealed",))
            if isinstance(each.event, SegmentSealed) and each.event.content is SegmentContent.DECISIONS
        ]
        return find_decision(decision_id, sealed, self._opened(), version=version, deleted=deleted_bodies(ledger))

    def _ledger(self) -> SignedLedger:
        return SignedLedger(self._database())

    def _opened(self) -> ObjectStore:
        with self._opening:
            if self._store is None:
                self._store = ObjectStore.open(self._store_url)
            return self._store


def _registered(found: FoundDecision, ledger: SignedLedger) -> VersionRegistered:
    for each in ledger.found(("version_registered",)):
        event = each.event
        if isinstance(event, VersionRegistered) and (event.model, event.version) == (found.model, found.version):
            return event
    raise UnknownVersion(found.model, str(found.version))


def _own_key(ledger: SignedLedger) -> Verifier:
    """What the ledger says of itself: good to see that a passport is whole, not to trust it."""
    started = [each.event for each in ledger.found(("governor_started",)) if isinstance(each.event, GovernorStarted)]
    if not started:
        raise NotKept("the ledger's key", "no governor has started on this ledger yet")
    return Verifier.of(ledger.head.note.splitlines()[0], started[-1].public_key)
