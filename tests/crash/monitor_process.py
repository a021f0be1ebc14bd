"""A monitor in a process of its own, without Ray: the actor's class, asking a governor over a socket.

python -m tests.crash.monitor_process SOCKET HOME NUMBER
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

from actors import monitor as actor
from runtime.domain.entry import Draft, Entry
from runtime.settings import Settings


class Asking:
    """What a monitor asks the governor, over a socket."""

    def __init__(self, socket: str, number: int) -> None:
        self._connection = Client(socket, family="AF_UNIX")
        self._connection.send(number)
        self._turn = asyncio.Lock()

    async def entries(self, since: int) -> list[Entry]:
        found: list[Entry] = await self._ask("entries", since)
        return found

    async def monitoring(self) -> Any:
        return await self._ask("monitoring")

    async def size(self) -> int:
        size: int = await self._ask("size")
        return size

    async def record(self, drafts: Sequence[Draft]) -> list[Any]:
        answers: list[Any] = await self._ask("record", list(drafts))
        return answers

    async def _ask(self, method: str, *arguments: object) -> Any:
        async with self._turn:
            await asyncio.to_thread(self._connection.send, (method, arguments))
            return await asyncio.to_thread(self._connection.recv)


async def follow(socket: str, home: Path, number: int) -> None:
    """Until it is killed."""
    settings = Settings.from_environment({"FLEETWARD_HOME": str(home), "FLEETWARD_MONITOR_SAVE_SECONDS": "0"})

    async def nobody_scrapes(*_: object) -> None:
        await asyncio.Event().wait()

    vars(actor).update(GovernorClient=lambda _: Asking(socket, number), export_for_ever=nobody_scrapes)
    monitor = object.__new__(actor.Monitor)
    await monitor.__init__(settings, None, number)  # type: ignore[misc]  # as Ray does
    await monitor._task


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
