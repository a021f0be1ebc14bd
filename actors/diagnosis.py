"""What is wrong with a cluster that is up: its actors, its applications, what answers, and what listens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil
import ray
from ray.exceptions import RayError
from ray.serve.schema import ApplicationStatus
from ray.util.state import list_nodes

from actors.connect import connect, serve_url
from actors.names import GOVERNOR, NAMESPACE, OPERATOR, monitor_name
from actors.pools import applications
from runtime.diagnosis.symptoms import Symptom, broken, doubtful, examined, fine
from runtime.local_cluster import LocalCluster
from runtime.local_cluster.processes import members_of
from runtime.settings import Settings

PATIENCE_S = 10.0
_LOOPBACK = ("127.", "::1", "::ffff:127.")
BEHIND = 10_000
"""Entries that a monitor may be behind the ledger before somebody should know."""


def examine_cluster(settings: Settings, local: LocalCluster | None) -> Iterator[Symptom]:
    """All checks of the cluster that this process was made a member of."""
    yield from examined("cluster", _joined, "run: fleetward up")
    if not ray.is_initialized():
        return
    for check in (_nodes, lambda: _actors(settings), _applications_of, lambda: _http(settings)):
        yield from examined("cluster", check, "see the dashboard and its logs")
    if local is not None:
        yield from examined("ports", lambda: _ports(local), "see what listens: ss -ltnp")


def _joined() -> Iterator[Symptom]:
    try:
        connect()
    except (RayError, ConnectionError, RuntimeError) as error:
        yield broken("cluster", f"it does not take this process in: {error}", "are Ray's versions and tokens alike?")
        return
    yield fine("cluster", f"{ray.get_runtime_context().gcs_address}, Ray {version('ray')}")


def _nodes() -> Iterator[Symptom]:
    nodes = list_nodes(limit=10_000)
    alive = sum(node.state == "ALIVE" for node in nodes)
    if alive < len(nodes):
        yield doubtful(
            "machines",
            f"{len(nodes) - alive} of {len(nodes)} died since the cluster began",
            "nothing, if they were meant to go",
        )
    else:
        yield fine("machines", f"{alive} up")


def _actors(settings: Settings) -> Iterator[Symptom]:
    """Whether each actor answers, and how far the monitors are behind."""
    governor = _asked(GOVERNOR, "size")
    if isinstance(governor, int):
        yield fine("governor", f"answers; {governor:,} entries")
    else:
        yield broken(
            "governor", str(governor), "no change is recorded and predictions go on; see its log in the dashboard"
        )
    operator = _asked(OPERATOR, "__ray_ready__")
    if operator is True:
        yield fine("operator", "answers")
    else:
        yield broken("operator", str(operator), "no rollout or retraining goes on; run: fleetward up")
    for number in range(settings.monitors):
        name = monitor_name(number)
        standing = _asked(name, "standing")
        if isinstance(standing, str):
            yield broken(name, standing, "nothing is watched; run: fleetward up")
        elif standing.lag > BEHIND:
            yield doubtful(
                name, f"{standing.lag:,} entries behind", "share the fleet: FLEETWARD_MONITORS, then fleetward up"
            )
        else:
            yield fine(name, f"answers; {standing.models} models, {standing.lag:,} entries behind")


def _asked(actor: str, method: str) -> Any:
    """What it answers; a sentence when it does not."""
    try:
        handle = ray.get_actor(actor, namespace=NAMESPACE)
    except ValueError:
        return "there is none"
    try:
        return ray.get(getattr(handle, method).remote(), timeout=PATIENCE_S)
    except RayError as error:
        return f"does not answer within {PATIENCE_S:.0f} s ({type(error).__name__})"


def _applications_of() -> Iterator[Symptom]:
    found = applications()
    if not found:
        yield broken("applications", "Serve has none", "run: fleetward up")
    for name, details in found.items():
        status = ApplicationStatus(details["status"])
        if status is ApplicationStatus.RUNNING:
            yield fine(f"application {name}", "running")
        elif status is ApplicationStatus.DEPLOYING:
            yield doubtful(f"application {name}", "starting", "wait; are there CPUs for its replicas? see: ray status")
        else:
            yield broken(f"application {name}", f"{status.value}: {details['message'][:300]}", "see its replicas' logs")


def _http(settings: Settings) -> Iterator[Symptom]:
    url = f"{serve_url(settings)}/v2/health/ready"
    try:
        answered = httpx.get(url, timeout=PATIENCE_S, verify=False).status_code  # noqa: S501 whether it is up, not who
    except httpx.HTTPError as error:
        yield broken("requests", f"{url}: {error}", "is Serve's proxy up? see: serve status")
        return
    if answered == httpx.codes.OK:
        yield fine("requests", f"{url} answers")
    else:
        yield doubtful(
            "requests", f"{url} says {answered}", "replicas load their versions; if it stays so, see: fleetward models"
        )


def _ports(local: LocalCluster) -> Iterator[Symptom]:
    """A local cluster promises that nobody beyond this machine reaches it."""
    reached = open_ports(local)
    if reached:
        yield broken("ports", f"reached from elsewhere: {', '.join(reached)}", "stop it: fleetward down")
    else:
        yield fine("ports", "everything listens on loopback only")


def open_ports(local: LocalCluster) -> list[str]:
    """Where processes of a local cluster listen that others than this machine reach."""
    found = set()
    for pid in members_of(Path(local.temp_dir)):
        with contextlib.suppress(psutil.Error):
            for each in psutil.Process(pid).net_connections():
                if each.status == psutil.CONN_LISTEN and not each.laddr.ip.startswith(_LOOPBACK):
                    found.add(f"{each.laddr.ip}:{each.laddr.port}")
    return sorted(found)
