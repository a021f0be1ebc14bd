"""The command that writes a model's monitoring report, read from the ledger and the store alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.exporting import _moment
from jobs.cli.failing import NotReachable
from jobs.cli.options import Database, Model

if TYPE_CHECKING:
    from runtime.monitoring.reporting import Past

_Since = Annotated[
    datetime,
    typer.Option("--since", parser=_moment, metavar="TIME", help="The first moment, in the data's time (UTC)."),
]
_Until = Annotated[
    datetime, typer.Option("--until", parser=_moment, metavar="TIME", help="The moment before which it ends.")
]
_Version = Annotated[
    int | None, typer.Option("--version", min=1, help="Whose baseline. [default: of who answered most rows]")
]
_Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the numbers as JSON.")
]
_Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", dir_okay=False, help="Write the page.")]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def report(
    name: Model,
    since: _Since,
    until: _Until,
    version: _Version = None,
    json: _Json = None,
    html: _Html = None,
    database: Database = None,
    store: _Store = None,
) -> None:
    """Report on a model's traffic of a time: drift, performance, findings, data quality. Without a file, as JSON."""
    from runtime.console.model_report import render
    from runtime.domain import canonical
    from runtime.evidence.export import whole_file
    from runtime.monitoring.reporting import report_on
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    if not since < until:
        raise typer.BadParameter(f"{until.isoformat()} is not after --since, {since.isoformat()}", param_hint="--until")
    settings = Settings.from_environment()
    objects = ObjectStore.open(store or settings.store)
    with output.working(f"reading what is recorded of {name}"):
        made = report_on(_past(database or settings.database), objects, name, since, until, version=version)
    document = made.as_document()
    if json is None and html is None:
        output.as_json(document)
    written = {json: canonical.encode(document), html: b"" if html is None else render(made).encode()}
    for path, content in written.items():
        if path is not None:
            with whole_file(path) as file:
                file.write(content)
            output.note(f"{path}: {made.quality.rows} rows, {made.alarms} alarms, {len(made.findings)} findings")


def _past(url: str) -> Past:
    """The ledger, folded."""
    from runtime.domain.events import SegmentSealed
    from runtime.domain.fold import apply
    from runtime.domain.state import FleetState
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.log import Log
    from runtime.monitoring.reporting import Past

    try:
        log = Log.open_read_only(url)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}") from error
    with log:
        state, segments, size = FleetState(), [], log.size
        for entry in log.entries(limit=size):
            if isinstance(entry.event, SegmentSealed):
                segments.append(entry.event)
            apply(state, entry)
        return Past(state, log.root, tuple(segments))
