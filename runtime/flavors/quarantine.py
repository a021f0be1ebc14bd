"""The first load of an artifact, in a process that can be lost: with a limit of memory and time, and without secrets.

Readers of foreign formats allocate what a file asks for, loop as long as it says, and some end their process on a file
that is crafted. None of that may happen to a replica that serves other models.

    replica                                  warm process (python -m runtime.flavors.quarantine)
       | -- length, artifact --------------->  | libraries imported once, one thread
       |                                       |-- fork --> limits set, load, answer no rows, exit
       | <-- length, {} or {refused: ...} ---  | <-- exit code, reason

It is no sandbox: code that ran there could still read what this user can read. What keeps code from running is the list
of formats (``container``) and of types (``sklearn``). Tables and endpoints are plain data and are not sent here.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.domain.ids import digest_of
from runtime.flavors import container
from runtime.flavors.base import Storable
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.load import load

_LENGTH = struct.Struct("<Q")
_PLAIN = frozenset(["rules", "remote"])
_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")
_STARTS = 120.0
"""Seconds that the warm process may take to import its libraries on a busy machine, beside the limit itself."""


@dataclass(frozen=True)
class Limits:
    """Of one load: ``memory_bytes`` of address space beyond what the warm process has, and ``seconds`` of the clock."""

    memory_bytes: int = 2 << 30
    seconds: float = 30.0


class Quarantine:
    """Loads what it has not seen before in a warm process first. Safe to use from several threads, one at a time."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._passed: set[str] = set()

    def load(self, artifact: bytes) -> Storable:
        """As ``flavors.load``; raises ``ArtifactInvalid`` too if its first load breaks a limit or ends its process."""
        manifest, _ = container.unpack(artifact)
        digest = digest_of(artifact)
        with self._lock:
            if manifest.flavor not in _PLAIN and digest not in self._passed:
                self._try(artifact)
                self._passed.add(digest)
        return load(artifact)

    def close(self) -> None:
        """Ends the warm process; the next first load starts another."""
        with self._lock:
            self._end()

    def _try(self, artifact: bytes) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        process = self._process = self._process or _start(self._limits)
        try:
            answer = json.loads(_exchange(process, artifact, time.monotonic() + self._limits.seconds + _STARTS))
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self._end()
            raise ArtifactInvalid(
                f"its first load ended the process it was tried in ({type(error).__name__})"
            ) from error
        if "refused" in answer:
            raise ArtifactInvalid(answer["refused"])

    def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):  # what was not sent yet cannot be
                        stream.close()


def _start(limits: Limits) -> subprocess.Popen[bytes]:
    """With a plain environment: no credential of this process is in it."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    path = [entry for entry in sys.path if entry]
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *path])
    command = [sys.executable, "-m", "runtime.flavors.quarantine", str(limits.memory_bytes), str(limits.seconds)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


def _exchange(process: subprocess.Popen[bytes], artifact: bytes, deadline: float) -> bytes:
    """The answer to an artifact. Raises ``EOFError``, ``TimeoutError``, ``OSError``."""
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(_LENGTH.pack(len(artifact)) + artifact)
    process.stdin.flush()
    (length,) = _LENGTH.unpack(_exactly(process.stdout.fileno(), _LENGTH.size, deadline))
    return _exactly(process.stdout.fileno(), length, deadline)


def _exactly(file: int, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if deadline is not None and not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(file, min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


# --- in the warm process ---------------------------------------------------------------------------


def _serve(limits: Limits) -> None:
    _warm()
    incoming, outgoing = sys.stdin.fileno(), sys.stdout.fileno()
    while True:
        try:
            (length,) = _LENGTH.unpack(_exactly(incoming, _LENGTH.size, None))
            artifact = _exactly(incoming, length, None)
        except EOFError:
            return
        refused = _in_child(artifact, limits)
        message = json.dumps({} if refused is None else {"refused": refused}).encode()
        os.write(outgoing, _LENGTH.pack(len(message)) + message)


def _warm() -> None:
    """Imports what loading needs, so that a child does not; none of it may start a thread before the fork."""
    import onnxruntime  # noqa: F401
    import skops.io  # noqa: F401

    from runtime.flavors import sklearn  # noqa: F401


def _in_child(artifact: bytes, limits: Limits) -> str | None:
    """Why the artifact is refused, or None. The child tells by a pipe, or by how it ended."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        _try_it(artifact, limits, tell)
    os.close(tell)
    try:
        reason = _exactly_all(told, time.monotonic() + limits.seconds)
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        reason = f"its first load took more than {limits.seconds:g} s".encode()
    finally:
        os.close(told)
    _, status = os.waitpid(child, 0)
    if reason:
        return reason.decode()
    if os.WIFSIGNALED(status):
        return f"its first load ended its process ({signal.Signals(os.WTERMSIG(status)).name})"
    return None if os.WEXITSTATUS(status) == 0 else f"its first load ended its process (exit {os.WEXITSTATUS(status)})"


def _exactly_all(file: int, deadline: float) -> bytes:
    parts = bytearray()
    while True:
        if not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(file, 1 << 16)
        if not part:
            return bytes(parts)
        parts += part


def _try_it(artifact: bytes, limits: Limits, tell: int) -> None:
    """Never returns: whatever happens, this process ends here."""
    code = 1
    try:
        _limit(limits)
        load(artifact)
        code = 0
    except ArtifactInvalid as error:
        os.write(tell, error.reason.encode()[:60_000])
    except MemoryError:
        os.write(tell, f"its first load needs more than {limits.memory_bytes} bytes of memory".encode())
    except BaseException as error:  # noqa: BLE001 - there is nobody to raise it to
        os.write(tell, f"its first load raised {type(error).__name__}: {error}".encode()[:60_000])
    finally:
        os._exit(code)


def _limit(limits: Limits) -> None:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - before anything is allocated
        used = int(statm.read().split()[0]) * resource.getpagesize()
    for what, value in [
        (resource.RLIMIT_AS, used + limits.memory_bytes),
        (resource.RLIMIT_CPU, int(limits.seconds) + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ]:
        resource.setrlimit(what, (value, value))


if __name__ == "__main__":
    _serve(Limits(int(sys.argv[1]), float(sys.argv[2])))
