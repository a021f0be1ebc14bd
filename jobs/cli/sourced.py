"""Commands that run a job over a file or a query: outcomes that are handed in, a past that is looked at again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from jobs.arguments import moment
from jobs.cli.options import Format, Output
from jobs.cli.running import _run

_Source = Annotated[str, typer.Argument(metavar="FILE_OR_SQL", help="A file, a folder of Parquet files, or a query.")]
_Data = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE_OR_SQL]", help="A file, a folder of Parquet files, or a query. [default: the spec's]"
    ),
]
_Decider = Annotated[str, typer.Option("--model", metavar="NAME", help="The model that decided.")]
_OnlyOf = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only this model; of a file, whose rows they are.")
]
_Decision = Annotated[
    str | None, typer.Option("--decision", metavar="COLUMN", help="Of decision ids. [default: decision_id]")
]
_Actual = Annotated[
    str | None, typer.Option("--actual", metavar="COLUMN", help="Of what came of them. [default: actual]")
]
_Row = Annotated[str | None, typer.Option("--row", metavar="COLUMN", help="Of row numbers. [default: row, else 0]")]
_Known = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="The column that says when an outcome was known.")
]
_Time = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="The column that says when a row was. [default: the spec's]"),
]
_Since = Annotated[
    datetime | None, typer.Option("--since", parser=moment, metavar="TIME", help="Only from this moment on.")
]
_Until = Annotated[
    datetime | None, typer.Option("--until", parser=moment, metavar="TIME", help="Only before this moment.")
]
_Connection = Annotated[
    str | None,
    typer.Option("--connection", metavar="VARIABLE", help="Of a query: the variable with the database's address."),
]
_Url = Annotated[str | None, typer.Option("--url", help="Where the fleet answers. [default: this cluster's Serve]")]
_Recorded = Annotated[bool, typer.Option("--recorded", help="Look at what the ledger records, instead of rows.")]
_Spec = Annotated[
    Path | None,
    typer.Option("--spec", exists=True, dir_okay=False, help="Its source, its models, its settings of the monitor."),
]
_Before = Annotated[
    datetime | None,
    typer.Option("--reference-before", parser=moment, metavar="TIME", help="Compare with the rows before this moment."),
]
_Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline", metavar="FILE", exists=True, dir_okay=False, help="Compare with this baseline document."
    ),
]


def outcomes(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    source: _Source,
    model: _Decider,
    decision: _Decision = None,
    actual: _Actual = None,
    row: _Row = None,
    time: _Known = None,
    since: _Since = None,
    until: _Until = None,
    connection: _Connection = None,
    url: _Url = None,
    output: Output = Format.TABLE,
) -> None:
    """Hand in what came of decisions, from Parquet, CSV or a database; what is left out is counted and named."""
    from jobs.outcomes import main

    _run(
        lambda given: main([source, *given]),
        ("--model", model),
        ("--decision", decision),
        ("--actual", actual),
        ("--row", row),
        ("--time", time),
        ("--since", since),
        ("--until", until),
        ("--connection", connection),
        ("--url", url),
        ("--output", output.value),
    )


def lookback(  # noqa: PLR0913, PLR0917 - an option each, as typer reads them
    data: _Data = None,
    recorded: _Recorded = False,  # noqa: FBT002
    spec: _Spec = None,
    model: _OnlyOf = None,
    time: _Time = None,
    since: _Since = None,
    until: _Until = None,
    reference_before: _Before = None,
    baseline: _Baseline = None,
    connection: _Connection = None,
    output: Output = Format.TABLE,
) -> None:
    """Run a past through the monitor: what it would have found in these rows, and when. Records nothing."""
    from jobs.lookback import main

    first = [*([] if data is None else [data]), *(["--recorded"] if recorded else [])]
    _run(
        lambda given: main([*first, *given]),
        ("--spec", spec),
        ("--model", model),
        ("--time", time),
        ("--since", since),
        ("--until", until),
        ("--reference-before", reference_before),
        ("--baseline", baseline),
        ("--connection", connection),
        ("--output", output.value),
    )
