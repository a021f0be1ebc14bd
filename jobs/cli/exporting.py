"""Commands that write evidence out of the ledger, for somebody who trusts nobody here to check with ``verify``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.failing import NotReachable
from jobs.cli.options import Database

if TYPE_CHECKING:
    from runtime.evidence.ledger import SignedLedger

_Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", dir_okay=False, help="The file to write.")]
_Until = Annotated[
    int | None,
    typer.Option("--until", metavar="SIZE", min=0, help="At most so many entries. [default: the newest checkpoint]"),
]
_Decision = Annotated[str, typer.Argument(metavar="DECISION_ID", help="The id that came with the answer.")]
_Answer = Annotated[
    int | None,
    typer.Option("--version", metavar="VERSION", min=1, help="As this version answered it, a shadow answer too."),
]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def export(out: _Out, until: _Until = None, database: Database = None) -> None:
    """Write the ledger, up to a signed checkpoint, into one file that verify checks offline."""
    from runtime.evidence.export import export_bundle

    with signed_ledger(database, until) as ledger, output.working("exporting the ledger"):
        entries = export_bundle(ledger, out)
    output.lines([f"{out}: {entries} entries under the checkpoint of {ledger.head.time:%Y-%m-%d %H:%M:%S} UTC"])


def passport(
    decision_id: _Decision, out: _Out, version: _Answer = None, database: Database = None, store: _Store = None
) -> None:
    """Write everything that made one decision right into one file that verify checks offline."""
    from runtime.evidence.export import whole_file
    from runtime.evidence.passport import passport_of
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    objects = ObjectStore.open(store or Settings.from_environment().store)
    with signed_ledger(database, None) as ledger, output.working("gathering the passport"):
        written = passport_of(decision_id, ledger, objects, version=version)
    with whole_file(out) as file:
        file.write(written.encode())
    rows = len(written.decision.records)
    output.lines([f"{out}: decision {decision_id}, {rows} rows, under the checkpoint of {ledger.size} entries"])
    for gap in written.gaps:
        output.note(f"gap: the ledger does not show the {gap} of this decision")


@contextmanager
def signed_ledger(database: str | None, until: int | None) -> Iterator[SignedLedger]:
    """The ledger of the settings (or this one), read from its database under a published checkpoint."""
    from runtime.evidence.ledger import SignedLedger
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.log import Log
    from runtime.settings import Settings

    url = database or Settings.from_environment().database
    try:
        log = Log.open_read_only(url)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}") from error
    with log:
        yield SignedLedger(log.database, until=until)
