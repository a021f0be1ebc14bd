"""Preparation against polars and DuckDB doing the same reading and profiling, each on one core.

All sides read the same Parquet files, keep the rows known at a moment, part them by a key, sort each part by time,
count missing and infinite values, and write each part as zstd Parquet under the hash of its bytes. Ours does besides
what a ledger needs: ties in one order, types made canonical, and a digest of the values that no library's version
changes; `--leakage` adds the search for features that know the target, which the peers do not do either.

    python benchmarks/prepare.py [--rows 1000000] [--partitions 100] [--rounds 5] [--leakage]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "preparing")]

from monitors.environments import ask  # noqa: E402
from preparing.ours import counts_of, prepared, spec_of  # noqa: E402
from timing import rounds  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "prepare.json"
PEERS = Path(__file__).parent / "preparing"
START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=350)
REACH = 0.8
NUMBERS = 8


def write(folder: Path, rows: int, partitions: int, seed: int = 2013, files: int = 8) -> None:
    """Rows in no order, of a year, with a missing value in twenty."""
    each = rows // files
    for number in range(files):
        chance = np.random.default_rng(seed + number)
        columns = {
            "key": pa.array([f"k{at:04}" for at in range(partitions)]).take(
                pa.array(chance.integers(0, partitions, each))
            ),
            "time": pa.array(
                (chance.random(each) * 365 * 86_400e6).astype(np.int64) + int(START.timestamp() * 1e6),
                pa.timestamp("us", "UTC"),
            ),
            "target": chance.normal(100, 20, each),
            "place": pa.array(["north", "south", "east", "west", None]).take(pa.array(chance.integers(0, 5, each))),
        }
        for at in range(NUMBERS):
            columns[f"x{at}"] = pa.array(chance.normal(size=each), mask=chance.random(each) < 0.05)
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", row_group_size=1 << 17)


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours first, then the peers, as rows of the table."""
    with tempfile.TemporaryDirectory(prefix="fleetward-prepare-") as folder:
        source, out = Path(folder) / "rows", Path(folder) / "out"
        source.mkdir()
        out.mkdir()
        write(source, options.rows, options.partitions)
        spec = spec_of(source, NUMBERS, leakage=options.leakage)
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        counts = counts_of(prepared(spec, source, out / "ours", AS_OF), out / "ours")
        mine: dict[str, Any] = {"package": "fleetward", "version": "", "found": counts, "rounds": []}
        found = {"fleetward": mine}
        for _ in range(options.rounds):  # in turn, since the machine may be busy now and idle then
            mine["rounds"] += rounds(lambda: prepared(spec, source, out / "ours", AS_OF), 1)
            for peer in ("polars", "duckdb"):
                (said,) = ask(peer, str(source), AS_OF.isoformat(), "1", str(out), folder=PEERS)
                known = found.setdefault(peer, {**said, "rounds": []})
                known["rounds"] += said.get("rounds", [])
    for each in found.values():
        _told(each, mine)
    return list(found.values())


def _told(each: dict[str, Any], mine: dict[str, Any]) -> None:
    if "error" in each:
        print(f"{each['package']!s:12}{each['error']}")
        return
    for what in ("cpu_s", "wall_s"):
        each[what] = statistics.median(one[what] for one in each["rounds"])
        each[f"{what[:-2]}_ratio"] = round(float(each[what]) / float(mine[what]), 2)
    agree = {name: each["found"][name] for name in ("partitions", "rows", "missing")}
    assert agree == {name: mine["found"][name] for name in agree}, (agree, mine["found"])
    print(
        f"{each['package']!s:12}{each['version']!s:10}{each['cpu_s']:8.2f} s CPU {each['wall_s']:8.2f} s wall"
        f"   our speed is {each['cpu_ratio']:.2f} of its (CPU), {each['wall_ratio']:.2f} (wall)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--leakage", action="store_true")
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    name = "with leakage" if options.leakage else "alike"
    known[name] = {"rows": options.rows, "partitions": options.partitions, "sides": compare(options)}
    known["load"] = [round(each, 1) for each in os.getloadavg()]
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
