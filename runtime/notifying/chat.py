"""Mail and chat, through apprise (https://github.com/caronc/apprise), which is an extra: ``fleetward[notify]``.

The URLs of a channel hold passwords, so they stand in a file of mode 0600 of their own, one a line.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runtime.domain.errors import SettingsError
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.private_files import read_private
from runtime.notifying.message import text_lines
from runtime.notifying.subscriptions import Channel
from runtime.notifying.webhook import Undelivered


class AppriseSender:
    """One channel's, with a thread of its own: one that hangs holds up nobody else."""

    def __init__(self, channel: Channel) -> None:
        """Raises ``KeyUnusable``, and ``SettingsError`` where apprise is not installed or knows no such URL."""
        assert channel.apprise_file is not None  # noqa: S101 - checked where the channel was read
        try:
            from apprise import Apprise
        except ImportError as error:
            expected = "apprise, which is not installed: pip install 'fleetward[notify]'"
            raise SettingsError("apprise_file", str(channel.apprise_file), expected) from error
        self._channel = channel
        self._apprise = Apprise()
        try:
            lines = read_private(channel.apprise_file).decode().splitlines()
        except OSError as error:
            raise KeyUnusable(str(channel.apprise_file), error.strerror or "it cannot be read") from error
        urls = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        for number, url in enumerate(urls, start=1):
            if not self._apprise.add(url):
                place = f"{channel.apprise_file}, URL {number}"
                raise SettingsError("apprise_file", place, "a URL that apprise knows")
        if not urls:
            raise SettingsError("apprise_file", str(channel.apprise_file), "a URL a line")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"notify-{channel.name}")

    async def send(self, event: dict[str, Any], now: float) -> None:  # noqa: ARG002 - it is signed by nobody
        """Raises ``Undelivered``."""
        lines = text_lines(event)
        title = f"[{event['data']['severity']}] Fleetward: {event['subject']}"
        seconds = self._channel.timeout.total_seconds()
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._thread, lambda: self._apprise.notify(body="\n".join(lines), title=title))
        try:
            arrived = await asyncio.wait_for(call, seconds)
        except TimeoutError as error:
            raise Undelivered(self._channel.name, f"no answer within {seconds:g} s") from error
        if not arrived:
            raise Undelivered(self._channel.name, "a service did not take it; apprise's log says which")

    async def close(self) -> None:
        """Its thread; a call that hangs in it is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)
