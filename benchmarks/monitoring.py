"""Watching a fleet: speed and memory against other libraries, false alarms, delays, and a published protocol.

    python benchmarks/monitoring.py --part speed      against evidently, nannyml, alibi-detect, scouter-ml, whylogs
    python benchmarks/monitoring.py --part null       false alarms of models that do not change; --days, --case
    python benchmarks/monitoring.py --part delays     checks from a change to its alarm
    python benchmarks/monitoring.py --part cbpe       performance before outcomes, against nannyml on its own data
    python benchmarks/monitoring.py --part protocol   arXiv 2606.07789 against river's ADWIN, KSWIN, Page-Hinkley

Without --part: all of them, 500 null model-days a case. Peers are installed in environments of their own under
FLEETWARD_BENCH_ENVS (default: a folder of the user's cache), by uv where there is one and pip otherwise.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[threads] = "1"  # one core, on all sides
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from monitors import cbpe, null, power, protocol, speed  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"


def run_null(options: argparse.Namespace) -> list[dict[str, object]]:
    cases = null.CASES
    if options.case:
        rows, sigma = options.case.split(":")
        cases = (null.Case(int(rows), float(sigma)),)
    found = []
    for case in cases:
        found.append(null.run(case, options.days, options.seed))
        print(json.dumps(found[-1]), flush=True)
        save(f"null_{case.reference_rows}_{case.batch_sigma:g}", found[-1:])
    return found


def run_delays(options: argparse.Namespace) -> list[dict[str, object]]:
    found = []
    print(f"{'change':26}{'n_ref':>10}{'mean':>8}{'p95':>8}{'named first':>14}{'reach':>8}")
    for reference_rows in (100_000, 10_000):
        for case in power.CASES:
            each = power.run(case, reference_rows, options.models, options.seed)
            found.append(each)
            print(
                f"{case.name:26}{reference_rows:>10}{each['mean_checks']:>8}{each['p95_checks']:>8}"
                f"{each['named_first']:>14}{case.reach or '':>8}",
                flush=True,
            )
    return found


def run_speed(options: argparse.Namespace) -> list[dict[str, object]]:
    return speed.run(options.seed)


def run_cbpe(options: argparse.Namespace) -> list[dict[str, object]]:  # noqa: ARG001 - as every part
    return cbpe.run()


def run_protocol(options: argparse.Namespace) -> list[dict[str, object]]:
    return protocol.run(options.seed)


PARTS: dict[str, Callable[[argparse.Namespace], list[dict[str, object]]]] = {
    "speed": run_speed,
    "delays": run_delays,
    "cbpe": run_cbpe,
    "protocol": run_protocol,
    "null": run_null,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--days", type=int, default=500, help="null model-days a case")
    parser.add_argument("--case", help="one null case: rows of the baseline, a colon, sd of batches (10000:0.05)")
    parser.add_argument("--models", type=int, default=200, help="models a delay is the mean of")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for part in options.part or PARTS:
        print(f"-- {part}")
        found = PARTS[part](options)
        if part != "null":
            save(part, found)


def save(part: str, found: list[dict[str, object]]) -> None:
    """The results as JSON, with the machine's load beside them."""
    RESULTS.mkdir(exist_ok=True)
    load = [round(each, 2) for each in os.getloadavg()]
    document = {"benchmark": "monitoring", "part": part, "load_average": load, "results": found}
    (RESULTS / f"monitoring_{part}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
