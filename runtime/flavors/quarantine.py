"""The first load of an artifact, in a process that can be lost: with a limit of memory and time, and without secrets.

Readers of foreign formats allocate what a file asks for, loop as long as it says, and some end their process on a file
that is crafted. None of that may happen to a replica that serves other models.

    replica                                  warm process (python -m runtime.flavors.quarantine)
       | <-- {}: it is warm ---------------    | libraries imported once, one thread
       | -- length, artifact --------------->  |
       |                                       |-- fork --> limits set, load, answer no rows, exit
       | <-- length, {} or {refused: ...} ---  | <-- exit code, reason

What passed is remembered by its digest on this machine (``passed``), so that each artifact comes here once; replicas of
one machine take turns, so that the second finds what the first did. The warm process takes some 5 s of CPU to begin and
350 MB, so it begins with the first artifact that is new, and leaves when nothing was asked of it for ``IDLE`` seconds.

It is no sandbox: code that ran there could still read what this user can read. What keeps code from running is the list
of formats (``container``) and of types (``sklearn``). Tables and endpoints are plain data, read by Fleetward's own
models of them, and are not sent here. XGBoost's JSON and LightGBM's text are data too, but what reads them is C++.
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

from runtime.domain.ids import digest_of
from runtime.flavors import container
from runtime.flavors.base import Storable
from runtime.flavors.environment import plain_environment
from runtime.flavors.errors import ArtifactInvalid, QuarantineFailed
from runtime.flavors.load import load
from runtime.flavors.passed import Passed

_LENGTH = struct.Struct("<Q")
_PLAIN = frozenset(["rules", "remote"])
_STARTS = 120.0
"""Seconds that the warm process may take to import its libraries on a busy machine."""
_ANSWERS = 15.0
"""Seconds that its answer may take beyond the limit of the load itself."""
IDLE = 600.0
"""Seconds after which a warm process that nobody asks gives its memory back."""


@dataclass(frozen=True)
class Limits:
    """Of one load: ``memory_bytes`` of address space beyond what the warm process has, and ``seconds`` of the clock."""

    memory_bytes: int = 2 << 30
    seconds: float = 30.0


class Quarantine:
    """Tries what has not passed before in a warm process. Safe to use from several threads, one at a time."""

    def __init__(self, limits: Limits | None = None, passed: Passed | None = None) -> None:
        """``passed`` remembers for longer than this process."""
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._passed = passed or Passed()

    def check(self, artifact: bytes) -> None:
        """Raises ``ArtifactInvalid`` if its first load fails, breaks a limit or ends its process.

        Raises ``QuarantineFailed`` where there was no process to try it in, which says nothing of the artifact.
        """
        digest = digest_of(artifact)
        if digest in self._passed or container.unpack(artifact)[0].flavor in _PLAIN:
            return
        with self._lock, self._passed.turn():
            if digest not in self._passed:
                self._try(artifact)
                self._passed.add(digest)

    def load(self, artifact: bytes) -> Storable:
        """As ``flavors.load``, after ``check``."""
        self.check(artifact)
        return load(artifact)

    def close(self) -> None:
        """Ends the warm process; the next first load starts another."""
        with self._lock:
            self._end()

    def _warmed(self) -> subprocess.Popen[bytes]:
        """The process, warm. Raises ``QuarantineFailed``."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        try:
            self._process = _start(self._limits)
            _answer(self._process, time.monotonic() + _STARTS)
        except (OSError, EOFError, TimeoutError) as error:
            self._end()
            raise QuarantineFailed(f"it did not start ({type(error).__name__})") from error
        return self._process

    def _try(self, artifact: bytes) -> None:
        answer = json.loads(self._answer_to(artifact))
        if "refused" in answer:
            raise ArtifactInvalid(answer["refused"])

    def _answer_to(self, artifact: bytes) -> bytes:
        """Asked twice: a process that was idle may have left, or been killed, in this very moment."""
        for is_last in (False, True):
            process = self._warmed()
            try:
                return _exchange(process, artifact, self._limits.seconds + _ANSWERS)
            except (OSError, EOFError, TimeoutError) as error:
                self._end()
                if is_last:
                    raise QuarantineFailed(f"it ended before it answered ({type(error).__name__})") from error
        raise AssertionError("unreachable: the last try returns or raises")

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
    environment = plain_environment()
    command = [sys.executable, "-m", "runtime.flavors.quarantine", str(limits.memory_bytes), str(limits.seconds)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


def _exchange(process: subprocess.Popen[bytes], artifact: bytes, seconds: float) -> bytes:
    """The answer to an artifact. Raises ``EOFError``, ``TimeoutError``, ``OSError``."""
    if process.stdin is None:
        raise EOFError
    process.stdin.write(_LENGTH.pack(len(artifact)) + artifact)
    process.stdin.flush()
    return _answer(process, time.monotonic() + seconds)


def _answer(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Raises as ``_exchange``."""
    if process.stdout is None:
        raise EOFError
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
    incoming = sys.stdin.fileno()
    _tell({})
    while True:
        try:
            (length,) = _LENGTH.unpack(_exactly(incoming, _LENGTH.size, time.monotonic() + IDLE))
            artifact = _exactly(incoming, length, None)
        except (EOFError, TimeoutError):
            return
        refused = _in_child(artifact, limits)
        _tell({} if refused is None else {"refused": refused})


def _tell(answer: dict[str, str]) -> None:
    message = json.dumps(answer).encode()
    os.write(sys.stdout.fileno(), _LENGTH.pack(len(message)) + message)


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
