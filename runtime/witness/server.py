"""The witness's HTTP: ``POST /add-checkpoint`` (https://c2sp.org/tlog-witness), and its vkey at ``GET /``.

Nobody is authenticated but the log, by its signature on the checkpoint. The server therefore listens on loopback
unless told otherwise, and has no TLS of its own: a proxy in front has.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.domain.errors import FleetwardError, SettingsError
from runtime.ledger.note import Cosigner, Verifier
from runtime.ledger.signing import SigningKey
from runtime.witness.errors import Stale
from runtime.witness.memory import Memory
from runtime.witness.request import LARGEST_REQUEST_BYTES, SIZE_TYPE
from runtime.witness.witness import Witness

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 64
IDLE_SECONDS = 75
"""How long a connection without requests is kept: a ledger that changes each minute keeps its own."""


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """Where a witness lives. ``name`` stands in its lines; ``logs`` are the vkeys it trusts, in their names."""

    folder: Path
    name: str
    logs: tuple[Verifier, ...]
    key: Path | None = None
    host: str = LOOPBACK
    port: int = 0

    @property
    def key_path(self) -> Path:
        """The key's file, beside the memory unless it is named."""
        return self.folder / "key.pem" if self.key is None else self.key


def serve(config: WitnessConfig, ready: Callable[[str, str], None]) -> None:
    """Be a witness until SIGTERM or SIGINT. ``ready`` is told the vkey and the URL once the port is bound.

    Raises ``SettingsError`` when it trusts no log or the port cannot be had, ``KeyUnusable``, and
    ``MemoryUnusable`` (``MemoryHeld`` when another witness lives on the folder).
    """
    if not config.logs:
        raise SettingsError("log", "", "the vkey of at least one log to trust")
    memory = Memory.open(config.folder, config.key_path)
    with contextlib.closing(memory), contextlib.closing(_bound(config.host, config.port)) as listener:
        cosigner = Cosigner(SigningKey.load_or_create(config.key_path), config.name)
        witness = Witness(cosigner, config.logs, memory, lambda: datetime.now(UTC))
        host, port = listener.getsockname()[:2]
        ready(witness.verifier.vkey, f"http://{f'[{host}]' if ':' in host else host}:{port}")
        server_of(application(witness)).run(sockets=[listener])


def server_of(app: Starlette) -> uvicorn.Server:
    """The server around an application, with its limits."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=5,
        )
    )


def application(witness: Witness) -> Starlette:
    """The routes of a witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"more than {LARGEST_REQUEST_BYTES} bytes\n", 413)
        try:
            line = await run_in_threadpool(witness.add_checkpoint, body)
        except Stale as error:
            # In the headers, since Starlette would add a charset to a media type: clients compare the whole of it.
            return Response(f"{error.held_size}\n", error.status, {"content-type": SIZE_TYPE})
        except FleetwardError as error:
            return PlainTextResponse(f"{error}\n", error.status)
        return PlainTextResponse(line.line())

    async def vkey(_request: Request) -> Response:
        return PlainTextResponse(f"{witness.verifier.vkey}\n")

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"]), Route("/", vkey)])


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is larger than any request."""
    body = bytearray()
    with contextlib.suppress(ClientDisconnect):  # what came is no request and is refused as one
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_REQUEST_BYTES:
                return None
    return bytes(body)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise SettingsError("port", f"{host}:{port}", f"an address that can be bound: {error}") from error
