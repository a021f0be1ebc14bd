"""A monitor: follows the ledger, counts what its segments hold, and records ticks, findings and evidence.

Several share the fleet's models by name. Each saves what it knows now and then, after the entries of a closed tick are
recorded and never before, and starts from its newest save:

    start, or another number of monitors     the newest save that fits -> the fold goes on from there
    watermark_advanced                       findings, ticks_closed -> recorded; then, if it is time, saved:
                                             object in the store -> monitor_saved -> older objects are deleted
    monitors_set, of another number          saved as of just before it; when all have, each takes what is now its own

Killed anywhere in this it does again what it may have done already: drafts have the same keys, objects the same names.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from functools import cache

import ray

from actors.follower import RETRY_SECONDS, GovernorClient
from actors.metrics import export_for_ever
from runtime.domain.base import Document
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import IntegrityError
from runtime.domain.events import MonitorSaved, MonitorsSet, WatermarkAdvanced
from runtime.domain.ids import derived_id
from runtime.domain.state import MonitorSave
from runtime.monitoring.fold import MONITOR
from runtime.monitoring.fold import Monitor as MonitorFold
from runtime.monitoring.measured import watch_samples
from runtime.monitoring.resuming import Known, resume
from runtime.monitoring.saved import pack
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.monitoring.shards import Shard
from runtime.settings import Settings
from runtime.statistics.counting import warm_up
from runtime.storage.keyring import Keyring
from runtime.storage.keyring_errors import KeyringUnavailable
from runtime.storage.objects import ObjectMissing, ObjectStore, StoreUnavailable
from runtime.telemetry import families
from runtime.telemetry.samples import Sample

logger = logging.getLogger(__name__)

AWAY = (OSError, KeyringUnavailable, StoreUnavailable)
"""What passes by itself: it is tried again."""
HANDING_OVER_SECONDS = 60.0
"""How long the saves of the other monitors are waited for; without them segments are read again."""


class Standing(Document):
    """How far a monitor is: it has taken in ``done`` of the ledger's ``size`` entries.

    ``resumed``: of how many entries the save was that it started from. ``saved``: of how many its newest one is.
    """

    monitor: int
    monitors: int
    models: int
    done: int
    size: int
    resumed: int
    saved: int

    @property
    def lag(self) -> int:
        """Entries it has yet to take in. Nothing of them is lost: it reads when it can."""
        return max(self.size - self.done, 0)


class Monitor:
    """Holds a fold of ``runtime.monitoring.fold``, as the module's docstring says."""

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self, settings: Settings, own_key: str | None, monitor: int = 0
    ) -> None:
        self._store = ObjectStore.open(settings.store)
        # Opened when the first record of a data subject is met, and until then not needed.
        self._keyring = cache(lambda: Keyring.open(settings.subjects, lambda: datetime.now(UTC)))
        self._monitor, self._save_every = monitor, settings.monitor_save_seconds
        self._governor = GovernorClient(own_key)
        warm_up()  # counts meanwhile, more slowly
        self._done = self._resumed = self._saved = self._heard = 0
        self._saved_at = time.monotonic()
        self._fold = await self._resume()
        self._progress = asyncio.Condition()
        self._folding = asyncio.Lock()
        self._task = asyncio.create_task(self._follow())
        self._exporting = asyncio.create_task(export_for_ever(self._measured))

    @ray.method
    async def caught_up(self, size: int) -> int:
        """Waits until all before entry ``size`` is taken in and what it led to is recorded; entries done."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= size or self._task.done())
        if self._task.done():
            self._task.result()  # a monitor that fell over says why, rather than nothing for ever
        return self._done

    @ray.method
    async def standing(self) -> Standing:
        """How far it is, and where it started."""
        return Standing(
            monitor=self._monitor,
            monitors=self._fold.shard.monitors,
            models=len(self._fold.watches),
            done=self._done,
            size=await self._governor.size(),
            resumed=self._resumed,
            saved=self._saved,
        )

    async def _follow(self) -> None:
        try:
            while True:
                for entry in await self._governor.entries(self._fold.state.size):
                    if isinstance(entry.event, MonitorsSet) and entry.seq >= self._heard:
                        await self._hand_over(entry.seq)
                        break
                    async with self._folding:
                        drafts = await self._take(entry)
                    await self._store_evidence()
                    if drafts:
                        await self._governor.record(drafts)
                    await self._keep(entry)
                async with self._progress:
                    self._done = self._fold.state.size
                    self._progress.notify_all()
        finally:
            async with self._progress:
                self._progress.notify_all()

    async def _store_evidence(self) -> None:
        """Puts what the drafts name by digest where they say; a store that is away is waited for."""
        for document in self._fold.evidence:
            while True:
                try:
                    await asyncio.to_thread(self._store.put, document)
                    break
                except AWAY as error:
                    logger.warning("evidence of a finding: %s; trying again", error)
                    await asyncio.sleep(RETRY_SECONDS)

    async def _measured(self) -> list[Sample]:
        """What it knows of its models, between two entries."""
        async with self._folding:
            known = await asyncio.to_thread(lambda: list(watch_samples(self._fold.watches)))
        return [*known, Sample(families.TAKEN_IN, (), self._fold.state.size)]

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
            except AWAY as error:
                logger.warning("entry %d: %s; trying again", entry.seq, error)
                await asyncio.sleep(RETRY_SECONDS)

    # --- saving and starting -----------------------------------------------------------------------

    async def _keep(self, entry: Entry) -> None:
        """Saves what is known when a tick was closed and it is time, and deletes what is outdated."""
        is_time = time.monotonic() - self._saved_at >= self._save_every
        if isinstance(entry.event, WatermarkAdvanced) and is_time:
            await self._save()
        outdated, self._fold.outdated = self._fold.outdated, []
        for digest in outdated:
            try:
                await asyncio.to_thread(self._store.delete, digest)
            except AWAY as error:
                logger.warning("a save that nobody needs stays in the store: %s", error)

    async def _save(self) -> None:
        """Saves what is known of the entries so far; a store that is away is passed over, till the next time."""
        fold = self._fold
        if not fold.is_even:
            return
        self._saved_at = time.monotonic()
        try:
            digest = await asyncio.to_thread(
                lambda: self._store.put(pack(fold.shard, fold.state.size, fold.watches.values()))
            )
        except AWAY as error:
            logger.warning("what is known of %d entries was not saved: %s", fold.state.size, error)
            return
        shard, size = fold.shard, fold.state.size
        event = MonitorSaved(
            monitor=shard.monitor, monitors=shard.monitors, size=size, digest=digest, watched=len(fold.watches)
        )
        key = derived_id("monitor saved", shard.monitor, shard.monitors, size, digest)
        await self._governor.record([Draft(event, MONITOR, key)])
        self._saved = size

    async def _hand_over(self, seq: int) -> None:
        """Saves what is known just before entry ``seq``, which sets another number of monitors, and starts again."""
        former = self._fold.shard
        if former.monitor < former.monitors:
            await self._save()
        ends = time.monotonic() + HANDING_OVER_SECONDS
        while time.monotonic() < ends:
            saves = (await self._governor.monitoring()).saves
            others = [saves.get(key) for key in MonitorSave.keys_of(former.monitors)]
            if all(save is not None and save.size >= seq for save in others):
                break
            await asyncio.sleep(RETRY_SECONDS)
        self._fold = await self._resume()

    async def _resume(self) -> MonitorFold:
        """A fold of the monitor's present models that knows what was saved of them."""
        while True:
            monitoring = await self._governor.monitoring()
            shard = Shard(self._monitor, monitoring.monitors)
            try:
                known = await asyncio.to_thread(resume, monitoring.saves, shard, self._store.get)
            except AWAY as error:
                logger.warning("what was saved cannot be read: %s; trying again", error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._resumed, self._heard = known.start, monitoring.size
                return self._a_fold(shard, known)

    def _a_fold(self, shard: Shard, known: Known) -> MonitorFold:
        return MonitorFold(
            self._store.get,
            lambda digest: decisions_of(self._store, digest, lambda name: self._keyring().key_of(name), shard.owns),
            lambda digest: outcomes_of(self._store, digest, shard.owns),
            shard,
            known,
        )
