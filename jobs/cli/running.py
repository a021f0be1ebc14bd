"""Commands that run the jobs of jobs/ in this process: the same code, options and answers as ``python -m jobs.X``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from jobs.arguments import moment
from jobs.cli.acting import acting_as
from jobs.cli.failing import reaching
from jobs.cli.options import Principal

_Spec = Annotated[Path, typer.Option("--spec", exists=True, dir_okay=False, help="The spec file.")]
_AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", parser=moment, metavar="TIME", help="Use data before this moment only. [default: now]"),
]
_Sample = Annotated[int | None, typer.Option("--sample", min=1, help="Only so many models, spread over the fleet.")]
_Changed = Annotated[bool, typer.Option("--changed", help="Only models whose rows or spec changed since.")]
_Since = Annotated[datetime, typer.Option("--since", parser=moment, metavar="TIME", help="The first moment replayed.")]
_Until = Annotated[
    datetime, typer.Option("--until", parser=moment, metavar="TIME", help="The moment before which the replay ends.")
]
_Url = Annotated[str | None, typer.Option("--url", help="Where the fleet answers. [default: this cluster's Serve]")]
_Cpus = Annotated[int | None, typer.Option("--cpus", min=1, help="CPUs of a local cluster. [default: all]")]
_Batch = Annotated[str, typer.Option("--batch", help="The batch's id in the ledger.")]


def up(cpus: _Cpus = None) -> None:
    """Bring Fleetward up: on the cluster this runs in, else on one of its own on this machine."""
    from jobs.up import main

    _run(main, ("--cpus", cpus))


def down() -> None:
    """Take Fleetward down; its ledger and store stay."""
    from jobs.down import main

    _run(main)


def prepare(spec: _Spec, as_of: _AsOf = None, sample: _Sample = None, as_: Principal = None) -> None:
    """Apply a spec and prepare its data: which models there are, and which there cannot be."""
    from jobs.prepare import main

    acting_as(as_)
    _run(main, ("--spec", spec), ("--as-of", as_of), ("--sample", sample))


def train(
    spec: _Spec, as_of: _AsOf = None, sample: _Sample = None, as_: Principal = None, *, changed: _Changed = False
) -> None:
    """Make a version of each of a spec's models: prepare, search, test, package, register."""
    from jobs.train import main

    acting_as(as_)
    _run(main, ("--spec", spec), ("--as-of", as_of), ("--sample", sample), ("--changed", changed or None))


def replay(spec: _Spec, since: _Since, until: _Until, url: _Url = None) -> None:
    """Replay a past as live traffic, day after day, the fleet catching up after each."""
    from jobs.replay import main

    _run(main, ("--spec", spec), ("--since", since), ("--until", until), ("--url", url))


def retrain(batch: _Batch) -> None:
    """Build the challengers of a retraining batch that the operator started."""
    from jobs.retrain import main

    _run(main, ("--batch", batch))


def _run(main: Callable[[Sequence[str]], int], *options: tuple[str, object]) -> None:
    """Runs a job's ``main`` with the options that were given, and ends as it ends."""
    given = [part for name, value in options if value is not None for part in _words(name, value)]
    with reaching():
        code = main(given)
    if code:
        raise typer.Exit(code)


def _words(name: str, value: object) -> tuple[str, ...]:
    """A switch is its name alone."""
    return (name,) if value is True else (name, _text(value))


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
