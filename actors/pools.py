"""Pools as Serve applications: what their replicas are told, how they are brought up, changed and ended.

Serve restarts running replicas when an application's code version is another one, and draws a random version for each
deployment that names none. Here the version names what replicas are told when they start, so that other numbers of
replicas and another prefix change nothing of those that run.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application as ServeApplication
from ray.serve import RunTarget
from ray.serve.config import AutoscalingConfig
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from actors.front import start_front
from actors.model_server import ModelServer, ServerOptions
from actors.names import pool_app
from runtime.domain.ids import digest_of
from runtime.domain.pools import DEFAULT, PoolOptions, Replicas, prefix_of
from runtime.flavors.quarantine import Limits
from runtime.policy.pools import Application, Found
from runtime.serving.authentication.checking import Checking
from runtime.settings import Settings
from runtime.storage.keyring import Keyring

_DEPLOYMENT = "ModelServer"
_TO_RELOAD = timedelta(seconds=5)
_ANSWERS_WITHIN_S = 5.0
_BACKGROUND: dict[str, Any] = {"wait_for_ingress_deployment_creation": False, "wait_for_applications_running": False}


@dataclass(frozen=True, slots=True)
class Pools:
    """The applications of all pools. Its plain methods block; its content travels to the operator."""

    settings: Settings
    public_keys: tuple[str, ...]
    keyring: str
    runtime_env: Mapping[str, Any]
    """What code replicas run: that of the job which brought Fleetward up, whoever deploys them."""

    @classmethod
    def of(cls, settings: Settings, public_keys: Sequence[str]) -> Pools:
        """Those that are brought up from this process."""
        keyring = Keyring.create(settings.subjects, lambda: datetime.now(UTC)).id
        return cls(settings, tuple(public_keys), keyring, dict(ray.get_runtime_context().runtime_env))

    @property
    def usual(self) -> PoolOptions:
        """What a shared pool gets of which nothing was said."""
        replicas = self.settings.replicas
        return PoolOptions(replicas=Replicas(least=replicas, most=replicas))

    @property
    def quiet_after(self) -> timedelta:
        """How long requests may still go the way they went before a change of routing.

        HAProxy takes a new configuration by a new process, and the old one keeps its connections until Serve's hard
        stop.
        """
        return timedelta(seconds=int(os.environ.get("RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S", "120"))) + _TO_RELOAD

    def deploy(self, application: Application) -> None:
        """Have Serve make the application so. Returns before it is."""
        server = self._server_options(application.pool)
        app = model_server_app(server, application.options, self.placing)
        prefix = prefix_of(application.pool) if application.is_open else None
        serve.run_many([RunTarget(app, pool_app(application.pool), prefix)], **_BACKGROUND)

    def remove(self, pool: str) -> None:
        """Have Serve end the pool's application. Returns before it has."""
        serve.delete(pool_app(pool), _blocking=False)

    async def answer_for(self, pool: str, models: Sequence[str]) -> bool:
        """Whether a replica of the pool would answer for these models."""
        try:
            handle = await asyncio.to_thread(serve.get_app_handle, pool_app(pool))
            return bool(await asyncio.wait_for(handle.answers_for.remote(list(models)), _ANSWERS_WITHIN_S))
        except (KeyError, RayServeException, RayError, TimeoutError):  # KeyError: it is not deployed yet
            return False

    def found(self, following: Mapping[str, int]) -> dict[str, Found]:
        """What is there. ``following``: by pool, how many replicas are known to have the present routes."""
        found = (_found(name, details, following) for name, details in applications().items())
        return {each.application.pool: each for each in found if each is not None}

    @property
    def placing(self) -> dict[str, Any]:
        """Where replicas run, and with which environment."""
        asked = {"runtime_env": dict(self.runtime_env), "label_selector": self.settings.serving_on}
        return {name: value for name, value in asked.items() if value}

    def _server_options(self, pool: str) -> ServerOptions:
        settings = self.settings
        return ServerOptions(
            pool=pool,
            public_keys=self.public_keys,
            store=settings.store,
            wal=str(settings.wal),
            seal_seconds=settings.seal_seconds,
            pool_bytes=settings.pool_bytes,
            first_load=Limits(settings.first_load_bytes, settings.first_load_seconds),
            passed=str(settings.passed),
            subjects=str(settings.subjects),
            keyring=self.keyring,
            checking=Checking.of(settings),
        )


