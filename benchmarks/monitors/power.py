"""Checks from a change to its alarm, and whether the feature that changed is named first."""

from dataclasses import asdict, dataclass

import numpy as np
from monitors.detectors import delays
from monitors.world import Change, World

from runtime.statistics.detector import DetectorPlan

BASELINES = 20
ROOT_CAUSE_REACH = 0.95


@dataclass(frozen=True)
class Case:
    """A change, the rows of a check, and the mean delay to reach (None: none was set)."""

    name: str
    change: Change
    rows: int = 1000
    reach: float | None = None


NUMBER, GAPPED, CATEGORY = 3, 26, 31
CASES = (
    Case("mean .05 sigma", Change((NUMBER,), shift=0.05)),
    Case("mean .1 sigma", Change((NUMBER,), shift=0.1), reach=7),
    Case("mean .25 sigma", Change((NUMBER,), shift=0.25), reach=2),
    Case("mean .5 sigma", Change((NUMBER,), shift=0.5)),
    Case("mean .25 sigma, 100 rows", Change((NUMBER,), shift=0.25), rows=100),
    Case("mean .5 sigma, 100 rows", Change((NUMBER,), shift=0.5), rows=100),
    Case("sd x1.2", Change((NUMBER,), scale=1.2)),
    Case("missing 2% to 3%", Change((GAPPED,), gap=0.03), reach=10),
    Case("top category x1.2", Change((CATEGORY,), top=1.2), reach=8),
    Case("3 of 35", Change((NUMBER, GAPPED, CATEGORY), shift=0.15, gap=0.03, top=1.2)),
)


def run(case: Case, reference_rows: int, models: int, seed: int) -> dict[str, object]:
    """Models spread over a few baselines; ``named_first``: how often the first feature is one that changed."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(BASELINES):
        world = World(rng, reference_rows)
        plan = DetectorPlan.build(world.profile)
        found += list(delays(world, plan, case.change, models // BASELINES, rows=case.rows))
    checks = np.array([check for check, _ in found])
    first = float(np.mean([bool(ranked) and ranked[0] in case.change.features for _, ranked in found]))
    return {
        "change": case.name,
        "of": asdict(case.change),
        "rows": case.rows,
        "reference_rows": reference_rows,
        "models": len(found),
        "mean_checks": round(float(checks.mean()), 2),
        "p95_checks": round(float(np.quantile(checks, 0.95)), 1),
        "named_first": round(first, 4),
        "reach": case.reach,
        "reached": first >= ROOT_CAUSE_REACH and (case.reach is None or float(checks.mean()) <= case.reach),
    }
