"""Brings Fleetward up on the Ray cluster this process is connected to. Safe to repeat: what is there is kept."""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray.actor import ActorProxy

from actors.governor import Governor
from actors.model_server import deploy_pool
from actors.monitor import Monitor
from actors.names import GOVERNOR, MONITOR, NAMESPACE, OPERATOR
from actors.operator import Operator
from runtime.serving.jobs import JobRunner
from runtime.settings import Settings

_RESOURCES = {"num_cpus": 0}
"""The control plane waits more than it computes; what it runs on is reserved by the node, not by CPU counts."""


def deploy(settings: Settings, dashboard: str, environment: dict[str, str], pool: str = "default") -> None:
    """Governor, monitor, operator, and the pool's replicas, ready to answer when this returns."""
    governor = _keep(Governor, GOVERNOR, settings)
    summary = ray.get(governor.summary.remote())
    _keep(Monitor, MONITOR, settings)
    _keep(Operator, OPERATOR, _runner(settings, dashboard, environment))
    deploy_pool(settings, pool=pool, public_key=summary.public_key)


def _runner(settings: Settings, dashboard: str, environment: dict[str, str]) -> JobRunner:
    working_dir = ray.get_runtime_context().runtime_env.get("working_dir")
    return JobRunner(
        address=dashboard,
        python=sys.executable,
        working_dir=working_dir,
        environment=environment | settings.as_environment(),
    )


def _keep(actor: type[Any], name: str, *arguments: Any) -> ActorProxy[Any]:
    """The named actor, made if it is not there. Restarted for ever, and calls to it are tried again."""
    made: ActorProxy[Any] = (
        ray.remote(actor)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=-1,
            **_RESOURCES,
        )
        .remote(*arguments)
    )
    return made
