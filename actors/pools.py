"""A pool as a Serve application: what its replicas are told, and how they are brought up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ray import serve
from ray.serve import Application

from actors.front import start_front
from actors.model_server import ModelServer, ServerOptions
from actors.names import pool_app
from runtime.serving.authentication.checking import Checking
from runtime.settings import Settings
from runtime.storage.keyring import Keyring

_REPLICA_CPUS = 0.1
"""What a replica reserves, so that training finds its CPUs; what it uses is bounded by its one event loop."""


def model_server_app(options: ServerOptions, replicas: int) -> Application:
    """The Serve application of a pool."""
    deploy = serve.deployment(
        name="ModelServer",
        num_replicas=replicas,
        max_ongoing_requests=100,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=5.0,
        health_check_period_s=2.0,
        ray_actor_options={"num_cpus": _REPLICA_CPUS},
        logging_config={"enable_access_log": False},
    )
    application: Application = deploy(serve.ingress()(ModelServer)).bind(options)
    return application


def deploy_pool(settings: Settings, *, pool: str, public_keys: Sequence[str]) -> str:
    """The pool's replicas, ready when this returns; where they are reached. Safe to repeat."""
    url = start_front(settings)
    options = ServerOptions(
        pool=pool,
        public_keys=tuple(public_keys),
        store=settings.store,
        wal=str(settings.wal),
        seal_seconds=settings.seal_seconds,
        pool_bytes=settings.pool_bytes,
        subjects=str(settings.subjects),
        keyring=Keyring.create(settings.subjects, lambda: datetime.now(UTC)).id,
        checking=Checking.of(settings),
    )
    serve.run(model_server_app(options, settings.replicas), name=pool_app(pool), route_prefix="/")
    return url
