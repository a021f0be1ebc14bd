"""A way to PostgreSQL that is cut at COMMIT: before the server hears it, or after, so that only the answer is lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Literal, Self

COMMIT = b"COMMIT\x00"  # the text of a simple query, in the frontend protocol
CHUNK_BYTES = 65_536


class CuttingProxy:
    """Passes bytes on in both directions; once armed, cuts the connection that says the next COMMIT."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._armed: Literal["before", "after"] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0

    def arm(self, when: Literal["before", "after"]) -> None:
        """Cut the next COMMIT before, or after, the server got it."""
        self._armed = when

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                threading.Thread(target=self._pass_on, args=[client, server], daemon=True).start()
                threading.Thread(target=_pump, args=[server, client], daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError), client, server:
            while content := client.recv(CHUNK_BYTES):
                if self._armed is not None and COMMIT in content:
                    when, self._armed = self._armed, None
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if when == "after":
                        server.sendall(content)
                    server.shutdown(socket.SHUT_WR)  # the server works off what it got, then ends
                    return
                server.sendall(content)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(CHUNK_BYTES):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
