"""``fleetward watch``: the ledger told in sentences as it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.options import Database, Format, Offline, Output
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.domain.entry import Entry

_LOOK_SECONDS = 0.5
_PAGE = 500

_OfModel = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only what concerns this model.")]
_Since = Annotated[
    int | None, typer.Option("--since", min=0, metavar="SEQ", help="The first entry. [default: the next]")
]
_Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind of entry; may be repeated.")]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="End after so many. [default: when interrupted]")]


def watch(
    model: _OfModel = None,
    since: _Since = None,
    kind: _Kinds = None,
    limit: _Limit = None,
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Tell what happens as it happens, a line an entry: a sentence, or with -o json its document."""
    from runtime.console.sentences import sentence
    from runtime.control.views.entries import concerns, entry_document

    with reading(offline=offline, database=database) as reader:
        coming = (
            entry
            for entry in _coming(reader, reader.size() if since is None else since)
            if (not kind or entry.kind in kind) and (model is None or concerns(entry, model))
        )
        for entry in islice(coming, limit):
            if output_ is Format.JSON:
                output.lines([json.dumps(entry_document(entry), ensure_ascii=False)])
            else:
                output.lines([f"{entry.seq:>6}  {output.moment(entry.time)}  {sentence(entry)}"])


def _coming(reader: Reader, since: int) -> Iterator[Entry]:
    """Entries from ``since`` on, for ever: streamed where the reader can, else looked for now and then."""
    stream = getattr(reader, "watch", None)
    if stream is not None:
        yield from stream(since)
    while True:
        found = reader.entries(since, _PAGE)
        yield from found
        since += len(found)
        if not found:
            time.sleep(_LOOK_SECONDS)
