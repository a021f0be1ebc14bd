"""How long it takes to try a policy on 90 days of 200 models, from ledger and segments, and what it takes of memory.

The ledger is written by the product itself (tests/unit/backtest/lived.py): governor's writer, monitor and operator's
plan over sealed segments, 50 decisions a model a day with their outcomes, every fourth model going wrong at some time.
One policy overrides retraining alone and shares the monitor with history; the other sets thresholds of its own, and
the past is monitored twice. It runs in as many processes as there are cores, as the command does. Wall-clock seconds
are what counts where the machine does nothing else; the processor's, of all processes together, are told beside.

    python benchmarks/backtest.py [--models 200] [--days 90] [--rows 50]
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from jobs.cli.trying import past_and_recorded  # noqa: E402
from runtime.backtest.parts import parted  # noqa: E402
from runtime.domain.policy_document import PolicyDocument  # noqa: E402
from runtime.settings import Settings  # noqa: E402
from runtime.statistics.counting import warm_up  # noqa: E402
from tests.unit.backtest.lived import Fleet  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "backtest.json"
REACH_SECONDS = 60.0
POLICIES: dict[str, dict[str, object]] = {
    "retraining": {"retrain": {"degraded_by": 0.5}},
    "thresholds": {"monitor": {"false_alarm_every": 20_000}, "retrain": {"degraded_by": 0.5}},
}


def bias(model: int, day: int) -> float:
    """Every fourth model errs by more from a day of its own on, and by more yet a month later."""
    if model % 4:
        return 0.0
    begins = 20 + model % 30
    return 0.0 if day < begins else 12.0 if day < begins + 30 else 25.0


def tried(fleet: Fleet, days: int, rules: dict[str, object]) -> dict[str, object]:
    """One policy, from the first entry to the report."""
    policy = PolicyDocument.model_validate({"kind": "policy", "name": "tried", "about": "a benchmark"} | rules)
    opened = partial(past_and_recorded, fleet.database, fleet.folder, Settings.from_environment(), fleet.log.size)
    before, wall = _processor_seconds(), time.perf_counter()
    report = parted(opened, policy, timedelta(days=days), ("*",), os.cpu_count() or 1)
    seconds, took = _processor_seconds() - before, time.perf_counter() - wall
    assert report.reproduced.differing == 0, report.reproduced.differences[:3]
    return {
        "cpu_seconds": round(seconds, 1),
        "wall_seconds": round(took, 1),
        "decisions_made_again": report.reproduced.checked.total(),
        "left_history": len(report.left),
        "reached": took <= REACH_SECONDS,
    }


def _processor_seconds() -> float:
    """Of this process and of those that it started and that ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("models", 200), ("days", 90), ("rows", 50)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder), asked.models, bias, rows=asked.rows)
        fleet.live(range(asked.days))
        print(f"lived: {fleet.log.size} entries", flush=True)
        found = {name: tried(fleet, asked.days, rules) for name, rules in POLICIES.items()}
        result = {
            "benchmark": "backtest",
            "models": asked.models,
            "days": asked.days,
            "processes": os.cpu_count(),
            "decisions": asked.models * asked.days * asked.rows,
            "entries": fleet.log.size,
            "policies": found,
            "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "reach_seconds": REACH_SECONDS,
        }
        fleet.log.close()
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
