"""Load on a server by wrk, which waits for nobody and takes little of the CPU that it shares with what it measures.

wrk runs a Lua script that sends one body over and over and prints what it counted as JSON. An interrupt ends it as its
time does, with the same counts.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

CONNECTIONS = 8
LONG_S = 900
"""For a load that is ended from outside."""
_TIMEOUT_S = 10

_SCRIPT = """
wrk.method = "POST"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
{headers}
{request}
done = function(summary, latency, requests)
  io.stderr:write(string.format(
    '{{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "status": %d, "socket": %d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""
_KEYED = """
local asked = 0
math.randomseed(os.time())
local run = math.random(0, 2147483647)
request = function()
  asked = asked + 1
  wrk.headers["idempotency-key"] = string.format("%08x-0000-4000-8000-%012x", run, asked)
  return wrk.format()
end
"""
_SPREAD = """
local paths = {{"{paths}"}}
local asked = 0
request = function()
  asked = asked + 1
  return wrk.format(nil, paths[asked % #paths + 1])
end
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. ``keyed``: each has an idempotency key of its own, so that it may be sent again.

    ``paths``: asked one after another, in place of the URL's own.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False
    paths: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """How each request differs from the others."""
        if self.keyed:
            return _KEYED
        return _SPREAD.format(paths='", "'.join(self.paths)) if self.paths else ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What wrk counted. ``failed``: answers over 399, and connections that broke or took too long."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def a_second(self) -> float:
        """Requests."""
        return self.requests / self.seconds


class Load:
    """A load that runs until it is ended, or for ``seconds``."""

    def __init__(self, ask: Ask, seconds: int = LONG_S, connections: int = CONNECTIONS) -> None:
        if shutil.which("wrk") is None:
            raise SystemExit("wrk makes the load and is not installed; on Debian: apt-get install wrk")
        self._folder = tempfile.TemporaryDirectory(prefix="fw-")
        script = _written(Path(self._folder.name), ask)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_S}s", "-s", str(script)]
        self._process = subprocess.Popen(
            [*command, ask.url], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def wait(self) -> Answered:
        """Its counts when its time is over."""
        _, told = self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"wrk ended with {self._process.returncode}: {told.strip()}")
        counted = json.loads(told.strip().splitlines()[-1])
        failed = counted.pop("status") + counted.pop("socket")
        return Answered(**counted, failed=failed)

    def end(self) -> Answered:
        """Its counts up to now."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()


def _written(folder: Path, ask: Ask) -> Path:
    body, script = folder / "body", folder / "load.lua"
    body.write_bytes(ask.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in ask.headers.items())
    script.write_text(_SCRIPT.format(body=body, headers=headers, request=ask.script))
    return script


def load(ask: Ask, seconds: int, connections: int = CONNECTIONS) -> Answered:
    """A load of so many seconds."""
    with Load(ask, seconds, connections) as running:
        return running.wait()
