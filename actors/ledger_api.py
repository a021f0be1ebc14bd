"""The Serve deployment behind ``/api``, in a process of its own: the ledger for those who follow it, the control API.

    v1/ledger/...     checkpoints, proofs, tiles, entries as they were hashed
    v1/...            the control API: what is so, and commands
    console/...       the web console, over both

Not in the model servers, since a follower that reads a million entries must not slow predictions, and their nodes
need no way to the database. It runs where the control plane does, since a SQLite ledger lies there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from ray import serve
from ray.serve import Application, RunTarget
from ray.serve.schema import ApplicationStatus

from actors.commanding import GovernorCommands
from actors.control import control_resource
from actors.front import start_front
from actors.names import API
from actors.own_port import keep_own_port_to_host
from runtime.control.admission import Admission
from runtime.control.asking import Control
from runtime.control.feed import MOST_WATCHERS, Feed
from runtime.control.standing import Standing
from runtime.control.wanted import Acting
from runtime.domain.errors import SettingsError
from runtime.serving.authentication.checking import Checking
from runtime.serving.ledger_api import Ledger
from runtime.settings import Settings

PREFIX = "/api"
READY_WITHIN = timedelta(seconds=120)
_ASK_SECONDS = 0.1


class LedgerApi:
    """One replica. It is ready at once: a ledger that is away is told to whoever asks."""

    def __init__(self, database: str, checking: Checking, replicas: int, store: str, *, is_tls: bool) -> None:
        from runtime.control.records import Records  # every driver imports this module; what reads the store, only this
        from runtime.control.whole import whole

        keep_own_port_to_host()
        ledger = Ledger(database)
        standing = Standing(ledger.opened)
        acting = Acting(GovernorCommands(), checking.new_key, replicas)
        control = Control(standing, Admission(checking.gate(), standing), acting, Feed(standing))
        threading.Thread(target=standing.warm, name="standing", daemon=True).start()
        self._application = whole(ledger, checking.gate(), control, Records(ledger.opened, store), is_tls=is_tls)

    def __serve_build_asgi_app__(self) -> Callable[..., Awaitable[None]]:
        """What Serve mounts, asked for after the constructor."""
        return self._application


def api_app(settings: Settings) -> Application:
    """The Serve application."""
    deploy = serve.deployment(
        name="LedgerApi",
        num_replicas=1,
        max_ongoing_requests=MOST_WATCHERS + 64,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=5.0,
        ray_actor_options={"num_cpus": 0, "resources": control_resource()},
        logging_config={"enable_access_log": False},
    )
    bound: Application = deploy(serve.ingress()(LedgerApi)).bind(
        settings.database,
        Checking.of(settings),
        settings.replicas,
        settings.store,
        is_tls=bool(settings.tls_certificate),
    )
    return bound


def begin_api(settings: Settings) -> None:
    """Have the application started beside whatever else starts. Safe to repeat."""
    start_front(settings)
    target = RunTarget(api_app(settings), API, PREFIX)
    waiting: dict[str, Any] = {
        "wait_for_ingress_deployment_creation": False,
        "wait_for_applications_running": False,
    }
    serve.run_many([target], **waiting)


def wait_for_api() -> None:
    """Returns when it answers. Raises ``SettingsError`` when it does not start."""
    ends = time.monotonic() + READY_WITHIN.total_seconds()
    while True:
        found = serve.status().applications[API]
        if found.status is ApplicationStatus.RUNNING:
            return
        if found.status is ApplicationStatus.DEPLOY_FAILED or time.monotonic() > ends:
            raise SettingsError("cluster", API, f"its application to run; it is {found.status.value}: {found.message}")
        time.sleep(_ASK_SECONDS)
