"""The ledger over HTTP, for those who do not trust it: a plain ASGI application over its database. Knows no Ray.

    GET  v1/ledger/checkpoint                      the newest signed note (C2SP tlog-checkpoint), text/plain
    GET  v1/ledger/entries/{seq}                   an entry, its leaf as it was hashed, and the hash
    GET  v1/ledger/proof/inclusion?seq=[&size=]    by default for the newest checkpoint that covers it
    GET  v1/ledger/proof/consistency?from=[&to=]   by default to the newest checkpoint
    GET  v1/ledger/tile/<L>/<N>[.p/<W>]            C2SP tlog-tiles; also tile/entries/...

It reads and never writes, and asks no governor: what is committed is answered while the governor is away, and a
follower that reads all of it slows nobody's writing. The newest checkpoint is the one that was published last.
Every error is a problem document with an ``error`` beside. Where callers are authenticated, what shows an entry's
content is for auditors (``ledger_readers``).
"""

from __future__ import annotations

import logging
import threading

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.domain.errors import FleetwardError, RequestError
from runtime.ledger.database import Database
from runtime.ledger.errors import NothingPublished
from runtime.ledger.following import Following, TileName
from runtime.ledger.log import LOCK_TIMEOUT
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.proofs import Proofs
from runtime.serving.authentication.gate import Gate
from runtime.serving.ledger_readers import Readers
from runtime.serving.protocols.problem import MEDIA_TYPE, problem, problem_of

PREFIX = "/v1/ledger"
LARGEST_NUMBER = 2**63 - 1
_FOR_EVER = "max-age=31536000, immutable"
_FRESH = "no-cache"

_log = logging.getLogger(__name__)


class Ledger:
    """A ledger's database, opened for reading when it is first asked: there may be none yet."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = threading.Lock()
        self._database: Database | None = None

    def opened(self) -> Database:
        """Raises ``LedgerUnavailable`` where there is no ledger now; the next call tries again."""
        with self._opening:
            if self._database is None:
                self._database = Database.open_for_reading(self._url, LOCK_TIMEOUT)
            return self._database

    def close(self) -> None:
        """Close all connections."""
        with self._opening:
            if self._database is not None:
                self._database.close()
                self._database = None


def application(ledger: Ledger, gate: Gate) -> Starlette:
    """The routes, to be mounted at ``/api``."""
    readers = Readers(gate, ledger.opened)

    async def checkpoint(_request: Request) -> Response:
        note = await run_in_threadpool(_checkpoint, ledger)
        return Response(note, media_type="text/plain; charset=utf-8", headers={"cache-control": _FRESH})

    async def entry(request: Request) -> Response:
        await readers.admit(dict(request.scope["headers"]))
        seq = _number("path", "seq", request.path_params["seq"])
        return _json(await run_in_threadpool(_entry, ledger, seq))

    async def inclusion(request: Request) -> Response:
        await readers.admit(dict(request.scope["headers"]))
        asked = _asked(request, required={"seq"}, optional={"size"})
        return _json(await run_in_threadpool(_inclusion, ledger, asked["seq"], asked.get("size")))

    async def consistency(request: Request) -> Response:
        asked = _asked(request, required={"from"}, optional={"to"})
        proof = await run_in_threadpool(lambda: Proofs(ledger.opened()).consistency(asked["from"], asked.get("to")))
        return _json(proof.as_document())

    async def tile(request: Request) -> Response:
        name = TileName.parse(f"tile/{request.path_params['tile']}")
        if name.shows_entries:
            await readers.admit(dict(request.scope["headers"]))
        content = await run_in_threadpool(lambda: Following(ledger.opened()).tile(name))
        kept = {"cache-control": _FOR_EVER if name.is_full else _FRESH}
        return Response(content, media_type="application/octet-stream", headers=kept)

    return Starlette(
        routes=[
            Route(f"{PREFIX}/checkpoint", checkpoint),
            Route(f"{PREFIX}/entries/{{seq}}", entry),
            Route(f"{PREFIX}/proof/inclusion", inclusion),
            Route(f"{PREFIX}/proof/consistency", consistency),
            Route(f"{PREFIX}/tile/{{tile:path}}", tile),
        ],
        exception_handlers={FleetwardError: _refused, HTTPException: _unanswered, Exception: _failed},
    )


def _checkpoint(ledger: Ledger) -> str:
    published = Proofs(ledger.opened()).checkpoint()
    if published is None:
        raise NothingPublished
    return published.note


def _entry(ledger: Ledger, seq: int) -> object:
    found = Following(ledger.opened()).entry(seq)
    leaf = found.leaf()
    return {"seq": seq, "leaf_hash": leaf_hash(leaf).hex(), "leaf": leaf.decode(), "entry": orjson.loads(leaf)}


def _inclusion(ledger: Ledger, seq: int, size: int | None) -> object:
    """The proof with the leaf beside: the same document that ``fleetward ledger prove`` prints."""
    database = ledger.opened()
    proof = Proofs(database).inclusion(seq, size)
    return {**proof.as_document(), "leaf": Following(database).entry(seq).leaf().decode()}


def _asked(request: Request, *, required: set[str], optional: set[str]) -> dict[str, int]:
    """The numbers of the query. Raises ``RequestError`` on a missing, a repeated or an unknown one."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    for name in names:
        if name not in required | optional:
            raise RequestError("query", f"{name[:40]!r}", ", ".join(sorted(required | optional)))
        if names.count(name) > 1:
            raise RequestError("query", f"{name} {names.count(name)} times", "once")
    for name in sorted(required - set(names)):
        raise RequestError("query", f"no {name}", f"{name}=NUMBER")
    return {name: _number("query", name, value) for name, value in given}


def _number(where: str, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST_NUMBER):
        raise RequestError(f"{where} {name}", repr(text[:40]), "a number from 0")
    return int(text)


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, FleetwardError):
        raise error
    headers = {name.decode(): value.decode() for name, value in getattr(error, "headers", ())}
    return Response(problem_of(error), error.status, headers, MEDIA_TYPE)


async def _unanswered(request: Request, error: Exception) -> Response:
    """No such route (404), or another method than GET (405)."""
    if not isinstance(error, HTTPException):
        raise error
    detail = f"nothing is at {request.method} {request.url.path}"
    return Response(problem(error.status_code, detail), error.status_code, error.headers, MEDIA_TYPE)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(problem(500, "an error of the server; its log has it"), 500, media_type=MEDIA_TYPE)
