"""Unit tests start no Ray and leave this machine for nothing.

Two nets. Python's audit events catch the act itself, however the code got there: a process that is Ray's,
a name looked up, a socket connected beyond loopback. And where ray is imported already, `ray.init` is
replaced, so that a test fails at once instead of joining a Ray that happens to run here.
"""

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RAY_PROCESSES = ("gcs_server", "raylet")
LOCAL_NAMES = (None, "", "localhost", "localhost.localdomain")


class OutOfBoundsError(AssertionError):
    """A unit test reached for Ray or for the network."""


def refuse_ray(*_args: object, **_kwargs: object) -> None:
    """Stand in for `ray.init`."""
    raise OutOfBoundsError("unit tests start no Ray: move this test to tests/cluster/")


def is_local(host: object) -> bool:
    """Whether a host as given to a socket stays on this machine (no name is looked up)."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False


def starts_ray(executable: object, arguments: object) -> bool:
    """Whether a process about to start is one of Ray's servers."""
    first = arguments[0] if isinstance(arguments, list | tuple) and arguments else executable
    return Path(str(first)).name in RAY_PROCESSES


class Net:
    """An audit hook that refuses only while a unit test runs (a hook cannot be taken out again)."""

    def __init__(self) -> None:
        self.closed = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Refuse what leaves the bounds of a unit test."""
        if not self.closed:
            return
        if event == "subprocess.Popen" and starts_ray(*arguments[:2]):
            refuse_ray()
        if event == "socket.getaddrinfo" and not is_local(arguments[0]):
            raise OutOfBoundsError(f"unit tests look up no names: {arguments[0]!r}")
        if event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and not is_local(address[0]):
                raise OutOfBoundsError(f"unit tests stay on this machine: {address!r}")


NET = Net()
sys.addaudithook(NET)


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the net for the time of one test."""
    monkeypatch.setenv("RAY_ENABLE_AUTO_CONNECT", "0")
    if "ray" in sys.modules:
        monkeypatch.setattr(sys.modules["ray"], "init", refuse_ray)
    NET.closed = True
    yield
    NET.closed = False
