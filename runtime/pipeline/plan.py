"""How a window of rows is used: which rows judge, and how much the others weigh.

First versions are judged on the newest share of their rows, as they will be used: on what comes after.

    |--------- training -----------------------------|-- holdout --|                          in order of time

Challengers are made because the data moved lately. Judged on a newest stretch alone, a sibling would know nothing of
what moved, lose against the median, and the change would be refused again and again; so its judging days alternate
with training days in the stretch where the change is (``retrain.holdout``).

    |--------- training -------------|t|h|t|h|t|h|t|h|t|h|t|h|                               in order of time

The price: a judging day has training days as neighbours, so the holdout is a little kind to the challenger. The
shadow and canary steps of the rollout, on rows that came later, are not.

With ``data.split`` rows are not parted by time but as chance deals them out, or values of a column: see ``splits.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from runtime.domain.data import Split
from runtime.domain.errors import DataError, TooFewRows
from runtime.domain.schema import Task
from runtime.domain.spec import Spec
from runtime.domain.watched import Alternating
from runtime.flavors import Floats
from runtime.pipeline.rows import Rows
from runtime.pipeline.splits import cuts, ordered

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


@dataclass(frozen=True)
class Plan:
    """For all models of one build. ``as_of`` is needed where days alternate or rows age."""

    folds: int
    share: float
    as_of: datetime | None = None
    alternating: Alternating | None = None
    half_life: timedelta | None = None
    split: Split | None = None
    classes: bool = False

    @classmethod
    def first(cls, spec: Spec) -> Self:
        """For a model's first versions."""
        return cls(spec.train.folds, spec.train.holdout, split=spec.data.split, classes=_has_classes(spec))

    @classmethod
    def challenger(cls, spec: Spec, as_of: datetime) -> Self:
        """For versions that are to replace a champion."""
        return replace(cls.first(spec), as_of=as_of, alternating=spec.retrain.holdout, half_life=spec.retrain.half_life)

    def arrange(self, where: str, rows: Rows) -> tuple[Rows, int]:
        """The rows with those that judge at the end, both parts in the split's order; and where those begin.

        Raises ``TooFewRows`` if a fold or the holdout would be empty, ``DataError`` if no row may be parted from the
        others.
        """
        if self.alternating is None:
            return self._parted(where, rows)
        held = self._held(rows)
        training, judging = np.flatnonzero(~held), np.flatnonzero(held)
        needed = 2 * (self.folds + 1)
        # Whether a day judges is the calendar's matter, so a number of rows in all would say nothing.
        if not len(judging):
            raise TooFewRows(f"{where}, on its judging days", 0, 1)
        if len(training) < needed:
            raise TooFewRows(f"{where}, to train on", len(training), needed)
        return rows.take(np.concatenate((training, judging))), len(training)

    def cut(self, training: Rows, folds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Folds of arranged rows, each moved to where rows may be parted; fewer where that leaves some empty."""
        ends = sorted(set(cuts(training, self.split, [end for end, _ in folds])))
        return list(zip(ends, [*ends[1:], len(training)], strict=True))

    def weights(self, rows: Rows) -> Floats | None:
        """What a row counts, [rows]: half as much for each half-life of age. ``None``: all alike."""
        if self.half_life is None or self.as_of is None:
            return None
        age = (self.as_of - _EPOCH) // _MICROSECOND - rows.time
        weights: Floats = np.exp2(-age / (self.half_life / _MICROSECOND))
        return weights

    def _parted(self, where: str, rows: Rows) -> tuple[Rows, int]:
        """The split's order, cut where the holdout's share begins."""
        needed, at = 2 * (self.folds + 1), len(rows) - max(1, round(len(rows) * self.share))
        if at < needed:
            raise TooFewRows(where, len(rows), math.ceil(needed / (1 - self.share)) + 1)
        arranged = ordered(rows, self.split, classes=self.classes)
        (at,) = cuts(arranged, self.split, [at])
        if at < needed:
            raise DataError(where, f"{at} of {len(rows)} rows are left to train on, fewer than the {needed} required")
        return arranged, at

    def _held(self, rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if self.alternating is None or self.as_of is None:
            raise ValueError("days alternate before a moment")
        since = (self.as_of - self.alternating.of_last - _EPOCH) // _MICROSECOND
        held: np.ndarray[tuple[int], np.dtype[np.bool_]] = (rows.time >= since) & (
            rows.time // _DAY % self.alternating.every == 0
        )
        return held


def _has_classes(spec: Spec) -> bool:
    return spec.task is Task.CLASSIFICATION
