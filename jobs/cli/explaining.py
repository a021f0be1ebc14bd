"""``fleetward explain``: why the version that made a decision answered so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.exporting import signed_ledger
from jobs.cli.options import Database, Format, Offline, Output

if TYPE_CHECKING:
    from runtime.domain.events import VersionRegistered
    from runtime.evidence.decisions import FoundDecision
    from runtime.evidence.ledger import SignedLedger
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore
    from runtime.storage.subject_key import SubjectKey

_Decision = Annotated[str, typer.Argument(metavar="DECISION_ID", help="The id that came with the answer.")]
_Answer = Annotated[
    int | None,
    typer.Option("--version", metavar="VERSION", min=1, help="As this version answered it, a shadow answer too."),
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="What is drawn is drawn with it.")]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def explain(
    decision_id: _Decision,
    version: _Answer = None,
    seed: _Seed = 0,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
) -> None:
    """Explain a recorded decision by what each column contributed to it.

    The version that decided runs again on the recorded inputs; unless it gives the same answer, nothing is explained.
    """
    from jobs.cli.exporting import publish
    from runtime.explaining.decision import explain_decision
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    settings = Settings.from_environment()
    objects = ObjectStore.open(store or settings.store)
    if not offline and database is None:
        publish()
    with signed_ledger(database, None) as ledger, output.working("explaining the decision"):
        place = _place(found_decision(decision_id, version, ledger, objects), ledger)
        explained = explain_decision(place, objects, lambda pseudonym: key_of(settings, pseudonym), seed)
    document = explained.as_document()
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        _show(document)


def found_decision(decision_id: str, version: int | None, ledger: SignedLedger, store: ObjectStore) -> FoundDecision:
    """The decision in a sealed segment under the checkpoint. Raises as ``find_decision``."""
    from runtime.domain.events import SegmentSealed
    from runtime.domain.keeping import BodiesDeleted
    from runtime.evidence.decisions import find_decision
    from runtime.evidence.ledger import Found

    segments, deleted = [], {}
    for found in ledger.found(["segment_sealed", "bodies_deleted"]):
        if isinstance(found.event, SegmentSealed):
            segments.append(Found(found.entry, found.event, found.leaf))
        elif isinstance(found.event, BodiesDeleted):
            deleted.update(dict.fromkeys(found.event.digests, found.seq))
    return find_decision(decision_id, segments, store, version=version, deleted=deleted)


def registration_of(found: FoundDecision, ledger: SignedLedger) -> VersionRegistered:
    """What the ledger says of the version that decided. Raises ``UnknownVersion``."""
    from runtime.domain.errors import UnknownVersion
    from runtime.domain.events import VersionRegistered

    for each in ledger.found(["version_registered"]):
        event = each.event
        if isinstance(event, VersionRegistered) and (event.model, event.version) == (found.model, found.version):
            return event
    raise UnknownVersion(found.model, str(found.version))


def _place(found: FoundDecision, ledger: SignedLedger) -> Any:
    from runtime.explaining.decision import Place

    baseline = registration_of(found, ledger).baseline
    first = found.proven.records[0].record["number"]
    rows = len(found.proven.records)
    return Place(found.proven.decision_id, found.segment.event.digest, first, rows, baseline)


def key_of(settings: Settings, pseudonym: str) -> SubjectKey | None:
    """The key of a pseudonym in the keyring of the settings. Raises ``KeyringUnavailable``."""
    from runtime.storage.keyring import Keyring

    return Keyring.open(settings.subjects, lambda: datetime.now(UTC)).key_of(pseudonym)


def _show(document: dict[str, Any]) -> None:
    """A table a row, the largest contribution first."""
    rows = document.pop("rows")
    overrides = document.pop("overrides", [[]] * len(rows))
    output.fields((name.replace("_", " "), str(value)) for name, value in document.items() if value is not None)
    for at, row in enumerate(rows):
        output.lines(["; ".join([f"row {at}: {row['output']:g}", *overrides[at]])])
        ranked = sorted(row["contributions"].items(), key=lambda each: -abs(each[1]))
        output.table(
            ("column", "contribution"), [(name, f"{value:+.6g}") for name, value in ranked], right=("contribution",)
        )
