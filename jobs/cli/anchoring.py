"""``fleetward anchors``: what an object store with object lock still holds of a ledger, for an auditor."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.options import Format, Output

if TYPE_CHECKING:
    from runtime.witness.reading import AnchorReading

_Url = Annotated[str, typer.Argument(metavar="URL", help="Where the anchors are: s3://bucket/prefix.")]
_Key = Annotated[str, typer.Option("--key", metavar="VKEY", help="The ledger's public key.")]
_Profile = Annotated[str | None, typer.Option("--profile", help="An AWS profile. [default: the environment's]")]
_Endpoint = Annotated[str | None, typer.Option("--endpoint-url", metavar="URL", help="A store other than AWS.")]
_Save = Annotated[
    Path | None,
    typer.Option("--save", file_okay=False, help="Write each locked checkpoint there, for verify --since."),
]


def anchors(
    url: _Url,
    key: _Key,
    profile: _Profile = None,
    endpoint_url: _Endpoint = None,
    save: _Save = None,
    output_: Output = Format.TABLE,
) -> None:
    """List every version of every anchored checkpoint, hidden ones too, and fail if they tell two histories."""
    from runtime.ledger.note import Verifier
    from runtime.witness.anchor import Anchor
    from runtime.witness.reading import read_anchor, require_one_history

    log, now = Verifier.parse(key), datetime.now(UTC)
    anchor = Anchor.connect(url, profile=profile, endpoint=endpoint_url)
    with output.working("reading anchors"):
        readings = [read_anchor(found, log, now) for found in anchor.anchored()]
    if save is not None:
        _save(save, readings)
    if output_ is Format.JSON:
        output.as_json([_document(reading) for reading in readings])
    else:
        _table(readings)
    require_one_history(anchor.place, readings)


def _save(folder: Path, readings: list[AnchorReading]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for reading in readings:
        if reading.fault is None:
            (folder / reading.anchored.name.rpartition("/")[2]).write_bytes(reading.anchored.note)


def _document(reading: AnchorReading) -> dict[str, Any]:
    from runtime.domain.base import rfc3339

    anchored, checkpoint = reading.anchored, reading.checkpoint
    return {
        "name": anchored.name,
        "version": anchored.version,
        "size": checkpoint and checkpoint.size,
        "root": checkpoint and checkpoint.root.hex(),
        "put_at": rfc3339(anchored.put_at),
        "locked_until": anchored.locked_until and rfc3339(anchored.locked_until),
        "fault": reading.fault,
    }


def _table(readings: list[AnchorReading]) -> None:
    rows = [
        (
            reading.anchored.name,
            reading.fault or "good",
            reading.checkpoint and reading.checkpoint.root.hex()[:16],
            output.moment(reading.anchored.put_at),
            output.moment(reading.anchored.locked_until),
        )
        for reading in readings
    ]
    output.table(("name", "result", "root", "put at", "locked until"), rows, wrapped=("result",))
