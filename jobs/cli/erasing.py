"""``fleetward erase``: makes the inputs that were recorded about a person unreadable, for ever."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import acting_as
from jobs.cli.failing import CommandFailed
from jobs.cli.keeping import entries_of
from jobs.cli.options import Format, Output, Principal, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jobs.cli.governed import Governed
    from runtime.governance.erasure import Erased, Target

_Subject = Annotated[
    str,
    typer.Argument(metavar="SUBJECT", help="As requests named it; - reads it from stdin, past the shell's history."),
]
_OfModel = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only what was recorded for this model. [default: all]")
]


def erase(
    subject: _Subject, reason: Reason, model: _OfModel = None, output_: Output = Format.TABLE, as_: Principal = None
) -> None:
    """Destroy the salt and key of a data subject: its recorded inputs become unreadable, proofs stay valid.

    Refused while a legal hold covers one of the models. Safe to repeat after it was cut off.
    """
    from jobs.cli.governed import Governed
    from runtime.governance.erasure import Order, counted, targets_of
    from runtime.governance.erasure import erase as erased_one_by_one
    from runtime.storage.keyring import Keyring
    from runtime.storage.objects import ObjectStore

    settings = acting_as(as_)
    who = _named(subject)
    _refuse_telling(who, reason)
    governed, store = Governed.connected(settings), ObjectStore.open(settings.store)
    keyring = Keyring.open(settings.subjects, lambda: datetime.now(UTC))
    models = [each.name for each in governed.models()] if model is None else [governed.model(model).name]
    targets = targets_of(keyring, who, models)

    def count(fresh: Collection[Target]) -> Mapping[str, int]:
        return counted(fresh, _sealed(governed), store)

    with output.working("erasing"):
        _seal_everything(governed)
        done = list(erased_one_by_one(keyring, who, targets, governed, Order(settings.principal, reason, count)))
    if output_ is Format.JSON:
        output.as_json([_document(each) for each in done])
    else:
        output.lines(_said(each) for each in done)


def _named(subject: str) -> str:
    from runtime.domain.erasure import checked_subject

    text = sys.stdin.readline().rstrip("\n") if subject == "-" else subject
    return checked_subject(text, "SUBJECT")


def _refuse_telling(subject: str, reason: str) -> None:
    """Raises ``CommandFailed`` for a reason that names the subject: it stands in the ledger for ever."""
    if re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", reason, re.IGNORECASE):
        raise CommandFailed("--reason names the subject, and stands in the ledger for ever: give a case number instead")


def _seal_everything(governed: Governed) -> None:
    """So that records which wait in a replica are counted too."""
    for pool in sorted({spec.serving.pools for spec in governed.specs().values()}):
        governed.flush(pool)


def _sealed(governed: Governed) -> Any:
    from runtime.domain.events import SegmentSealed

    return (entry.event for entry in entries_of(governed) if isinstance(entry.event, SegmentSealed))


def _document(erased: Erased) -> dict[str, Any]:
    return erased._asdict()


def _said(erased: Erased) -> str:
    records = f"inputs of {erased.records:,} records are unreadable"
    return f"{erased.model}: pseudonym {erased.pseudonym[:12]} erased at entry {erased.seq}, {records}"
