"""What an explanation says, and the check without which none is given out.

inverse(base + sum of contributions) = output        for each row, within the method's tolerance
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.special import expit

from runtime.domain.errors import FleetwardError
from runtime.flavors import Floats


class Scale(StrEnum):
    """In what contributions add up: the output itself, or what its link makes the output of."""

    OUTPUT = "output"
    LOG_ODDS = "log_odds"
    LOG = "log"

    def to_output(self, raw: Floats) -> Floats:
        """Sums on this scale as outputs."""
        inverse: dict[Scale, Callable[[Floats], Any]] = {
            Scale.OUTPUT: np.asarray,
            Scale.LOG_ODDS: expit,
            Scale.LOG: np.exp,
        }
        return np.asarray(inverse[self](raw), dtype=np.float64)


class NotAdditive(FleetwardError):
    """Contributions do not add up to the output: the row, both values, and the gap that was allowed."""

    def __init__(self, method: str, row: int, total: float, output: float, tolerance: float) -> None:
        super().__init__(method, row, total, output, tolerance)
        self.method, self.row, self.total, self.output, self.tolerance = method, row, total, output, tolerance

    def __str__(self) -> str:
        gap = abs(self.total - self.output)
        return (
            f"{self.method} explains row {self.row} as {self.total!r} where the output is {self.output!r}: "
            f"a gap of {gap:.3g}, more than {self.tolerance:.3g}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Contributions by column, shape [rows] each, in units of ``scale``; valid once built.

    ``tolerance`` is relative to the output where that is above 1. ``seed`` is what the background (and the order of
    columns, where orders are sampled) was drawn with; None for a method that draws nothing.

    Raises ``NotAdditive``.
    """

    method: str
    scale: Scale
    base: float
    contributions: dict[str, Floats]
    outputs: Floats
    tolerance: float
    seed: int | None

    def __post_init__(self) -> None:
        raw = self.base + sum(self.contributions.values(), np.zeros(len(self.outputs)))
        totals = self.scale.to_output(raw)
        allowed = self.tolerance * np.maximum(1.0, np.abs(self.outputs))
        for row in np.flatnonzero(~(np.abs(totals - self.outputs) <= allowed)).tolist():
            raise NotAdditive(self.method, row, float(totals[row]), float(self.outputs[row]), float(allowed[row]))

    def as_document(self) -> dict[str, Any]:
        """Plain values; one object of contributions a row."""
        names = list(self.contributions)
        values = zip(*(column.tolist() for column in self.contributions.values()), strict=True)
        return {
            "method": self.method,
            "scale": self.scale.value,
            "base": self.base,
            "tolerance": self.tolerance,
            "seed": self.seed,
            "rows": [
                {"output": output, "contributions": dict(zip(names, row, strict=True))}
                for output, row in zip(self.outputs.tolist(), values, strict=True)
            ],
        }
