"""Many detectors on one plan, side by side, by the product's own update: what runs of years are made of."""

from collections.abc import Iterator

import numpy as np
from monitors.world import ROWS, Change, World

from runtime.statistics.detector import DetectorPlan, DetectorState, advance, scores


class SideBySide:
    """``many`` independent models in the same state of the world, each with its own evidence."""

    def __init__(self, plan: DetectorPlan, many: int) -> None:
        self.plan = plan
        fresh = DetectorState.fresh(plan)
        self.log_r = np.repeat(fresh.log_r[None], many, axis=0)
        self.learned = np.repeat(fresh.learned[None], many, axis=0)

    def tick(self, flat: np.ndarray, rows: int = ROWS) -> np.ndarray:
        """ln(w S) of each model and feature after one more tick."""
        each = np.full(flat.shape[0], float(rows))
        self.log_r, self.learned = advance(self.plan, self.log_r, self.learned, flat, each)
        return scores(self.plan, self.log_r)

    def reset(self, which: np.ndarray) -> None:
        self.log_r[which] = -np.inf
        self.learned[which] = 0


def alarms(world: World, plan: DetectorPlan, models: int, ticks: int) -> int:
    """False alarms of unchanged models, each reset after its alarm."""
    group, found = SideBySide(plan, models), 0
    for _ in range(ticks):
        evidence = np.logaddexp.reduce(group.tick(world.ticks(models)), axis=1)
        alarmed = evidence >= plan.threshold
        if alarmed.any():
            found += int(alarmed.sum())
            group.reset(alarmed)
    return found


def delays(
    world: World, plan: DetectorPlan, change: Change, models: int, *, rows: int = ROWS, most: int = 200
) -> Iterator[tuple[int, list[int]]]:
    """(checks until the alarm, features by evidence) of each model; ``most`` without an alarm by then.

    Twenty unchanged checks go before: a healthy past is part of every delay.
    """
    group = SideBySide(plan, models)
    for _ in range(20):
        group.tick(world.ticks(models, rows=rows), rows)
    waiting = np.ones(models, dtype=bool)
    for check in range(1, most):
        parts = group.tick(world.ticks(models, change, rows), rows)
        alarmed = waiting & (np.logaddexp.reduce(parts, axis=1) >= plan.threshold)
        for model in np.flatnonzero(alarmed):
            yield check, np.argsort(-parts[model], kind="stable").tolist()
        waiting &= ~alarmed
        if not waiting.any():
            return
    for _ in range(int(waiting.sum())):
        yield most, []
