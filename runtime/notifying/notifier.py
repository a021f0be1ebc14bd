"""The notifier: follows the ledger and delivers, each channel by itself, so that one that hangs holds up no other.

    ledger -> follower -> outbox -> channel ops        try, wait, try again ... dead
                                 -> channel planners   ...

It is a process of its own that reads the ledger's database, and any process may die at any moment: what was taken in
is on disk. A message may arrive twice, under one id; none is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from runtime.ledger.errors import LedgerUnavailable
from runtime.notifying.chat import AppriseSender
from runtime.notifying.following import Follower
from runtime.notifying.message import digest
from runtime.notifying.outbox import Message, Outbox
from runtime.notifying.subscriptions import Channel, Notify
from runtime.notifying.webhook import Sender, Undelivered, WebhookSender

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 600.0
AT_ONCE = 200
"""Messages of a channel that are looked at together; a digest has at most so many."""


def sender_of(channel: Channel) -> Sender:
    """Raises ``KeyUnusable`` and ``SettingsError``."""
    return WebhookSender(channel) if channel.webhook is not None else AppriseSender(channel)


def senders_of(notify: Notify) -> dict[str, Sender]:
    """By channel. Raises as ``sender_of``."""
    return {channel.name: sender_of(channel) for channel in notify.channels}


class Notifier:
    """See the module's docstring."""

    def __init__(
        self,
        follower: Follower,
        outbox: Outbox,
        notify: Notify,
        senders: Mapping[str, Sender],
        clock: Callable[[], float] = time.time,
        origin: str = "",
    ) -> None:
        self._follower, self._outbox, self._notify, self._senders = follower, outbox, notify, senders
        self._clock, self._origin = clock, origin

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is stopped. Raises what no further try can mend, such as ``LedgerCorrupt``."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(stop))
                for channel in self._notify.channels:
                    tasks.create_task(self._serve(channel, stop))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            for sender in self._senders.values():
                await sender.close()

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                taken = await asyncio.to_thread(self._follower.step, self._clock())
            except (LedgerUnavailable, OSError) as error:
                logger.warning("the ledger cannot be read: %s; trying again", error)
                taken = 0
            if not taken:
                await _pause(stop, LOOK_SECONDS)

    async def _serve(self, channel: Channel, stop: asyncio.Event) -> None:
        while not stop.is_set():
            due = await asyncio.to_thread(self._outbox.due, channel.name, self._clock(), AT_ONCE)
            for together in _gathered(due):
                if stop.is_set():
                    return
                await self._deliver(channel, together)
            if not due:
                await _pause(stop, LOOK_SECONDS)

    async def _deliver(self, channel: Channel, messages: list[Message]) -> None:
        now = self._clock()
        one = messages[0].event
        if messages[0].digest:
            one = digest([each.event for each in messages], origin=self._origin, now=datetime.fromtimestamp(now, UTC))
        try:
            await self._senders[channel.name].send(one, now)
        except Undelivered as error:
            await asyncio.to_thread(self._fail, channel, messages, error)
        else:
            await asyncio.to_thread(self._outbox.delivered, messages)

    def _fail(self, channel: Channel, messages: list[Message], error: Undelivered) -> None:
        tried = messages[0].attempts + 1
        if error.is_final or tried >= channel.attempts:
            logger.warning("%s; given up after %d tries, kept as dead: %s", error, tried, messages[0].id)
            self._outbox.failed(messages, error.reason, None)
            return
        logger.info("%s; try %d of %d", error, tried, channel.attempts)
        self._outbox.failed(messages, error.reason, self._clock() + pause_of(channel, tried))


def pause_of(channel: Channel, tried: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try: twice as long after each, ten minutes at most, a third of it by chance."""
    longest = min(channel.backoff.total_seconds() * 2.0 ** (tried - 1), LONGEST_PAUSE_SECONDS)
    return longest * (2 + chance()) / 3


def _gathered(due: Iterable[Message]) -> list[list[Message]]:
    """What goes out together: a digest's messages, in as many tries; all others alone."""
    digests: dict[tuple[float, int], list[Message]] = {}
    alone: list[list[Message]] = []
    for each in due:
        if each.digest:
            digests.setdefault((each.digest, each.attempts), []).append(each)
        else:
            alone.append([each])
    return [*alone, *digests.values()]


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Until it is stopped, or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
