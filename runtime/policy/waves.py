"""A batch of challengers in waves: which of them may start now, and when the later ones are stopped.

    order    models of the batch by a hash of batch and name: nobody's models are always the first
    wave     begins when every challenger of the waves before it came to its end
    stop     when more of a wave's challengers were ended than the spec allows; an entry says so, and people may go on

First versions have nobody to be compared with, and wait for no wave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

from runtime.domain import events as e
from runtime.domain.ids import derived_id
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.state import FleetState
from runtime.domain.waves import Waves


class Fate(Enum):
    """What became of one challenger of a batch."""

    OPEN = auto()
    GOOD = auto()
    FALLEN = auto()
    OUT = auto()
    """It is not to be rolled out: refused, retired, or overtaken by a newer one."""


@dataclass(slots=True)
class Standing:
    """How the waves of one batch stand. ``waves`` are names in order; ``fates`` by model."""

    spec: str
    batch: str
    waves: list[list[str]]
    fates: dict[str, Fate]
    stop_at: float

    def wave_of(self, model: str) -> int:
        """Counted from 0."""
        return next(at for at, wave in enumerate(self.waves) if model in wave)

    def may_start(self, model: str) -> bool:
        """Whether all waves before the model's came to their end."""
        before = self.waves[: self.wave_of(model)]
        return not any(self.fates[each] is Fate.OPEN for wave in before for each in wave)

    def bad_before(self, model: str) -> e.WavesStopped | None:
        """The first wave before the model's that ended badly, as what stops the later ones."""
        for at, wave in enumerate(self.waves[: self.wave_of(model)]):
            judged = [each for each in wave if self.fates[each] is not Fate.OUT]
            fallen = tuple(sorted(each for each in wave if self.fates[each] is Fate.FALLEN))
            if fallen and len(fallen) > self.stop_at * len(judged):
                return e.WavesStopped(
                    spec=self.spec,
                    batch=self.batch,
                    wave=at + 1,
                    fallen=fallen,
                    of=len(judged),
                    reason=f"{len(fallen)} of {len(judged)} challengers of wave {at + 1} of {len(self.waves)} were "
                    f"ended, where {self.stop_at:.0%} is allowed",
                )
        return None


@dataclass(slots=True)
class WaveBook:
    """The waves of all batches of one state, each looked at once."""

    state: FleetState
    known: dict[tuple[str, str], Standing] = field(default_factory=dict)
    stops: dict[str, e.WavesStopped] = field(default_factory=dict)

    def may_start(self, model: ModelState, version: VersionState) -> bool:
        """Whether the version's rollout may begin, as far as waves go; a stop that is due is kept in ``stops``."""
        waves = self.state.spec_of(model).waves
        if waves is None or model.champion is None:
            return True
        batch = version.registered.batch
        if self.state.waves.get(batch):
            return False
        standing = self._standing(model.spec, batch, waves)
        if batch not in self.state.waves:
            bad = standing.bad_before(model.name)
            if bad is not None:
                self.stops[batch] = bad
                return False
        return standing.may_start(model.name)

    def _standing(self, spec: str, batch: str, waves: Waves) -> Standing:
        key = (spec, batch)
        if key not in self.known:
            fates = dict(self._fates(spec, batch))
            order = sorted(fates, key=lambda name: derived_id("wave", batch, name))
            bounds = (0, *waves.bounds(len(order)))
            cut = [order[start:end] for start, end in pairwise(bounds)]
            self.known[key] = Standing(spec, batch, cut, fates, waves.stop_at)
        return self.known[key]

    def _fates(self, spec: str, batch: str) -> Iterator[tuple[str, Fate]]:
        begun = self.state.batches.get(batch)
        if begun is None:
            names = [model.name for model in self.state.models.values() if model.spec == spec]
        else:
            names = [name for name in begun.models if name in self.state.models]
        for name in names:
            model = self.state.models[name]
            mine = next((each for each in model.versions.values() if each.registered.batch == batch), None)
            if mine is not None and mine.number > min(model.versions):
                yield name, _fate(model, mine)
            elif begun is not None:
                yield name, Fate.OUT if begun.finished or mine is not None else Fate.OPEN


_GOOD = frozenset({Status.CHAMPION, Status.SUPERSEDED})
_GONE = frozenset({Status.REFUSED, Status.RETIRED})


def _fate(model: ModelState, version: VersionState) -> Fate:
    if version.status is Status.ROLLED_BACK:
        return Fate.FALLEN
    if version.status in _GOOD:
        return Fate.GOOD
    idle = version.status is Status.APPROVED and not _is_in_rollout(model, version)
    overtaken = idle and any(each.number > version.number and each.approval is not None for each in _versions(model))
    if version.status in _GONE or model.retired or model.suspended or overtaken or (idle and version.signed is None):
        return Fate.OUT
    return Fate.OPEN


def _is_in_rollout(model: ModelState, version: VersionState) -> bool:
    return model.rollout is not None and model.rollout.version == version.number


def _versions(model: ModelState) -> Iterator[VersionState]:
    yield from model.versions.values()
