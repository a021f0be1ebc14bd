"""The monitor: follows the ledger, counts what its segments hold, and records ticks, findings and evidence."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import cache

import ray

from actors.follower import RETRY_SECONDS, GovernorClient
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import IntegrityError
from runtime.monitoring.fold import Monitor as MonitorFold
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.settings import Settings
from runtime.statistics.counting import warm_up
from runtime.storage.keyring import Keyring
from runtime.storage.keyring_errors import KeyringUnavailable
from runtime.storage.objects import ObjectMissing, ObjectStore

logger = logging.getLogger(__name__)


class Monitor:
    """Holds the fold of ``runtime.monitoring.fold``; a restart folds the ledger again from its beginning."""

    async def __init__(self, settings: Settings, own_key: str | None) -> None:  # type: ignore[misc]  # Ray awaits it
        store = ObjectStore.open(settings.store)
        # Opened when the first record of a data subject is met, and until then not needed.
        keyring = cache(lambda: Keyring.open(settings.subjects, lambda: datetime.now(UTC)))
        self._fold = MonitorFold(
            store.get,
            lambda digest: decisions_of(store, digest, lambda pseudonym: keyring().key_of(pseudonym)),
            lambda digest: outcomes_of(store, digest),
        )
        warm_up()  # counts meanwhile, more slowly
        self._done = 0
        self._own_key = own_key
        self._progress = asyncio.Condition()
        self._task = asyncio.create_task(self._follow())

    @ray.method
    async def caught_up(self, size: int) -> int:
        """Waits until all before entry ``size`` is taken in and what it led to is recorded; entries done."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= size or self._task.done())
        if self._task.done():
            self._task.result()  # a monitor that fell over says why, rather than nothing for ever
        return self._done

    async def _follow(self) -> None:
        governor = GovernorClient(self._own_key)
        try:
            while True:
                for entry in await governor.entries(self._fold.state.size):
                    drafts = await self._take(entry)
                    if drafts:
                        await governor.record(drafts)
                async with self._progress:
                    self._done = self._fold.state.size
                    self._progress.notify_all()
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _take(self, entry: Entry) -> list[Draft]:
        """The fold's answer to an entry; a store that is away is waited for, a corrupt segment is passed over."""
        while True:
            try:
                return await asyncio.to_thread(self._fold.apply, entry)
            except IntegrityError:
                logger.exception("entry %d names an object that is not what it says", entry.seq)
                return self._fold.apply_without_data(entry)
            except ObjectMissing as error:  # after a restart, of segments whose time was over meanwhile
                logger.warning("entry %d: %s; it is taken in without its data", entry.seq, error)
                return self._fold.apply_without_data(entry)
            except (OSError, KeyringUnavailable) as error:
                logger.warning("entry %d: %s; trying again", entry.seq, error)
                await asyncio.sleep(RETRY_SECONDS)
