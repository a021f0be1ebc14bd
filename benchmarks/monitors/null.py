"""False alarms of models that do not change: simulated counts, the product's own detector, many baselines.

Of what follows nothing is extrapolated: each of the days is played, check by check, and its alarms are counted.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np
from monitors.detectors import alarms
from monitors.world import CHECKS_A_DAY, World

from runtime.statistics.detector import DetectorPlan
from runtime.statistics.tolerance import estimate_delta0

REACH = 1 / 1000
DAYS_EACH = 4
MODELS = 50
"""Models on one baseline, each for ``DAYS_EACH`` days."""
HELD_OUT_TICKS = 7 * CHECKS_A_DAY


@dataclass(frozen=True)
class Case:
    """Rows of the baseline, and the spread of every feature's mean from check to check (in sigmas)."""

    reference_rows: int
    batch_sigma: float


CASES = (Case(10_000, 0.0), Case(100_000, 0.0), Case(1_000_000, 0.0), Case(10_000, 0.05), Case(100_000, 0.05))


def plan_of(world: World) -> DetectorPlan:
    """As a model with held-out ticks of a week has it: delta0 is estimated, whether there are batch effects or not."""
    held_out = [world.counts(flat) for flat in world.ticks(HELD_OUT_TICKS)]
    return DetectorPlan.build(world.profile, delta0=estimate_delta0(world.profile, held_out))


def run(case: Case, model_days: int, seed: int) -> dict[str, object]:
    """Plays so many model-days, 200 to a baseline."""
    rng, start = np.random.default_rng(seed), time.process_time()
    baselines, found, delta0 = max(1, model_days // (MODELS * DAYS_EACH)), 0, []
    for _ in range(baselines):
        world = World(rng, case.reference_rows, case.batch_sigma)
        plan = plan_of(world) if case.batch_sigma else DetectorPlan.build(world.profile)
        delta0.append(float(np.median(plan.tolerances)))
        found += alarms(world, plan, MODELS, DAYS_EACH * CHECKS_A_DAY)
    days = baselines * MODELS * DAYS_EACH
    return asdict(case) | {
        "model_days": days,
        "baselines": baselines,
        "delta0_median": round(float(np.median(delta0)), 4),
        "false_alarms": found,
        "per_1000_model_days": round(1000 * found / days, 3),
        "reached": found / days <= REACH,
        "cpu_s": round(time.process_time() - start, 1),
    }
