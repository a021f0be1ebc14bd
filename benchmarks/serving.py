"""What governance costs a request, and what others cost: parts, each a table and JSON.

    row      one row: Fleetward (authentication, capture, monitor) against the model in bare Serve, the same HAProxy
    peers    one row: the same estimator in MLServer and in MLflow's server
    bulk     1,000 rows: JSON and binary tensors against MLServer's JSON
    swaps    50 new champions under load: failed requests, and how soon all replicas answer with each
    kill     kill -9 of one of two replicas under load: failed requests, with idempotency keys and without
    profile  one replica under load, its CPU time by stage (py-spy)

    python benchmarks/serving.py --part row --rounds 7 --seconds 5
    python benchmarks/serving.py --quick          every part, short: whether it runs, not how fast it is

Parts with as many replicas share a cluster. Sides take turns within each round; a ratio is the median over rounds of
what neighbours in a round have. wrk makes the load. Results stand in results/serving.json, part by part.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.servers import bulk, kill, peer_rows, profile, rows, swaps  # noqa: E402
from benchmarks.servers.fleet import served  # noqa: E402
from benchmarks.servers.report import Effort, keep  # noqa: E402

PARTS: dict[str, Any] = {
    "row": rows,
    "peers": peer_rows,
    "bulk": bulk,
    "profile": profile,
    "swaps": swaps,
    "kill": kill,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="may be given again; all of them if not given")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5, help="of one side in one round")
    parser.add_argument("--quick", action="store_true", help="one second and one round; keeps no result")
    options = parser.parse_args()
    effort = Effort(1, 1, is_quick=True) if options.quick else Effort(options.rounds, options.seconds)
    parts = {name: part for name, part in PARTS.items() if not options.part or name in options.part}
    for replicas in sorted({part.REPLICAS for part in parts.values()}):
        with served(replicas) as fleet:
            for name in [name for name, part in parts.items() if replicas == part.REPLICAS]:
                print(f"-- {name}", flush=True)
                result = PARTS[name].measure(fleet, effort)
                if not effort.is_quick:
                    keep("serving", name, result)


if __name__ == "__main__":
    main()
