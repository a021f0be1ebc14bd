"""Commands about what is kept: legal holds, and the deletion of records whose time is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import acting_as, recorded
from jobs.cli.failing import FailingGroup
from jobs.cli.options import Format, Model, Output, Principal, Reason

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.entry import Entry
    from runtime.governance.retention import Plan, Rules

app = typer.Typer(cls=FailingGroup, no_args_is_help=True, help="Delete records whose time is over.")

_PAGE = 1_000
_Hold = Annotated[int, typer.Argument(metavar="HOLD", min=1, help="The hold's number.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")]


def hold(name: Model, reason: Reason, as_: Principal = None) -> None:
    """Put a legal hold on a model: no body of a record of it is deleted until the hold is released."""
    from runtime.domain.keeping import LegalHoldPlaced

    recorded(lambda governed: LegalHoldPlaced(hold=len(governed.holds()) + 1, model=name, reason=reason), as_)


def release(number: _Hold, reason: Reason, as_: Principal = None) -> None:
    """Release a legal hold."""
    from runtime.domain.keeping import LegalHoldReleased

    recorded(lambda _: LegalHoldReleased(hold=number, reason=reason), as_)


@app.command("run")
def run(dry_run: _DryRun = False, output_: Output = Format.TABLE, as_: Principal = None) -> None:  # noqa: FBT002
    """Delete the segments older than capture.keep_for of every model in them, unless one is under a legal hold."""
    from jobs.cli.governed import Governed
    from runtime.governance.retention import carry_out, plan
    from runtime.storage.objects import ObjectStore

    settings = acting_as(as_)
    governed, store = Governed.connected(settings), ObjectStore.open(settings.store)
    with output.working("reading the ledger"):
        planned = plan(entries_of(governed), _rules(governed), store)
    deleted = 0 if dry_run else sum(carry_out(planned, store, governed.record, settings.principal))
    document = _document(planned, deleted)
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields((name.replace("_", " "), value) for name, value in _flat(document))


@app.callback()
def _retention() -> None:
    """Makes ``run`` a command of its own name, though it is the only one."""


def entries_of(governed: Governed) -> Iterator[Entry]:
    """All entries, from the first on."""
    since = 0
    while page := governed.entries(since, _PAGE):
        yield from page
        since += len(page)


def _rules(governed: Governed) -> Rules:
    from runtime.governance.retention import Rules

    specs = governed.specs()
    keep_for = {model.name: specs[model.spec].capture.keep_for for model in governed.models()}
    held = {each.model for each in governed.holds() if each.released is None}
    return Rules(keep_for, held, datetime.now(UTC))


def _document(planned: Plan, deleted: int) -> dict[str, Any]:
    return {
        "segments_over_their_time": len(planned.bodies),
        "records_in_them": sum(body.segment.records for body in planned.bodies),
        "left_by_an_earlier_run": len(planned.again),
        "segments_deleted": deleted,
        "segments_kept": dict(sorted(planned.kept.items())),
    }


def _flat(document: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"kept, {reason}", count) for reason, count in value.items())
        else:
            yield name, value
