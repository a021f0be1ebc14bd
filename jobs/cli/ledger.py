"""The ledger itself: the auditor's check of its database, and one entry as it stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs.cli import exporting, output, proving
from jobs.cli.failing import CommandFailed, FailingGroup, NotReachable
from jobs.cli.options import Database, Format, Offline, Output, Past
from jobs.cli.reading import reading

app = typer.Typer(cls=FailingGroup, no_args_is_help=True, help="Check and read the ledger itself.")
app.command()(proving.checkpoint)
app.command()(proving.prove)
app.command()(proving.consistency)
app.command()(proving.check)
app.command()(proving.key)
app.command()(proving.outsiders)
app.command()(exporting.export)

_Size = Annotated[int | None, typer.Option("--expect-size", min=0, help="A size somebody kept, with its root.")]
_Root = Annotated[
    str | None, typer.Option("--expect-root", metavar="HEX", help="The root the ledger had at --expect-size.")
]
_Seq = Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The entry's number, from 0.")]


@app.command()
def verify(
    output_: Output = Format.TABLE, database: Database = None, expect_size: _Size = None, expect_root: _Root = None
) -> None:
    """Read every entry and check it against its hash and its place; name the first bad one.

    A root that was kept elsewhere also shows what a forger of the whole table would hide.
    """
    from runtime.domain.errors import LedgerCorrupt
    from runtime.ledger.database import without_password
    from runtime.settings import Settings

    if (expect_size is None) != (expect_root is None):
        raise typer.BadParameter("--expect-size and --expect-root belong together")
    url = database or Settings.from_environment().database
    try:
        document = _verified(url, expect_size, expect_root)
    except LedgerCorrupt as error:
        _show(
            {
                "ledger": without_password(url),
                "result": "damaged",
                "first_bad_entry": error.seq,
                "reason": error.reason,
            },
            output_,
        )
        raise
    _show(document, output_)


def _verified(url: str, size: int | None, root: str | None) -> dict[str, Any]:
    from runtime.domain.base import rfc3339
    from runtime.ledger.database import without_password
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.verify import verify_log

    try:
        with output.working("verifying the ledger"):
            checked = verify_log(url, expected_size=size, expected_root=root)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to verify: {error.url}: {error.reason}") from error
    return {
        "ledger": without_password(url),
        "result": "good",
        "entries": checked.size,
        "root": checked.root,
        "first_time": checked.first_time and rfc3339(checked.first_time),
        "last_time": checked.last_time and rfc3339(checked.last_time),
    }


def _show(document: dict[str, Any], output_: Format) -> None:
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields((name.replace("_", " "), _field(name, value)) for name, value in document.items())


def _field(name: str, value: object) -> object:
    """An entry's number is a name, not an amount: written as ``ledger show`` takes it."""
    return str(value) if name in {"seq", "first_bad_entry"} else value


@app.command()
def show(
    seq: _Seq,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Show one entry whole: its sentence, its fields and its leaf hash."""
    import json

    from runtime.control.views.entries import entry_document
    from runtime.ledger.merkle import leaf_hash

    with reading(offline=offline, database=database, as_of=as_of) as reader:
        found = reader.entries(seq, 1)
        size = reader.size()
    if not found or found[0].seq != seq:
        raise CommandFailed(f"there is no entry {seq}: the ledger has {size}")
    (entry,) = found
    document = {**entry_document(entry), "leaf_hash": leaf_hash(entry.leaf()).hex()}
    if output_ is Format.JSON:
        output.as_json(document)
        return
    event = document.pop("event")
    _show(document, output_)
    output.lines([json.dumps(event, indent=2, ensure_ascii=False)])
