"""``fleetward backtest``: a policy tried on the recorded past, from the ledger and the store alone."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.failing import NotReachable
from jobs.cli.options import Database, Format, Output

if TYPE_CHECKING:
    from runtime.backtest.backtest import Past
    from runtime.backtest.report import Report
    from runtime.backtest.worlds import Chosen, Recorded
    from runtime.settings import Settings


RECORDS_A_PROCESS = 200_000
"""So many decisions and outcomes are worth the start of another process."""


def _span(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from runtime.domain.terms import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r}; expected a duration such as 90d or 12w") from error


_File = Annotated[Path, typer.Argument(metavar="POLICY.yaml", exists=True, dir_okay=False, help="The policy to try.")]
_Since = Annotated[
    timedelta, typer.Option("--since", parser=_span, metavar="SPAN", help="How much of the past, in the data's time.")
]
_Pattern = Annotated[
    list[str] | None, typer.Option("--model", metavar="PATTERN", help="Only models whose names fit, such as 'eta-*'.")
]
_Plot = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE.svg", dir_okay=False, help="Draw it, week by week.")
]
_Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the whole report as JSON.")
]
_Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="Where segments lie. [default: FLEETWARD_STORE]")
]


def backtest(
    file: _File,
    since: _Since = "90d",  # type: ignore[assignment]  # typer parses it
    model: _Pattern = None,
    plot: _Plot = None,
    json: _Json = None,
    output_: Output = Format.TABLE,
    database: Database = None,
    store: _Store = None,
) -> None:
    """Try a policy on the past: alarms, retrainings, cost and error under it, beside those that there were."""
    from runtime.domain.load import load_policy
    from runtime.settings import Settings

    policy, settings = load_policy(file), Settings.from_environment()
    from functools import partial

    from runtime.backtest.parts import parted

    url = database or settings.database
    past = past_of(url)
    opened = partial(past_and_recorded, url, store or settings.store, settings, past.size)
    processes = min(os.cpu_count() or 1, 1 + past.records // RECORDS_A_PROCESS)
    with output.working("living the past again"):
        report = parted(opened, policy, since, tuple(model or ["*"]), processes)
    _write(report, plot, json)
    if output_ is Format.JSON:
        output.as_json(report.as_document())
    else:
        _show(report)


def past_and_recorded(url: str, store: str, settings: Settings, size: int, chosen: Chosen) -> tuple[Past, Recorded]:
    """Of these models; for a process of its own."""
    return past_of(url, size), recorded_of(settings, store, chosen)


def past_of(url: str, at: int | None = None) -> Past:
    """The ledger as it is now, or as it was with so many entries.

    Raises ``NotReachable``, and ``NothingRecorded`` where no traffic was handed in.
    """
    from runtime.backtest.backtest import NothingRecorded, Past
    from runtime.domain.events import SegmentSealed, WatermarkAdvanced
    from runtime.ledger.errors import LedgerUnavailable
    from runtime.ledger.log import Log
    from runtime.ledger.past import root_at

    try:
        log = Log.open_read_only(url)
    except LedgerUnavailable as error:
        raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}") from error
    size, root = log.head()
    if at is not None and at < size:
        size, root = at, root_at(log.database, at)
    told = [entry.event for entry in log.entries(kinds=["watermark_advanced", "segment_sealed"]) if entry.seq < size]
    until = max((each.until for each in told if isinstance(each, WatermarkAdvanced)), default=None)
    records = sum(each.records for each in told if isinstance(each, SegmentSealed))
    if until is None:
        raise NothingRecorded("no traffic was handed in")
    return Past(lambda: log.entries(limit=size), size, root.hex(), until, records)


def recorded_of(settings: Settings, store: str, chosen: Chosen) -> Recorded:
    """What segments and objects hold of these models; inputs of data subjects where their keys can be read."""
    from functools import cache

    from jobs.cli.explaining import key_of
    from runtime.backtest.worlds import Recorded
    from runtime.monitoring.segments import decisions_of, outcomes_of
    from runtime.storage.objects import ObjectStore

    objects = ObjectStore.open(store)
    key = cache(lambda pseudonym: key_of(settings, pseudonym))
    return Recorded(
        objects.get,
        lambda digest: decisions_of(objects, digest, key, chosen.owns),
        lambda digest: outcomes_of(objects, digest, chosen.owns),
    )


def _write(report: Report, plot: Path | None, json: Path | None) -> None:
    from runtime.backtest.plot import plot as drawn
    from runtime.domain import canonical
    from runtime.evidence.export import whole_file

    if plot is not None:
        with whole_file(plot) as file:
            file.write(str(drawn(report)).encode())
    if json is not None:
        with whole_file(json) as file:
            file.write(canonical.encode(report.as_document()))


def _show(report: Report) -> None:
    again = report.reproduced
    output.fields(
        [
            ("policy", f"{report.policy.name} ({report.policy.digest[7:19]}): {report.policy.about}"),
            ("past", f"{report.since:%Y-%m-%d} to {report.until:%Y-%m-%d}, {report.models} models"),
            ("ledger", f"{report.size:,} entries, root {report.root[:16]}"),
            ("history again", f"{again.checked.total():,} decisions made once more, {again.differing} differ"),
            ("degradations", f"{len(report.degradations)} by the outcomes"),
        ]
    )
    rows = [(each.name.replace("_", " "), _told(each.current), _between(each.low, each.high)) for each in report.lines]
    output.table(("", "as it was", "under the policy"), rows, right=("as it was", "under the policy"))
    output.lines(f"- {each}" for each in report.assumes)
    for each in again.differences:
        place = "not recorded" if each.entry is None else f"entry {each.entry}"
        output.note(f"{place}, {each.kind} of {each.about}: {each.recorded}; again: {each.again}")


def _between(low: float | None, high: float | None) -> str:
    return _told(low) if low == high else f"{_told(low)} to {_told(high)}"


def _told(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
