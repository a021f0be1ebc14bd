"""How soon a governor is ready: with snapshots, and by folding every entry again.

A ledger of a million entries is made (``lives``), folded as it grows, and snapshots and checkpoints are written as the
governor writes them; the last of both are 10,000 entries old. Then fresh processes do what the governor does before it
answers: open the log as its writer, make the state, commit an entry. The states of both ways are compared, down to the
order of their keys.

    python benchmarks/restart.py --entries 1000000 --rounds 3
"""

import argparse
import gc
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sqlalchemy import delete, insert  # noqa: E402

from benchmarks.lives import rows  # noqa: E402
from runtime.domain.entry import Draft  # noqa: E402
from runtime.domain.events import LoadRefused  # noqa: E402
from runtime.domain.fold import fold  # noqa: E402
from runtime.domain.state import FleetState  # noqa: E402
from runtime.governance.images import EMPTY, Image, changes  # noqa: E402
from runtime.governance.snapshots import EVERY, Snapshots, secret_of  # noqa: E402
from runtime.governance.writer import Receipt, Writer  # noqa: E402
from runtime.ledger.database import Database  # noqa: E402
from runtime.ledger.log import Log, LogReader  # noqa: E402
from runtime.ledger.note import Signer  # noqa: E402
from runtime.ledger.publisher import Publisher  # noqa: E402
from runtime.ledger.schema import ENTRIES, SNAPSHOTS  # noqa: E402
from runtime.ledger.signing import SigningKey, sign_grant  # noqa: E402

REACH_SECONDS = 10.0
CHUNK = 5_000
RESULTS = ROOT / "benchmarks" / "results" / "restart.json"


def make(folder: Path, size: int) -> dict[str, Any]:
    """The ledger and its snapshots, as a governor leaves them behind."""
    database = Database.open_for_writing(url_of(folder), timedelta(seconds=60))
    log = LogReader(database)
    snapshots = Snapshots(log, secret_of(key_of(folder)))
    state, told, cpu = FleetState(), rows(size), 0.0
    held: list[float] = []
    publisher = Publisher(log, Signer(key_of(folder), "benchmark/log"), lambda: datetime.now(UTC))
    gc.disable()
    while chunk := list(islice(told, CHUNK)):
        with database.writing() as connection:
            connection.execute(insert(ENTRIES), chunk)
        fold(log.entries(state.size), state)
        if state.size % EVERY == EVERY // 2:
            start = time.perf_counter(), time.process_time()
            snapshots.offer(state)
            held.append(time.perf_counter() - start[0])
            snapshots.settle()
            cpu += time.process_time() - start[1]
            publisher.publish()
    with database.reading() as connection:
        stored = connection.exec_driver_sql("SELECT count(*), sum(length(state)) FROM snapshots").one()
    log.close()
    return {
        "models": len(state.models),
        "findings": len(state.findings),
        "snapshots": stored[0],
        "snapshots_mb": round(stored[1] / 1e6, 1),
        "ledger_mb": round((folder / "ledger.db").stat().st_size / 1e6, 1),
        "writing_cpu_us_an_entry": round(cpu / size * 1e6, 2),
        "commit_held_ms": round(statistics.median(held) * 1e3, 1),
    }


def ready(folder: Path) -> dict[str, Any]:
    """What a governor does until it answers."""
    key, clock = key_of(folder), lambda: datetime.now(UTC)
    start = time.perf_counter()
    log = Log.open(url_of(folder), clock)
    opened = time.perf_counter()
    writer = Writer(log, lambda grant: sign_grant(grant, key), Snapshots(log, secret_of(key)))
    made = time.perf_counter()
    refusal = LoadRefused(model="model-000000", version=1, replica="r", reason="benchmark")
    ((answer,),) = writer.commit([[Draft.fresh(refusal, "service:replica")]])
    assert isinstance(answer, Receipt), answer
    done = time.perf_counter()
    result = {
        "open_s": round(opened - start, 3),
        "state_s": round(made - opened, 3),
        "commit_s": round(done - made, 3),
        "ready_s": round(done - start, 3),
        "cpu_s": round(time.process_time(), 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return result | {"digest": digest_of_state(writer.state)}


def replay(folder: Path) -> dict[str, Any]:
    """The same, by every entry."""
    database = Database.open_for_writing(url_of(folder), timedelta(seconds=60))
    with database.writing() as connection:
        connection.execute(delete(SNAPSHOTS))
    database.close()
    return ready(folder)


def digest_of_state(state: FleetState) -> str:
    """Of everything in it, in its order, but for the entries that the runs themselves recorded."""
    lines = [line for line in changes(EMPTY, Image.of(state)) if not line.startswith(b"rest\t")]
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def key_of(folder: Path) -> SigningKey:
    return SigningKey.load_or_create(folder / "key.pem")


def in_a_fresh_process(step: str, folder: Path, size: int) -> dict[str, Any]:
    """A step's result."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), "--entries", str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=("make", "ready", "replay"), default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "make":
        print(json.dumps(make(options.folder, options.entries)))
    elif options.step is not None:
        print(json.dumps({"ready": ready, "replay": replay}[options.step](options.folder)))
    else:
        with tempfile.TemporaryDirectory(prefix="fw-") as folder:
            measure(Path(folder), options.entries, options.rounds)


def measure(folder: Path, size: int, rounds: int) -> None:
    """All steps, then the table, and the same as JSON."""
    made = in_a_fresh_process("make", folder, size)
    with_snapshots = [in_a_fresh_process("ready", folder, size) for _ in range(rounds)]
    without = in_a_fresh_process("replay", folder, size)
    digests = {run.pop("digest") for run in [*with_snapshots, without]}
    assert len(digests) == 1, "both ways make the same state"
    middle = sorted(with_snapshots, key=lambda run: run["ready_s"])[len(with_snapshots) // 2]
    seconds = statistics.median(run["ready_s"] for run in with_snapshots)
    result = {
        "benchmark": "restart",
        "entries": size,
        **made,
        "with_snapshots": with_snapshots,
        "without": without,
        "ready_median_s": seconds,
        "speedup": round(without["ready_s"] / seconds, 1),
        "reach_s": REACH_SECONDS,
        "reached": seconds < REACH_SECONDS,
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    print(f"{size:,} entries, {made['models']:,} models, {made['findings']:,} findings; median of {rounds}")
    print(f"{'':16}{'open log':>10}{'state':>10}{'commit':>10}{'ready':>10}{'peak MB':>10}")
    for name, run in (("snapshots", middle), ("every entry", without)):
        parts = "".join(f"{run[part]:>10.2f}" for part in ("open_s", "state_s", "commit_s", "ready_s"))
        print(f"{name:16}{parts}{run['peak_mb']:>10,}")
    print(
        f"{made['snapshots']} snapshots of {made['snapshots_mb']} MB beside a ledger of {made['ledger_mb']} MB; a"
        f" commit is held {made['commit_held_ms']} ms, and {made['writing_cpu_us_an_entry']} us of CPU spent an entry"
    )
    print(f"ready in {seconds:.1f} s, to reach: under {REACH_SECONDS:.0f} s: {'yes' if result['reached'] else 'no'}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
