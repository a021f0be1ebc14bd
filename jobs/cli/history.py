"""The ledger told in sentences, newest last; read from its end, page by page, until enough is found."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from jobs.cli import output
from jobs.cli.options import Database, Format, Offline, Output, Past
from jobs.cli.reading import Reader, reading

if TYPE_CHECKING:
    from runtime.domain.entry import Entry

_PAGE = 1_000

_Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Only what concerns this model.")]
_Limit = Annotated[int, typer.Option("--limit", min=0, help="Only so many, the newest; 0 for all.")]
_Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only this kind of entry, such as version_promoted; may be repeated."),
]


def history(
    name: _Name = None,
    output_: Output = Format.TABLE,
    limit: _Limit = 50,
    kind: _Kinds = None,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """Tell what happened, a sentence an entry, newest last."""
    kinds = _checked(kind)
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        if name is not None:
            reader.model(name)
        with output.working("reading the ledger"):
            entries = newest(reader, name, kinds, limit)
    if output_ is Format.JSON:
        from runtime.control.views.entries import entry_document

        output.as_json([entry_document(entry) for entry in entries])
    else:
        _show(entries)
    if limit and len(entries) == limit:
        output.note(f"the newest {limit}; --limit sets how many")


def newest(reader: Reader, name: str | None, kinds: frozenset[str], limit: int) -> list[Entry]:
    """At most ``limit`` entries (0 for all) that concern the model and are of these kinds, in order."""
    found: deque[Entry] = deque()
    models_of = cache(lambda batch: _models_of(reader, batch))
    for entry in _backwards(reader):
        if kinds and entry.kind not in kinds:
            continue
        if name is not None and not _concerns(entry, name, models_of):
            continue
        found.appendleft(entry)
        if len(found) == limit:
            break
    return list(found)


def _backwards(reader: Reader) -> Iterator[Entry]:
    end = reader.size()
    while end > 0:
        start = max(0, end - _PAGE)
        yield from reversed(reader.entries(start, end - start))
        end = start


def _concerns(entry: Entry, name: str, models_of: Any) -> bool:
    """Whether an entry is about the model: alone, or as one of a retraining's models."""
    event = entry.event
    if getattr(event, "model", None) == name or name in getattr(event, "models", ()):
        return True
    return event.kind == "retraining_finished" and name in models_of(event.batch)


def _models_of(reader: Reader, batch: str) -> tuple[str, ...]:
    found = reader.batch(batch)
    return () if found is None else found.models


def _checked(kinds: list[str] | None) -> frozenset[str]:
    from runtime.domain.events import Event

    known = {each.model_fields["kind"].default for each in get_args(get_args(Event)[0])}
    for kind in kinds or ():
        if kind not in known:
            raise typer.BadParameter(f"{kind!r} is no kind of entry; kinds are {', '.join(sorted(known))}")
    return frozenset(kinds or ())


def _show(entries: list[Entry]) -> None:
    from runtime.console.sentences import sentence

    rows = ((str(entry.seq), output.moment(entry.time), sentence(entry)) for entry in entries)
    output.table(("entry", "time (UTC)", "what happened"), rows, right=("entry",), wrapped=("what happened",))
