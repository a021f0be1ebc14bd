"""A replica without Ray: the pool, capture and HTTP application that ``actors/model_server.py`` wires, under uvicorn.

    replica.py serve FOLDER MODELS PORT     says at /memory its bytes with one model, and what the others added
    replica.py own FOLDER MODELS            bytes that the library's own estimators take

FOLDER holds ``store`` and ``models.json``, the artifacts' digests. Grants are signed and checked as anywhere.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from runtime.domain.entry import Draft  # noqa: E402
from runtime.domain.grant import Grant  # noqa: E402
from runtime.domain.ids import Digest  # noqa: E402
from runtime.domain.routes import Route, Routes, Servable  # noqa: E402
from runtime.flavors import load  # noqa: E402
from runtime.ledger.signing import SigningKey, check_grant, sign_grant  # noqa: E402
from runtime.serving.capture import Capture, CaptureLimits  # noqa: E402
from runtime.serving.http import Application, Service  # noqa: E402
from runtime.serving.pool import Pool  # noqa: E402
from runtime.storage.objects import ObjectStore  # noqa: E402


def serve(folder: Path, models: int, port: int) -> None:
    """Answer until killed."""
    import uvicorn

    home, store = folder / f"replica-{models}", ObjectStore.open(str(folder / "store"))
    home.mkdir()
    key = SigningKey.load_or_create(home / "key.pem")
    pool = _pool(key, store)
    capture = Capture("replica", home, store, _publish, principal="service:replica", limits=CaptureLimits())
    capture.start()
    digests = json.loads((folder / "models.json").read_text())[:models]
    routes = [_route(at, digest, key) for at, digest in enumerate(digests)]
    pool.apply(Routes(size=1, flush=0, routes=tuple(routes[:1])))
    base = resident()
    pool.apply(Routes(size=2, flush=0, routes=tuple(routes[1:])))
    grown = resident() - base
    service = Service(pool, capture, _now, lambda: True, "0")
    application = Application(service, _nothing)

    async def also_memory(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/memory":
            await application(scope, receive, send)
            return
        body = b"%d %d" % (base, grown)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(also_memory, host="127.0.0.1", port=port, log_level="critical", access_log=False)


def own(folder: Path, models: int) -> None:
    """What the estimators alone take: the growth of a process that loads them and keeps nothing else."""
    store = ObjectStore.open(str(folder / "store"))
    digests = json.loads((folder / "models.json").read_text())[:models]
    kept: list[Any] = [_estimator(store, digests[0])]  # the library is loaded
    before = resident()
    kept.extend(_estimator(store, digest) for digest in digests[1:])
    print(resident() - before)


def _estimator(store: ObjectStore, digest: str) -> Any:
    predictor: Any = load(store.get(digest))
    return predictor.estimator


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _pool(key: SigningKey, store: ObjectStore) -> Pool:
    def check(servable: Servable, model: str) -> None:
        grant = servable.signed.grant
        expected = {"version": grant.version, "artifact": grant.artifact, "environment": "prod", "pool": "default"}
        check_grant(servable.signed, key.public_key_text, model=model, now=_now(), **expected)  # type: ignore[arg-type]

    return Pool("replica", check=check, fetch=store.get, load=load, on_refused=_refused, clock=_now)


def _route(at: int, digest: str, key: SigningKey) -> Route:
    artifact, now = Digest(digest), _now()
    grant = Grant(
        grant_id=f"grant-{at}",
        model=name(at),
        version=1,
        artifact=artifact,
        package=artifact,
        environment="prod",
        pool="default",
        policy=artifact,
        valid_from=now - timedelta(hours=1),
        valid_until=now + timedelta(days=1),
    )
    return Route(model=name(at), champion=Servable(signed=sign_grant(grant, key), schema=_schema()))


def name(at: int) -> str:
    """Of a model."""
    return f"model-{at:04}"


def _schema() -> Any:
    from benchmarks.pool import SCHEMA

    return SCHEMA


def _refused(event: Any) -> None:
    raise SystemExit(f"{event.model} was refused: {event.reason}")


def _publish(_: Sequence[Draft]) -> None:
    """No governor: segments stay in the store."""


async def _nothing() -> None:
    pass


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    step, where, count, *more = sys.argv[1:]
    if step == "serve":
        serve(Path(where), int(count), int(more[0]))
    else:
        own(Path(where), int(count))
