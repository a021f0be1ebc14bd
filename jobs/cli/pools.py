"""Commands about pools: what their replicas get, and how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import recorded
from jobs.cli.options import Database, Format, Offline, Output, Past, Principal
from jobs.cli.reading import reading

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.pools import PoolConfigured
    from runtime.policy.pools import PoolView

_Pool = Annotated[str, typer.Argument(metavar="POOL", help="The pool's name, such as default.")]
_Replicas = Annotated[str | None, typer.Option("--replicas", metavar="N|N-M", help="How many, or a range.")]
_Cpus = Annotated[float | None, typer.Option("--cpus", help="CPUs reserved for each replica, such as 0.5.")]
_Gpus = Annotated[float | None, typer.Option("--gpus", help="GPUs for each replica, whole ones or a part of one.")]
_Memory = Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="Reserved for each, such as 2GiB.")]
_Ongoing = Annotated[float | None, typer.Option("--target-ongoing", help="Requests in hand a replica should have.")]
_Up = Annotated[str | None, typer.Option("--upscale-delay", metavar="TIME", help="So long more bring another.")]
_Down = Annotated[str | None, typer.Option("--downscale-delay", metavar="TIME", help="So long fewer take one away.")]


def pool(  # noqa: PLR0913, PLR0917 - each is an option of its own
    name: _Pool,
    replicas: _Replicas = None,
    cpus: _Cpus = None,
    gpus: _Gpus = None,
    memory: _Memory = None,
    target_ongoing: _Ongoing = None,
    upscale_delay: _Up = None,
    downscale_delay: _Down = None,
    as_: Principal = None,
) -> None:
    """Set what the replicas of a shared pool get; what is not named stays as it is."""
    given = {
        "replicas": replicas,
        "cpus": cpus,
        "gpus": gpus,
        "memory": memory,
        "target_ongoing": target_ongoing,
        "upscale_delay": upscale_delay,
        "downscale_delay": downscale_delay,
    }
    changes = {option: value for option, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter("nothing to set; expected at least one option, such as --replicas 1-4")
    recorded(lambda governed: _configured(governed, name, changes), as_)


def _configured(governed: Governed, name: str, changes: dict[str, Any]) -> PoolConfigured:
    """The pool's options with these changes. Raises ``BadParameter`` for options that make no sense."""
    from pydantic import ValidationError

    from runtime.domain.pools import PoolConfigured
    from runtime.settings import Settings

    said = next((each.options for each in governed.pools() if each.pool == name), None)
    present = {"replicas": Settings.from_environment().replicas} if said is None else said.as_document()
    try:
        return PoolConfigured.model_validate({"pool": name, "options": present | changes})
    except ValidationError as error:
        problem = error.errors()[0]
        at = next((option for option in (*problem["loc"], problem.get("ctx", {}).get("at")) if option in changes), None)
        what = f"POOL {name}" if at is None else f"--{at} {changes[at]}".replace("_", "-")
        raise typer.BadParameter(f"{what}: {problem['msg']}") from error


def pools(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
    as_of: Past = None,
) -> None:
    """List pools: where they answer, for how many models, and what their replicas get."""
    with reading(offline=offline, database=database, as_of=as_of) as reader:
        found = reader.pools()
        running = _running() if reader.source == "governor" else {}
    lines = [_line(view, running.get(view.pool)) for view in found]
    if output_ is Format.JSON:
        output.as_json(lines)
        return
    output.table(
        ("pool", "answers at", "models", "replicas", "run now", "each with"),
        (
            (each["pool"], each["prefix"], each["models"], *_said(view, each))
            for view, each in zip(found, lines, strict=True)
        ),
        right=("models", "run now"),
    )


def _running() -> dict[str, int]:
    from actors.pools import running

    return running()


def _line(view: PoolView, running: int | None) -> dict[str, Any]:
    from runtime.domain.pools import prefix_of

    options = None if view.options is None else view.options.as_document()
    return {
        "pool": view.pool,
        "prefix": prefix_of(view.pool),
        "models": view.models,
        "options": options,
        "running": running,
    }


def _said(view: PoolView, line: dict[str, Any]) -> tuple[str, str, str]:
    running = "-" if line["running"] is None else str(line["running"])
    options = view.options
    if options is None:
        return "as set up", running, "as set up"
    parts = [f"{options.cpus:g} CPU"]
    parts += [f"{options.gpus:g} GPU"] * bool(options.gpus)
    parts += [f"{options.memory / 2**20:.0f} MiB"] * bool(options.memory)
    return str(options.replicas), running, ", ".join(parts)
