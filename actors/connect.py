"""How a driver reaches a running Fleetward: the cluster that its home folder names, and the actors by name."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.actor import ActorProxy

from actors.names import GOVERNOR, NAMESPACE, OPERATOR, monitor_name
from runtime.domain.errors import SettingsError
from runtime.local_cluster import LocalCluster
from runtime.settings import Settings

if TYPE_CHECKING:  # a caller needs their names, not their code: numba alone takes a second to import
    from actors.governor import Governor
    from actors.monitor import Monitor
    from actors.operator import Operator


def connect() -> None:
    """Connects this process to the cluster that ``runtime.local_cluster.join`` made it a member of."""
    if not ray.is_initialized():
        ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)


def dashboard_url() -> str:
    """Where the connected cluster takes jobs."""
    context = ray.init(address="auto", namespace=NAMESPACE, ignore_reinit_error=True, logging_level=logging.ERROR)
    return f"http://{context.dashboard_url}"


def serve_url(settings: Settings) -> str:
    """Where the fleet answers: the local cluster's Serve, else the address in the environment."""
    cluster = LocalCluster.load(settings.home)
    host, port = os.environ.get("FLEETWARD_SERVE_HOST", "127.0.0.1"), os.environ.get("FLEETWARD_SERVE_PORT", "8000")
    url = f"http://{host}:{port}" if cluster is None else cluster.serve_url
    return url.replace("http:", "https:", 1) if settings.tls_certificate else url


def governor() -> ActorProxy[Governor]:
    """The governor. Raises ``SettingsError`` when Fleetward is not up on this cluster."""
    return _actor(GOVERNOR)


def monitor(monitor: int = 0) -> ActorProxy[Monitor]:
    """One of the monitors, from 0."""
    return _actor(monitor_name(monitor))


def operator() -> ActorProxy[Operator]:
    """The operator."""
    return _actor(OPERATOR)


def _actor(name: str) -> ActorProxy:  # type: ignore[type-arg]  # narrowed by the callers
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError as error:
        raise SettingsError(
            "cluster", str(Path.cwd()), f"an actor named {name!r}; is Fleetward up? run: fleetward up"
        ) from error
