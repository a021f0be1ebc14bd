"""``fleetward doctor``: what is wrong here and on the cluster, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import output
from jobs.cli.failing import FAILED
from jobs.cli.options import Format, Output

_Whole = Annotated[bool, typer.Option("--ledger", help="Also hash every entry of the ledger again.")]
_MARKS = {"ok": "ok", "warn": "look", "fail": "BROKEN"}


def doctor(
    output_: Output = Format.TABLE,
    whole: _Whole = False,  # noqa: FBT002
) -> None:
    """Say what is wrong with this installation and its cluster, and what to do. Exits 1 where something is broken."""
    from runtime.diagnosis.installation import examine
    from runtime.diagnosis.symptoms import Health, Symptom, worst
    from runtime.local_cluster import LocalCluster, join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    with output.working("looking"):
        found: list[Symptom] = list(examine(settings, whole_ledger=whole))
        from jobs.cli.reading import is_up

        if is_up(settings):
            join(settings.home)
            from actors.diagnosis import examine_cluster

            found += examine_cluster(settings, LocalCluster.load(settings.home))
        else:
            from runtime.diagnosis.symptoms import doubtful

            found.append(doubtful("cluster", "none is up here", "run: fleetward up"))
    if output_ is Format.TABLE:
        output.table(
            ("", "what", "found", "what to do"),
            ((_MARKS[each.health.value], each.what, each.told, each.remedy) for each in found),
            wrapped=("found", "what to do"),
        )
    else:
        output.as_json([each.model_dump(mode="json") for each in found])
    if worst(found) is Health.FAIL:
        raise typer.Exit(FAILED)
