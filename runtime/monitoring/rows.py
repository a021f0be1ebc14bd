"""Rows of segments in the shape the monitor counts them: columns a request-independent batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from runtime.domain.decision import Variant
from runtime.domain.schema import Schema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answered:
    """Who asked for a row, of what time it is, when and how it was answered. ``failed``: refused, or by no number.

    Times are in microseconds since 1970.
    """

    row: int
    caller: str
    time_us: int
    event_time_us: int
    latency_us: int
    failed: bool


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """Decisions of one version and variant: ``numbers`` [rows, numeric columns], ``texts`` [rows, text columns]."""

    model: str
    version: int
    variant: Variant
    keys: list[tuple[str, int]]
    numbers: npt.NDArray[np.float64]
    texts: npt.NDArray[np.object_]
    outputs: list[float]
    erased: bool = False
    """Their data subjects are erased: there are outputs, and no inputs (both arrays are empty)."""
    times: npt.NDArray[np.int64] | None = None
    """The data's own time of each row, in microseconds since 1970; None where a row's time does not matter."""
    answers: list[Answered] = field(default_factory=list)

    def columns(self, schema: Schema, wanted: Collection[str]) -> dict[str, npt.ArrayLike]:
        """Feature columns by name, those of ``wanted`` (a baseline's features) that the schema has."""
        found: dict[str, npt.ArrayLike] = {}
        for index, name in enumerate(schema.numbers):
            found[name] = self.numbers[:, index]
        for index, name in enumerate(schema.texts):
            found[name] = self.texts[:, index]
        found[schema.outputs[0].name] = np.asarray(self.outputs)
        return {name: found[name] for name in wanted if name in found}

    def without(self, known: Callable[[tuple[str, int]], bool]) -> DecisionRows:
        """The rows whose keys are not known: a request that was sent again is counted once."""
        first = {key: index for index, key in reversed(list(enumerate(self.keys)))}
        fresh = [index for index, key in enumerate(self.keys) if first[key] == index and not known(key)]
        if len(fresh) == len(self.keys):
            return self
        return replace(
            self,
            keys=[self.keys[index] for index in fresh],
            numbers=self.numbers if self.erased else self.numbers[fresh],
            texts=self.texts if self.erased else self.texts[fresh],
            outputs=[self.outputs[index] for index in fresh],
            times=None if self.times is None else self.times[fresh],
            answers=[self.answers[index] for index in fresh] if self.answers else [],
        )

    def before(self, moment: datetime | None) -> int:
        """How many rows are of a time before this one."""
        if self.times is None or moment is None:
            return 0
        return int(np.count_nonzero(self.times < (moment - _EPOCH) // timedelta(microseconds=1)))


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """Outcomes of one model: (decision id, row, actual)."""

    model: str
    rows: list[tuple[str, int, float]]
