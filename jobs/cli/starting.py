"""``fleetward init``: a first spec for a table of one's own."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli import output
from jobs.cli.failing import CommandFailed


def init(
    data: Annotated[Path, typer.Argument(exists=True, help="A CSV file, or a Parquet file or folder.")],
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="What is to be told.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="When each row was. [default: the first with times]")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The model's name. [default: the target's]")] = None,
    spec: Annotated[Path, typer.Option("--spec", dir_okay=False, help="The file to write.")] = Path("spec.yaml"),
) -> None:
    """Begin a spec for a table of your own: what is not said is inferred, or asked for at a terminal."""
    from runtime.domain.load import parse_spec
    from runtime.pipeline.starter import head_of, start

    if spec.exists():
        raise CommandFailed(f"{spec} is there already; name another with --spec")
    if target is None:
        columns = ", ".join(map(str, head_of(data)))
        if not sys.stdin.isatty():
            raise CommandFailed(f"--target is missing; {data} has the columns {columns}")
        target = typer.prompt(f"{data} has the columns {columns}.\nWhich one is to be told?", type=str)
    started = start(data, target, time, name, getpass.getuser())
    text = started.text()
    parse_spec(text, str(spec))
    spec.write_text(text)
    kind = "a number" if started.is_regression else "a class"
    columns = f"{len(started.features)} columns, in the order of {started.time}"
    output.lines(
        [
            f"{spec}: model {started.name} tells {started.target} ({kind}) by {columns}",
            *(f"  left out {column}: {why}" for column, why in started.left_out.items()),
            f"next: fleetward check {spec}; fleetward up; fleetward train --spec {spec}",
        ]
    )
