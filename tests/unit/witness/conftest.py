import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from runtime.witness.memory import Memory
from runtime.witness.server import application, server_of
from runtime.witness.witness import Witness
from tests.unit.witness.logs import NOON, MemoryLog, cosigner


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = Memory.open(tmp_path / "witness", tmp_path / "key.pem")
    yield memory
    memory.close()


@pytest.fixture
def witness(memory: Memory, log: MemoryLog, clock: Clock) -> Witness:
    return Witness(cosigner(), [log.signer.verifier], memory, clock)


@pytest.fixture
def served() -> Iterator[Callable[[Witness], str]]:
    """Serves witnesses over real HTTP, each on a port of its own; gives their URLs."""
    running = []

    def serve(witness: Witness) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = server_of(application(witness))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()  # requests wait in the listener's queue until it serves
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()
