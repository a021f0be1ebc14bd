"""Where a monitor starts: what was saved of its models, by itself or by those that had them before.

    what the ledger says was saved, newest first        one's own save; or all saves of another number of monitors
    is it whole, of this version, and of this monitor?  else a warning, and the one before it
    nothing fits                                        all segments are read again, from the first entry on

Each save knows the entries before its ``size``; of a model that was in another save, another number. So each model goes
on from where its own former monitor left it, and nothing of it is counted twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from runtime.domain.errors import IntegrityError
from runtime.domain.state import MonitorSave
from runtime.monitoring.saved import Saved, unpack
from runtime.monitoring.shards import Shard, owner
from runtime.monitoring.watch import Watch
from runtime.statistics.errors import CorruptState
from runtime.storage.objects import ObjectMissing

logger = logging.getLogger(__name__)

Claims = tuple[tuple[Shard, str], ...]
"""Whose saves, and their digests."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was saved: watches by model, and how many entries each of ``monitors`` knew; nothing by default."""

    watches: Mapping[str, Watch] = field(default_factory=dict)
    monitors: int = 1
    sizes: Mapping[int, int] = field(default_factory=dict)

    def since(self, model: str) -> int:
        """The first entry that the model's watch does not know."""
        return self.sizes.get(owner(model, self.monitors), 0)

    @property
    def start(self) -> int:
        """The first entry that some watch does not know: none before it need be read."""
        return min(self.sizes.values(), default=0)


def resume(saves: Mapping[str, MonitorSave], shard: Shard, read_object: Callable[[str], bytes]) -> Known:
    """What the monitor knows at its start. Raises what a store that is away raises; then it may be asked again."""
    for claims in candidates(saves, shard):
        try:
            return _known([_read(claim, shard, read_object) for claim in claims])
        except (CorruptState, IntegrityError, ObjectMissing) as error:
            logger.warning("a save of monitor state is passed over: %s", error)
    return Known()


def candidates(saves: Mapping[str, MonitorSave], shard: Shard) -> Iterator[Claims]:
    """Sets of saves that hold all of the monitor's models, those first that know more entries."""
    own = saves.get(MonitorSave.key_of(shard.monitors, shard.monitor))
    sets: list[tuple[MonitorSave, ...]] = [] if own is None else [(own,)]
    for monitors in {save.monitors for save in saves.values()} - {shard.monitors}:
        found = tuple(saves[key] for key in MonitorSave.keys_of(monitors) if key in saves)
        if len(found) == monitors:
            sets.append(found)
    for chosen in sorted(sets, key=lambda each: -min(save.size for save in each)):
        yield tuple((Shard(save.monitor, save.monitors), save.digest) for save in chosen)
    if own is not None and own.before:
        yield ((shard, own.before),)


def _read(claim: tuple[Shard, str], shard: Shard, read_object: Callable[[str], bytes]) -> Saved:
    whose, digest = claim
    saved = unpack(read_object(digest), owns=shard)
    if saved.shard != whose:
        raise CorruptState("the monitor", str(whose), str(saved.shard))
    return saved


def _known(saves: list[Saved]) -> Known:
    watches = {model: watch for saved in saves for model, watch in saved.watches.items()}
    sizes = {saved.shard.monitor: saved.size for saved in saves}
    return Known(watches, saves[0].shard.monitors, sizes)
