"""``fleetward decision``: one recorded decision, with its inputs in the clear for whoever holds the keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.explaining import found_decision, key_of, registration_of
from jobs.cli.exporting import publish, signed_ledger
from jobs.cli.options import Database, Format, Offline, Output

_Decision = Annotated[str, typer.Argument(metavar="DECISION_ID", help="The id that came with the answer.")]
_Answer = Annotated[
    int | None,
    typer.Option("--version", metavar="VERSION", min=1, help="As this version answered it, a shadow answer too."),
]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]
_WHY = {
    "opened": "sealed for a data subject, opened with its key",
    "sealed": "sealed for a data subject; the keys in FLEETWARD_SUBJECTS cannot be read here",
    "erased": "erased with their data subject's key",
}


def decision(
    decision_id: _Decision,
    version: _Answer = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    store: _Store = None,
) -> None:
    """Show a recorded decision: who asked what and when, and what was answered.

    Inputs that were sealed for a data subject are shown where the keys in FLEETWARD_SUBJECTS can be read.
    """
    from runtime.evidence.recorded import recorded_decision
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    settings = Settings.from_environment()
    objects = ObjectStore.open(store or settings.store)
    if not offline and database is None:
        publish()
    with signed_ledger(database, None) as ledger, output.working("looking for the decision"):
        found = found_decision(decision_id, version, ledger, objects)
        schema = registration_of(found, ledger).schema_
    document = recorded_decision(found, schema, lambda pseudonym: key_of(settings, pseudonym))
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    """What all rows share, then a table a row."""
    rows, segment = document.pop("rows"), document.pop("segment")
    shared = {**document, "segment": f"{segment['digest']}, ledger entry {segment['seq']}"}
    output.fields((name.replace("_", " "), str(value)) for name, value in shared.items() if value != "")
    for row in rows:
        output.lines(["; ".join([f"row {row['row']}: {row['output']}", *row["flags"]])])
        if row["inputs"] in _WHY:
            output.note(f"inputs of row {row['row']}: {_WHY[row['inputs']]}")
        if row["values"] is not None:
            output.table(("column", "value"), [(name, _text(value)) for name, value in row["values"].items()])


def _text(value: float | str | None) -> str:
    return "missing" if value is None else str(value)
