"""A witness: a process that cosigns the ledgers of others, run where their administrators have no hands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from runtime.ledger.note import Verifier

_State = Annotated[
    Path, typer.Option("--state", file_okay=False, help="Its folder, and its alone: what it cosigned. Never lose it.")
]
_Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What its lines are signed with: witness.example.")]
_Log = Annotated[
    list[str],
    typer.Option("--log", metavar="VKEY", help="A log to trust: name+hash+key. May be given again, for each key."),
]
_Key = Annotated[
    Path | None,
    typer.Option("--key", dir_okay=False, help="Its key, mode 0600, made if missing. [default: key.pem in --state]"),
]
_Host = Annotated[str, typer.Option("--host", help="The address to listen on. Beyond loopback, put TLS in front.")]
_Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 takes a free one.")]


def witness(
    state: _State, name: _Name, log: _Log, key: _Key = None, host: _Host = "127.0.0.1", port: _Port = 8650
) -> None:
    """Be a witness (C2SP tlog-witness): cosign the checkpoints of other ledgers as long as each extends its last.

    Prints its own vkey, which verifiers take as --witness-key, and its URL, which the ledger submits to.
    """
    from runtime.witness.server import WitnessConfig, serve

    def ready(vkey: str, url: str) -> None:
        print(f"witness {vkey}\nlistening on {url}", flush=True)

    serve(WitnessConfig(state.resolve(), name, tuple(map(_trusted, log)), key and key.resolve(), host, port), ready)


def _trusted(vkey: str) -> Verifier:
    from runtime.ledger.errors import KeyUnusable
    from runtime.ledger.note import Verifier

    try:
        return Verifier.parse(vkey)
    except KeyUnusable as error:
        raise typer.BadParameter(str(error), param_hint="--log") from error
