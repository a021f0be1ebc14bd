"""HAProxy as a local cluster configures it, before servers that are killed with a request in their hands, and TLS.

The configuration is Serve's own, with what ``runtime.local_cluster.proxying`` changes in it; no Ray runs.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.local_cluster.environment import LOOPBACK, serve_environment, tls_file
from runtime.local_cluster.ports import NAMED
from runtime.local_cluster.proxying import RETRY_ON
from tests.certificates import self_signed
from tests.waiting import wait_until

haproxy = pytest.importorskip("ray.serve._private.haproxy")
HTTPOptions = pytest.importorskip("ray.serve.config").HTTPOptions

SERVER = """
import os, signal, sys, uvicorn
name, port, *tls = sys.argv[1:]

async def application(scope, receive, send):
    if scope["path"] != "/-/healthz":
        await receive()
        if name == "dying":
            os.kill(os.getpid(), signal.SIGKILL)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": name.encode()})

options = {"ssl_certfile": tls[0], "ssl_keyfile": tls[1]} if tls else {}
uvicorn.run(application, host="127.0.0.1", port=int(port), lifespan="off", log_level="critical", **options)
"""


@dataclass
class Server:
    """A process that answers with its name, or dies of the first request."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def is_dead(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def server(name: str, *tls: Path) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, name, str(port), *map(str, tls)])
    try:
        wait_until(lambda: listens(port))
        yield Server(port, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="fw-", dir="/tmp") as folder:
        yield Path(folder)


@contextmanager
def proxy(folder: Path, monkeypatch: pytest.MonkeyPatch, *servers: Server, tls: bytes = b"") -> Iterator[int]:
    """HAProxy before these servers, and the port it answers at."""
    ports = dict.fromkeys(NAMED, 1)
    folder = folder / "h"
    binary = serve_environment(folder, ports, 1)["RAY_SERVE_HAPROXY_BINARY_PATH"]
    monkeypatch.setattr(haproxy, "RAY_SERVE_HAPROXY_BINARY_PATH", binary)
    if tls:
        tls_file(folder).write_bytes(tls)
    port = free_port()
    config = haproxy.HAProxyConfig(
        socket_path=str(folder / "a.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "state"),
        stats_port=free_port(),
        metrics_port=free_port(),
        metrics_enabled=False,
        nbthread=1,
        retry_on=RETRY_ON,
        http_options=HTTPOptions(host=LOOPBACK, port=port),
        has_received_routes=True,
        has_received_servers=True,
    )
    known = [haproxy.ServerConfig(f"s{at}", LOOPBACK, each.port) for at, each in enumerate(servers)]
    backend = haproxy.BackendConfig(name="http-pool", path_prefix="/", servers=known, app_name="pool")
    api = haproxy.HAProxyApi(config, {"http-pool": backend}, str(folder / "haproxy.cfg"))
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(api.start())
        yield port
    finally:
        process: Any = api._proc
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            loop.run_until_complete(process.wait())
        loop.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def ask_until_dead(port: int, dying: Server, **request: Any) -> list[int]:
    """Statuses of one request after another until the server has died of one."""
    statuses: list[int] = []
    with httpx.Client(trust_env=False, timeout=10) as client:
        while not dying.is_dead:
            assert len(statuses) < 10, "the dying server was never asked"
            content = slowly(request["content"]) if request.get("content") == b"slow" else request.get("content")
            asked = {**request, "content": content}
            statuses.append(client.request(url=f"http://{LOOPBACK}:{port}/infer", **asked).status_code)
            dying.process.poll()
    return statuses


def slowly(content: bytes) -> Iterator[bytes]:
    """In two parts, the second after HAProxy has seen the first."""
    yield content[:1]
    time.sleep(0.1)
    yield content[1:]


@pytest.mark.parametrize(
    ("request_", "is_sent_again"),
    [
        ({"method": "POST", "content": b"x", "headers": {"idempotency-key": str(uuid.uuid4())}}, True),
        ({"method": "POST", "content": b"slow", "headers": {"idempotency-key": str(uuid.uuid4())}}, True),
        ({"method": "GET"}, True),
        ({"method": "POST", "content": b"x"}, False),
        ({"method": "DELETE"}, False),
    ],
    ids=["with a key", "with a key and a slow body", "read", "without a key", "delete"],
)
def test_what_a_killed_replica_held_is_sent_again_if_that_is_safe(
    short: Path, monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], is_sent_again: bool
) -> None:
    with server("healthy") as healthy, server("dying") as dying, proxy(short, monkeypatch, healthy, dying) as port:
        statuses = ask_until_dead(port, dying, **request_)
    assert [status for status in statuses if status != 200] == ([] if is_sent_again else [500])


def test_haproxy_takes_tls_and_speaks_it_to_replicas(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(short)
    held = certificate.read_bytes() + key.read_bytes()
    with server("replica", certificate, key) as replica, proxy(short, monkeypatch, replica, tls=held) as port:
        trusting = ssl.create_default_context(cafile=str(certificate))
        answer = httpx.get(f"https://{LOOPBACK}:{port}/infer", verify=trusting, trust_env=False)
        assert (answer.status_code, answer.text) == (200, "replica")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{LOOPBACK}:{port}/infer", trust_env=False)
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"https://{LOOPBACK}:{port}/infer", trust_env=False)
