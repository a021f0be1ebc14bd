"""MLServer and MLflow's server, each in a virtual environment of its own, with the estimator that Fleetward serves.

    <cache>/<peer>/        the environment, made by the benchmark's own Python and pip, with the same scikit-learn
    <folder>/<peer>/       the model as the peer wants it, and the server's log

Each is set up as well as its documentation says: MLServer without its pool of inference processes, which one model does
not need and which costs it a third of its speed; MLflow with one worker, as all others have one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import psutil

from benchmarks.servers.fleet import json_body, matrix
from benchmarks.servers.load import Ask

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "fleetward-benchmarks"
PACKAGES = {"mlserver": ["mlserver", "mlserver-sklearn"], "mlflow": ["mlflow"]}
_UP_WITHIN_S = 120.0
_SAVE_FOR_MLFLOW = """
import sys, joblib, mlflow.sklearn
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], pyfunc_predict_fn="predict_proba",
                          serialization_format="cloudpickle")
"""


def installed(peer: str) -> Path:
    """The peer's environment, made if it is not there."""
    folder = CACHE / peer
    done = folder / ".installed"
    wanted = [*PACKAGES[peer], f"scikit-learn=={version('scikit-learn')}"]
    if not done.exists() or done.read_text().split() != wanted:
        print(f"installing {' '.join(wanted)} in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
        done.write_text(" ".join(wanted))
    return folder / "bin"


def version_of(peer: str) -> str:
    """Of the peer that is installed."""
    code = f"from importlib.metadata import version; print(version({peer!r}))"
    return subprocess.run(
        [str(installed(peer) / "python"), "-c", code], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


@dataclass(frozen=True, slots=True)
class Server:
    """A peer that is up."""

    url: str
    pid: int

    @property
    def processes(self) -> tuple[psutil.Process, ...]:
        """It and its workers."""
        server = psutil.Process(self.pid)
        return (server, *server.children(recursive=True))


@contextmanager
def up(peer: str, estimator: Any, folder: Path) -> Iterator[Server]:
    """The peer's server with the estimator."""
    import joblib

    home, port = folder / peer, free_port()
    home.mkdir()
    joblib.dump(estimator, home / "model.joblib")
    command = {"mlserver": _mlserver, "mlflow": _mlflow}[peer](home, port)
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=home, env=_environment(peer), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}{'/v2/health/ready' if peer == 'mlserver' else '/health'}", server, home / "log")
        yield Server(url + {"mlserver": "/v2/models/cells/infer", "mlflow": "/invocations"}[peer], server.pid)
    finally:
        _end(server)


def ask(peer: str, url: str, rows: int) -> Ask:
    """So many rows in the peer's own JSON."""
    if peer == "mlserver":
        return Ask(url, json_body(rows, outputs=[{"name": "predict_proba"}]), {"content-type": "application/json"})
    body = orjson.dumps({"inputs": matrix(rows).tolist()})
    return Ask(url, body, {"content-type": "application/json"})


def first_answer(peer: str, url: str) -> float:
    """The probability it gives to the first row."""
    asked = ask(peer, url, 1)
    request = urllib.request.Request(asked.url, asked.body, dict(asked.headers))  # noqa: S310 - a server of our own
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
        document = json.loads(answer.read())
    if peer == "mlserver":
        return float(document["outputs"][0]["data"][1])
    return float(document["predictions"][0][1])


def _mlserver(home: Path, port: int) -> list[str]:
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "cells",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps(model))
    return [str(installed("mlserver") / "mlserver"), "start", str(home)]


def _mlflow(home: Path, port: int) -> list[str]:
    python = str(installed("mlflow") / "python")
    saved = home / "saved"
    subprocess.run(
        [python, "-c", _SAVE_FOR_MLFLOW, str(home / "model.joblib"), str(saved)],
        check=True,
        cwd=home,
        env=_environment("mlflow"),
        stderr=subprocess.DEVNULL,
    )
    serve = ["models", "serve", "-m", str(saved), "-h", "127.0.0.1", "-p", str(port), "--env-manager", "local"]
    return [python, "-m", "mlflow", *serve, "--workers", "1"]


def _environment(peer: str) -> dict[str, str]:
    """One thread a library, as replicas have; the environment's own programs first; nothing of this one's Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAY_", "FLEETWARD_"))}
    path = f"{installed(peer)}:{kept.get('PATH', '')}"
    return {
        **kept,
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _UP_WITHIN_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - a server of our own
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"{server.args!r} is not up:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


def _end(server: subprocess.Popen[bytes]) -> None:
    """With its children: a session of its own is a group of its own."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, stop)
            server.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
