"""What the ledger can show to somebody who does not trust it: its signed head, and that an entry stands under it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output, publishing, reading
from jobs.cli.failing import CommandFailed
from jobs.cli.options import Database, Format, Offline, Output
from jobs.cli.verifying import Keyring, Witnesses, keys_of, read_file

if TYPE_CHECKING:
    from runtime.ledger.proofs import ConsistencyProof, InclusionProof

_Seq = Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The entry's number, from 0.")]
_Size = Annotated[
    int | None, typer.Option("--size", min=1, help="Prove it for the ledger of this size. [default: newest checkpoint]")
]
_OldSize = Annotated[int, typer.Argument(metavar="FROM", min=0, help="The older size, such as a checkpoint names it.")]
_NewSize = Annotated[
    int | None, typer.Argument(metavar="[TO]", min=0, help="The newer size. [default: the newest checkpoint]")
]
_File = Annotated[str, typer.Argument(metavar="FILE", help="A proof as JSON; - reads it from stdin.")]
_Since = Annotated[
    Path | None,
    typer.Option("--since", metavar="FILE", help="A checkpoint kept from before: the proof's older tree."),
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


def outsiders(
    output_: Output = Format.TABLE,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """List witnesses and anchor, and the size up to which each makes a rewrite show."""
    with reading.proving(offline=offline, database=database) as prover:
        found = prover.publication()
    if output_ is Format.JSON:
        output.as_json(publishing.document(found, datetime.now(UTC)))
    else:
        output.table(
            ("who", "holds entries", "behind", "failure"),
            publishing.rows(found),
            right=("holds entries", "behind"),
            wrapped=("failure",),
        )
    publishing.raise_alarms(found)


def consistency(
    old_size: _OldSize,
    size: _NewSize = None,
    output_: Output = Format.JSON,
    offline: Offline = False,  # noqa: FBT002
    database: Database = None,
) -> None:
    """Prove that the ledger only grew from one size to another: both roots, the path, and the signed checkpoint."""
    with reading.proving(offline=offline, database=database) as prover:
        if size is None:
            prover.checkpoint()  # a governor publishes one
        proof = prover.consistency_proof(old_size, size)
    _say_unsigned(proof)
    _show(proof.as_document(), output_)


def check(
    file: _File,
    key: Keyring,
    witness_key: Witnesses = None,
    since: _Since = None,
    output_: Output = Format.TABLE,
) -> None:
    """Check a proof that ``prove``, ``consistency`` or the API gave, offline, with public keys alone."""
    from dataclasses import asdict

    from runtime.proof.verify_proof import verify_proof

    content = sys.stdin.buffer.read() if file == "-" else read_file(Path(file))
    kept = None if since is None else read_file(since)
    checked = asdict(verify_proof(content, keys_of(key, witness_key), since=kept))
    _show({"result": "good", **{name: value for name, value in checked.items() if value is not None}}, output_)


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
    _say_unsigned(proof)
    _show({**proof.as_document(), "leaf": entry.leaf().decode()}, output_)


def _say_unsigned(proof: InclusionProof | ConsistencyProof) -> None:
    if proof.checkpoint is None:
        output.note(f"no checkpoint of {proof.size} entries was published: nobody signed the root of this proof")


def _show(document: dict[str, Any], output_: Format) -> None:
    if output_ is Format.JSON:
        output.as_json(document)
    else:
        output.fields((name.replace("_", " "), _shown(value)) for name, value in document.items())


def _shown(value: object) -> str:
    """Hashes one below the other; numbers are names here, not amounts."""
    return "\n".join(value) if isinstance(value, list) else str(value)