def deploy_default(pools: Pools, options: PoolOptions) -> str:
    """The default pool's replicas, ready when this returns; where they are reached. Safe to repeat."""
    url = start_front(pools.settings)
    server = pools._server_options(DEFAULT)  # noqa: SLF001
    serve.run(model_server_app(server, options, pools.placing), name=pool_app(DEFAULT), route_prefix="/")
    return url


def model_server_app(
    server: ServerOptions, options: PoolOptions, placing: Mapping[str, Any] | None = None
) -> ServeApplication:
    """The Serve application of a pool, with replicas as the options say; ``placing``: Ray's options of their actors."""
    replicas = options.replicas
    scaling: dict[str, Any] = {"num_replicas": replicas.least}
    if replicas.least != replicas.most:
        scaling = {"autoscaling_config": _autoscaling(options)}
    deployment = serve.deployment(
        name=_DEPLOYMENT,
        max_ongoing_requests=100,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=5.0,
        health_check_period_s=2.0,
        ray_actor_options=_actor_options(options) | dict(placing or {}),
        logging_config={"enable_access_log": False},
        **scaling,
    )(serve.ingress()(ModelServer))
    code_version = digest_of(repr((version("fleetward"), server)).encode())
    application: ServeApplication = deployment.options(version=code_version, _internal=True).bind(server)
    return application


def _autoscaling(options: PoolOptions) -> AutoscalingConfig:
    return AutoscalingConfig(
        min_replicas=options.replicas.least,
        max_replicas=options.replicas.most,
        target_ongoing_requests=options.target_ongoing,
        upscale_delay_s=options.upscale_delay.total_seconds(),
        downscale_delay_s=options.downscale_delay.total_seconds(),
    )


def _actor_options(options: PoolOptions) -> dict[str, Any]:
    """What Ray reserves for each replica."""
    asked = {"num_cpus": options.cpus, "num_gpus": options.gpus, "memory": options.memory}
    return {name: amount for name, amount in asked.items() if amount or name == "num_cpus"}


def running() -> dict[str, int]:
    """By pool, how many replicas run."""
    found: dict[str, int] = {}
    for name, details in applications().items():
        if _DEPLOYMENT in details["deployments"]:
            found[name.removeprefix(pool_app(""))] = _running(details)
    return found


def _running(details: dict[str, Any]) -> int:
    replicas = details["deployments"][_DEPLOYMENT].get("replicas", [])
    return sum(each["state"] == "RUNNING" for each in replicas)


def applications() -> dict[str, dict[str, Any]]:
    client = _get_global_client(raise_if_no_controller_running=False)
    return {} if client is None else client.get_serve_details()["applications"]


def _found(name: str, details: dict[str, Any], following: Mapping[str, int]) -> Found | None:
    """The pool's application, of Serve's own description; None for one that is no pool's."""
    config = details["deployments"].get(_DEPLOYMENT, {}).get("deployment_config")
    pool = name.removeprefix(pool_app(""))
    if config is None or pool == name:
        return None
    status = ApplicationStatus(details["status"])
    return Found(
        Application(pool, _options(config), is_open=details.get("route_prefix") is not None),
        is_up=status is ApplicationStatus.RUNNING,
        follows=following.get(pool, 0) >= max(1, _running(details)),
        since=datetime.fromtimestamp(details["last_deployed_time_s"], UTC),
        is_leaving=status is ApplicationStatus.DELETING,
        failed=details["message"] if status is ApplicationStatus.DEPLOY_FAILED else "",
    )


def _options(config: dict[str, Any]) -> PoolOptions:
    actor, scaling = config["ray_actor_options"], config.get("autoscaling_config")
    reserved = {
        "cpus": actor["num_cpus"],
        "gpus": actor.get("num_gpus") or 0,
        "memory": int(actor.get("memory") or 0),
    }
    if scaling is None:
        return PoolOptions.model_validate({"replicas": config["num_replicas"], **reserved})
    return PoolOptions.model_validate(
        {
            "replicas": {"least": scaling["min_replicas"], "most": scaling["max_replicas"]},
            "target_ongoing": scaling["target_ongoing_requests"],
            "upscale_delay": timedelta(seconds=scaling["upscale_delay_s"]),
            "downscale_delay": timedelta(seconds=scaling["downscale_delay_s"]),
            **reserved,
        }
    )
