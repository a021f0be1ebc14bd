"""The outsiders that a ledger's settings name, each handed the newest checkpoint for as long as the governor lives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from runtime.domain.errors import SettingsError
from runtime.ledger.cosigned import keep_cosigned
from runtime.ledger.database import Database
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.note import Verifier
from runtime.ledger.proofs import Proofs
from runtime.witness.anchor import Anchor
from runtime.witness.handing import ANCHOR_INTERVAL, WITNESS_INTERVAL, Handing
from runtime.witness.publication import Outsider
from runtime.witness.submit import WitnessClient


def start_handing(witnesses: str, anchor: str, keep: timedelta, database: Database, proofs: Proofs) -> list[Handing]:
    """Threads that hand on: one a witness, one for the anchor. An outsider that is away holds nothing up.

    ``witnesses`` is ``URL VKEY, URL VKEY``; ``anchor`` an ``s3://bucket/prefix``, or empty. Raises ``SettingsError``.
    """
    handing = [_witness(url, verifier, database, proofs) for url, verifier in parse_witnesses(witnesses)]
    return [*handing, _anchor(anchor, keep, proofs)] if anchor else handing


def parse_witnesses(text: str) -> list[tuple[str, Verifier]]:
    """Raises ``SettingsError`` naming what is no witness."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        url, _, vkey = item.partition(" ")
        try:
            verifier = Verifier.parse(vkey.strip())
        except KeyUnusable as error:
            raise SettingsError("FLEETWARD_WITNESSES", item, f"URL VKEY, URL VKEY ({error})") from error
        found.append((url, verifier))
    return found


def reported(handing: Handing) -> Outsider:
    """For people: ``failure`` and ``contradiction`` are empty while there is none."""
    return Outsider(
        name=handing.name,
        handed=handing.handed,
        failure="" if handing.failure is None else str(handing.failure),
        contradiction="" if handing.contradiction is None else str(handing.contradiction),
    )


def _witness(url: str, verifier: Verifier, database: Database, proofs: Proofs) -> Handing:
    client = WitnessClient(url, verifier)
    return Handing(
        f"witness {verifier.name}",
        proofs.checkpoint,
        lambda note: keep_cosigned(database, client.submit(note, proofs)),
        WITNESS_INTERVAL,
    )


def _anchor(place: str, keep: timedelta, proofs: Proofs) -> Handing:
    return Handing(f"anchor {place}", proofs.checkpoint, _putting(place, keep), ANCHOR_INTERVAL)


def _putting(place: str, keep: timedelta) -> Callable[[bytes], str]:
    """Connects at the first note: a store that is away must not keep the governor from starting."""
    connected = cache(Anchor.connect)
    return lambda note: connected(place).put(note, datetime.now(UTC) + keep)
