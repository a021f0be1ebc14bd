"""One Ray on this machine, wholly its own: ports, folder, token, HAProxy. Stopped by its exact processes.

    <home>/cluster.json   what was started: address, dashboard, serve_url, token_path, temp_dir, pids, env
    <home>/cluster.lock   held while starting or stopping
    <home>/ray_token      shared secret of Ray's token authentication, mode 0600
    <temp>/fw-<random>/   mode 0700, short, since a Unix socket's path must stay under 107 bytes
        r/                Ray's sessions, sockets and logs
        h/                HAProxy's configuration, sockets and state

cluster.json is written before the first process starts, so whatever interrupts a start, the next ``stop`` or
``start`` finds what it left. Everything listens on loopback.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from runtime.domain.errors import Refused, SettingsError
from runtime.local_cluster.environment import LOOPBACK, ray_environment, serve_environment
from runtime.local_cluster.errors import ClusterFailed
from runtime.local_cluster.ports import free_block, named
from runtime.local_cluster.processes import MARK, end, is_marked, members_of

_LONGEST_TEMP = (
    30  # leaves room for /r/session_<date>_<pid>/sockets/plasma_store, and for /h/<node id>/admin.sock.<pid>
)
_START_WITHIN_S = 180.0  # ten seconds, or many times that on a machine that does other work

_Cluster = TypeVar("_Cluster", bound="LocalCluster")


def join(home: Path) -> None:
    """Makes this process one of the cluster it runs in (a job's), else of the local one of ``home``.

    Call it before anything imports Ray, which reads some of these variables only then.
    Raises ``SettingsError`` when there is no cluster.
    """
    if "RAY_ADDRESS" in os.environ:
        return
    cluster = LocalCluster.load(home)
    if cluster is None:
        raise SettingsError("FLEETWARD_HOME", str(home), "a cluster that is up; start one: fleetward up")
    os.environ.update(cluster.environment())


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """A Ray that runs on this machine under ``home``."""

    home: str
    address: str
    dashboard: str
    serve_url: str
    token_path: str
    temp_dir: str
    pids: dict[str, int]
    env: dict[str, str]

    @classmethod
    def start(cls, home: Path, num_cpus: int) -> Self:
        """Start one, or raise ``Refused`` when it is up and ``ClusterFailed`` when Ray would not start."""
        home = home.resolve()
        with _locked(home):
            if (running := cls.load(home)) is not None:
                raise Refused("start", f"already up at {running.address}, dashboard {running.dashboard}")
            if (dead := _read(home)) is not None:
                end(Path(dead["temp_dir"]))
            planned = cls._planned(home)
            try:
                _save(planned)
                return _launch(planned, num_cpus)
            except BaseException:  # an interrupt too: nothing half started stays behind
                end(Path(planned.temp_dir))
                (home / "cluster.json").unlink(missing_ok=True)
                raise

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """The cluster under ``home``, or None when there is none or it is dead."""
        document = _read(home)
        if document is None:
            return None
        cluster = cls(**{**document, "home": str(home)})
        head = cluster.pids.get("gcs_server")
        return cluster if head is not None and is_marked(head, cluster.temp_dir) else None

    def environment(self) -> dict[str, str]:
        """What a driver or `ray job submit` on this machine needs in its environment."""
        return {
            **self.env,
            "RAY_ADDRESS": self.address,
            "RAY_API_SERVER_ADDRESS": self.dashboard,
        }

    def stop(self) -> None:
        """End every process of this cluster and remove its folder. Safe to repeat.

        Raises ``ClusterFailed`` if something survives even SIGKILL.
        """
        home = Path(self.home)
        with _locked(home):
            end(Path(self.temp_dir))
            document = _read(home)
            if document is not None and document["temp_dir"] == self.temp_dir:
                (home / "cluster.json").unlink(missing_ok=True)

    @classmethod
    def _planned(cls, home: Path) -> Self:
        temp_dir = _short_folder()
        first = free_block()
        ports = named(first)
        token_path = home / "ray_token"
        _make_token(token_path)
        return cls(
            home=str(home),
            address=f"{LOOPBACK}:{ports['gcs']}",
            dashboard=f"http://{LOOPBACK}:{ports['dashboard']}",
            serve_url=f"http://{LOOPBACK}:{ports['serve']}",
            token_path=str(token_path),
            temp_dir=str(temp_dir),
            pids={},
            env={**ray_environment(token_path, ports), **serve_environment(temp_dir / "h", ports, first)},
        )


def _launch(cluster: _Cluster, num_cpus: int) -> _Cluster:
    first = int(cluster.address.rpartition(":")[2])
    command = _command(named(first), cluster.temp_dir, num_cpus)
    environment = {**os.environ, **cluster.env, MARK: cluster.temp_dir}
    for inherited in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        environment.pop(inherited, None)
    log = Path(cluster.temp_dir, "start.log")
    with log.open("wb") as output:
        try:
            # A session of its own: an interrupt at the terminal is for us, not for the cluster.
            run = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                timeout=_START_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            told = log.read_text(errors="replace")[-2000:]
            raise ClusterFailed(
                "start", f"Ray did not start within {_START_WITHIN_S:.0f} s; it said: {told}"
            ) from error
    pids = {name: pid for pid, name in members_of(Path(cluster.temp_dir)).items() if name in {"gcs_server", "raylet"}}
    if run.returncode or "gcs_server" not in pids:
        raise ClusterFailed("start", log.read_text(errors="replace")[-2000:])
    started = replace(cluster, pids=pids)
    _save(started)
    return started


def _save(cluster: LocalCluster) -> None:
    document = {name: value for name, value in asdict(cluster).items() if name != "home"}
    target = Path(cluster.home, "cluster.json")
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=2))
    temporary.replace(target)


def _read(home: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads((home / "cluster.json").read_bytes())
    except FileNotFoundError:
        return None
    return document


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)  # at first, or if somebody deleted it while the cluster runs
    with (home / "cluster.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _command(ports: Mapping[str, int], temp_dir: str, num_cpus: int) -> list[str]:
    flags = {
        "port": ports["gcs"],
        "node-manager-port": ports["node_manager"],
        "object-manager-port": ports["object_manager"],
        "ray-client-server-port": ports["client_server"],
        "dashboard-port": ports["dashboard"],
        "dashboard-agent-listen-port": ports["agent_http"],
        "dashboard-agent-grpc-port": ports["agent_grpc"],
        "runtime-env-agent-port": ports["runtime_env"],
        "metrics-export-port": ports["metrics"],
        "min-worker-port": 0,  # 0 and 0: the kernel chooses
        "max-worker-port": 0,
        "node-ip-address": LOOPBACK,
        "dashboard-host": LOOPBACK,
        "temp-dir": f"{temp_dir}/r",
        "num-cpus": num_cpus,
        "include-log-monitor": "false",  # logs are read in the dashboard, not copied to every driver
    }
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--disable-usage-stats", "--no-monitor"]
    return [*start, *(f"--{name}={value}" for name, value in flags.items())]


def _make_token(path: Path) -> None:
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))


def _short_folder() -> Path:
    system = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="fw-", dir=system if len(system) <= _LONGEST_TEMP else "/tmp"))  # noqa: S108 - mkdtemp
