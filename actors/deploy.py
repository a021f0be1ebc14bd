"""Brings Fleetward up on the Ray cluster this process is connected to. Safe to repeat: what is there is kept."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import ray
from ray import serve
from ray.actor import ActorProxy

from actors.connect import dashboard_url, governor, monitor
from actors.control import control_resource
from actors.credentials import credential_of, first_admin
from actors.governor import Governor
from actors.ledger_api import begin_api, wait_for_api
from actors.monitor import Monitor
from actors.names import GOVERNOR, MONITOR, NAMESPACE, OPERATOR, monitor_name, pool_app
from actors.operator import Operator
from actors.pools import Pools, deploy_default
from actors.quiescence import ask
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.events import MonitorsSet
from runtime.domain.pools import DEFAULT
from runtime.ledger.trusted import parse_trusted
from runtime.policy.plan import OPERATOR as PRINCIPAL
from runtime.serving.authentication.credential import write_credential
from runtime.serving.jobs import JobRunner
from runtime.settings import Settings


def deploy(settings: Settings) -> str:
    """Governor, monitor, the default pool's replicas, the API and the operator; the URL they answer at.

    All is ready when this returns. The operator comes last, since it sees to pools that are there.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    made = _keep(Governor, GOVERNOR, settings, resources=control_resource())
    summary = ask(made.summary.remote)
    if settings.authentication == "required":
        _make_first_admin(settings, made)
    own_key = credential_of(PRINCIPAL, settings)
    keep_monitors(settings)
    earlier = (key.public_key_text for key in parse_trusted(settings.trusted_keys))
    begin_api(settings)
    pools = Pools.of(settings, [summary.public_key, *earlier])
    (default,) = (each for each in ask(made.pools.remote) if each.pool == DEFAULT)
    url = deploy_default(pools, (default.options or pools.usual).effective)
    wait_for_api()
    _keep(Operator, OPERATOR, _runner(settings), own_key, pools, resources=control_resource())
    return url


def is_deployed() -> bool:
    """Whether actors and the default pool's application are there."""
    try:
        for name in (GOVERNOR, MONITOR, OPERATOR):
            ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return False
    return pool_app(DEFAULT) in serve.status().applications


def remove() -> None:
    """Ends applications and actors; the ledger and the store stay."""
    _end(OPERATOR)  # first, since it would bring back what it misses
    serve.shutdown()
    end_monitors()
    _end(GOVERNOR)


def end_monitors(beyond: int = 0) -> None:
    """Ends the monitors from number ``beyond`` on; what they saved stays."""
    for name in takewhile(_is_there, map(monitor_name, count(beyond))):
        _end(name)


def keep_monitors(settings: Settings) -> bool:
    """As many monitors as the settings say; the former ones save what they know before others take it over.

    Whether there were another number of them.
    """
    own_key = credential_of(PRINCIPAL, settings)
    present = ask(governor().monitoring.remote).monitors
    if present != settings.monitors:
        draft = Draft.fresh(MonitorsSet(monitors=settings.monitors), PRINCIPAL)
        (answer,) = ask(governor().record.remote, [draft], own_key)
        if isinstance(answer, FleetwardError):
            raise answer
        size = ask(governor().size.remote)
        for number in range(present):
            if _is_there(monitor_name(number)):
                ask(monitor(number).caught_up.remote, size)
    for number in range(settings.monitors):
        _keep(Monitor, monitor_name(number), settings, own_key, number)
    end_monitors(beyond=settings.monitors)
    return present != settings.monitors


def _is_there(name: str) -> bool:
    try:
        ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return False
    return True


def _end(name: str) -> None:
    with contextlib.suppress(ValueError):
        ray.kill(ray.get_actor(name, namespace=NAMESPACE))


def _make_first_admin(settings: Settings, governor: ActorProxy[Any]) -> None:
    """Of a ledger without an admin: who brings it up becomes one, with a key in the settings' file."""
    created, key = first_admin(settings)
    answer = ask(governor.first_admin.remote, created, credential_of(PRINCIPAL, settings))
    if isinstance(answer, FleetwardError):
        raise answer
    if answer is not None:
        write_credential(settings.credential, key.text)


def _runner(settings: Settings) -> JobRunner:
    """Retraining jobs get this job's code package, if it has one, and these settings."""
    return JobRunner(
        address=dashboard_url(),
        python=sys.executable,
        working_dir=ray.get_runtime_context().runtime_env.get("working_dir"),
        environment=settings.as_environment() | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _keep(
    actor: type[Any], name: str, *arguments: Any, resources: Mapping[str, float] | None = None
) -> ActorProxy[Any]:
    """The named actor, made if it is not there: restarted for ever, and calls to it are tried again.

    It asks for no CPU, since the control plane waits more than it computes.
    """
    made: ActorProxy[Any] = (
        ray.remote(actor)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            max_task_retries=-1,
            num_cpus=0,
            resources=dict(resources or {}),
        )
        .remote(*arguments)
    )
    return made
