"""What the ledger can show to somebody who does not trust it: its signed head, and that an entry stands under it."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.cli import output, reading
from jobs.cli.failing import CommandFailed
from jobs.cli.options import Database, Format, Offline, Output

_Seq = Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The entry's number, from 0.")]
_Size = Annotated[
    int | None, typer.Option("--size", min=1, help="Prove it for the ledger of this size. [default: newest checkpoint]")
]


def checkpoint(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Print the newest checkpoint: the ledger's size and root, signed (a C2SP signed note).

    Whoever keeps it can tell later whether the ledger was changed.
    """
    with reading.proving(offline=offline, database=database) as prover:
        published = prover.checkpoint()
    if published is None:
        raise CommandFailed("no checkpoint of this ledger was published yet")
    if output_ is Format.JSON:
        output.as_json(published.as_document())
    else:
        output.lines(published.note.splitlines())


def key(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Print the public key under which checkpoints are signed (a C2SP vkey), for verifiers and witnesses.

    Offline it is what the ledger says of itself: hand out the one you took from a governor that you trust.
    """
    with reading.proving(offline=offline, database=database) as prover:
        vkey = prover.vkey()
    if output_ is Format.JSON:
        output.as_json({"vkey": vkey})
    else:
        output.lines([vkey])


def outsiders(output_: Output = Format.TABLE) -> None:
    """List witnesses and anchor, and the size up to which each makes a rewrite show."""
    from jobs.cli.governed import Governed
    from runtime.settings import Settings

    found = Governed.connected(Settings.from_environment()).outsiders()
    if output_ is Format.JSON:
        output.as_json([outsider.as_document() for outsider in found])
    else:
        output.table(
            ("who", "holds entries", "failure", "contradiction"),
            [(one.name, one.handed, one.failure, one.contradiction) for one in found],
        )


def prove(
    seq: _Seq,
    size: _Size = None,
    output_: Output = Format.JSON,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Prove that an entry stands in the ledger: its leaf, the path to the root, and the signed checkpoint."""
    with reading.proving(offline=offline, database=database) as prover:
        if size is None:
            prover.checkpoint()  # a governor publishes one that covers the entry
        proof = prover.inclusion_proof(seq, size)
        (entry,) = prover.entries(seq, 1)
    if proof.checkpoint is None:
        output.note(f"no checkpoint of {proof.size} entries was published: nobody signed the root of this proof")
    document = {**proof.as_document(), "leaf": entry.leaf().decode()}
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields((name.replace("_", " "), _shown(value)) for name, value in document.items())


def _shown(value: object) -> str:
    """Hashes one below the other; numbers are names here, not amounts."""
    return "\n".join(value) if isinstance(value, list) else str(value)
