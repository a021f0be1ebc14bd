"""Proofs over a large ledger: how long they are, how many rows they read, and how fast they are verified.

Entries are made up (a leaf of some 300 bytes) and written straight into a ledger's table; tiles are made by the code
that the governor runs. Then, at one size: inclusion and consistency proofs of random entries out of the database, each
in a transaction of its own, and their verification, one after the other. Rates are per second of this process's CPU
time: one thread that only computes has one core, whatever else the machine does.

    python benchmarks/proofs.py --leaves 1000000
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sqlalchemy import event, insert  # noqa: E402

from runtime.ledger.database import Database  # noqa: E402
from runtime.ledger.log import Log  # noqa: E402
from runtime.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion  # noqa: E402
from runtime.ledger.note import Signer  # noqa: E402
from runtime.ledger.publisher import Publisher  # noqa: E402
from runtime.ledger.schema import ENTRIES  # noqa: E402
from runtime.ledger.signing import SigningKey  # noqa: E402
from runtime.ledger.tiles import Tree, store_tiles  # noqa: E402

REACH_HASHES = 20
REACH_VERIFIED = 20_000
RESULTS = ROOT / "benchmarks" / "results" / "proofs.json"
BATCH = 20_000
FILLING = b'{"event":{"kind":"benchmark","text":"%s"},"event_id":"%d","principal":"service:benchmark","time":"t"}'


def fill(database: Database, start: int, end: int) -> None:
    """Entries [start, end)."""
    for first in range(start, end, BATCH):
        rows = []
        for seq in range(first, min(first + BATCH, end)):
            leaf = FILLING % (b"x" * 200, seq)
            columns = {"seq": seq, "event_id": str(seq), "time": "2026-01-01T00:00:00.000000Z", "kind": "benchmark"}
            rows.append({**columns, "leaf_hash": leaf_hash(leaf), "leaf": leaf})
        with database.writing() as connection:
            connection.execute(insert(ENTRIES), rows)


def rate(work: Callable[[int], object], count: int) -> float:
    """Calls a second of CPU time."""
    start = time.process_time()
    for each in range(count):
        work(each)
    return count / (time.process_time() - start)


def bare_hashes(count: int) -> float:
    """Node hashes a second of this machine: what a verifier cannot beat."""
    left, right = b"l" * 32, b"r" * 32
    return rate(lambda _: hashlib.sha256(b"\x01" + left + right).digest(), count)


def measure(folder: Path, leaves: int, proofs: int, rounds: int) -> dict[str, object]:
    url = f"sqlite:///{folder / 'ledger.db'}"
    with Log.open(url, lambda: datetime.now(UTC)) as log:
        fill(log.database, 0, leaves)
    start = time.perf_counter()
    with Log.open(url, lambda: datetime.now(UTC)) as log:
        opened = time.perf_counter() - start
        start = time.process_time()
        store_tiles(log.database, leaves)
        tiled = time.process_time() - start
        key = SigningKey.load_or_create(folder / "key.pem")
        return {
            "leaves": leaves,
            "proofs": proofs,
            "tiles_leaves_per_s": round(leaves / tiled),
            "open_log_s": round(opened, 2),
            **proved(log.database, leaves, proofs, rounds),
            **published(log, Signer(key, "fleetward.example/benchmark"), leaves, rounds),
            "bare_hashes_per_s": round(statistics.median(bare_hashes(200_000) for _ in range(rounds))),
        }


def proved(database: Database, size: int, proofs: int, rounds: int) -> dict[str, object]:
    """Proofs out of the database, and their verification."""
    chosen = random.Random(20261124)
    seqs = [chosen.randrange(size) for _ in range(proofs)]
    olds = [chosen.randrange(1, size) for _ in range(proofs)]
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    def inclusion(each: int) -> list[bytes]:
        with database.reading() as connection:
            return Tree(connection).inclusion_proof(seqs[each], size)

    def consistency(each: int) -> list[bytes]:
        with database.reading() as connection:
            return Tree(connection).consistency_proof(olds[each], size)

    made = [rate(inclusion, proofs) for _ in range(rounds)]
    selects = sum(text.startswith("SELECT") for text in statements) / (proofs * rounds)
    made_consistency = [rate(consistency, proofs) for _ in range(rounds)]
    paths, chains = [inclusion(each) for each in range(proofs)], [consistency(each) for each in range(proofs)]
    with database.reading() as connection:
        tree = Tree(connection)
        root, leaves, roots = tree.root(size), [tree.leaf(seq) for seq in seqs], [tree.root(old) for old in olds]

    def verifies(each: int) -> None:
        assert verify_inclusion(leaves[each], seqs[each], size, paths[each], root)

    def extends(each: int) -> None:
        assert verify_consistency(olds[each], size, chains[each], roots[each], root)

    verified = [rate(verifies, proofs) for _ in range(rounds)]
    extended = [rate(extends, proofs) for _ in range(rounds)]
    return {
        "inclusion_hashes_max": max(map(len, paths)),
        "consistency_hashes_max": max(map(len, chains)),
        "selects_per_inclusion_proof": round(selects, 2),
        "inclusion_made_per_s": round(statistics.median(made)),
        "consistency_made_per_s": round(statistics.median(made_consistency)),
        "inclusion_verified_per_s": round(statistics.median(verified)),
        "consistency_verified_per_s": round(statistics.median(extended)),
    }


def published(log: Log, signer: Signer, leaves: int, rounds: int) -> dict[str, object]:
    """What the governor does each second under load: a checkpoint for 1,000 entries more."""
    publisher, took, used = Publisher(log, signer, lambda: datetime.now(UTC)), [], []
    publisher.publish()
    for each in range(rounds):
        fill(log.database, leaves + 1_000 * each, leaves + 1_000 * (each + 1))
        log._catch_up()  # noqa: SLF001 - these entries did not come through append
        start, cpu = time.perf_counter(), time.process_time()
        publisher.publish()
        took.append(time.perf_counter() - start)
        used.append(time.process_time() - cpu)
    return {
        "publish_1000_ms": round(statistics.median(took) * 1_000, 1),
        "publish_1000_cpu_ms": round(statistics.median(used) * 1_000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=2_000, help="random proofs of each kind")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many is told")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        result = measure(Path(folder), options.leaves, options.proofs, options.rounds)
    report(result, options.rounds)


def report(result: dict[str, object], rounds: int) -> None:
    """The table, and the same as JSON."""
    hashes, verified = int(str(result["inclusion_hashes_max"])), int(str(result["inclusion_verified_per_s"]))
    reached = {"hashes": hashes <= REACH_HASHES, "verified": verified >= REACH_VERIFIED}
    print(f"{result['leaves']:,} leaves, {result['proofs']:,} proofs; median of {rounds}")
    print(f"{'':14}{'made/s':>10}{'verified/s':>12}{'most hashes':>13}")
    for name in ("inclusion", "consistency"):
        made, checked, most = (result[f"{name}_{column}"] for column in ("made_per_s", "verified_per_s", "hashes_max"))
        print(f"{name:14}{made:>10,}{checked:>12,}{most:>13}")
    print(f"an inclusion proof reads {result['selects_per_inclusion_proof']} times from the database")
    print(f"tiles are made at {result['tiles_leaves_per_s']:,} leaves/s; a log opens in {result['open_log_s']} s")
    print(
        f"a checkpoint of 1,000 entries more is proven and published in {result['publish_1000_ms']} ms,"
        f" {result['publish_1000_cpu_ms']} ms of CPU"
    )
    print(f"bare SHA-256 of nodes: {result['bare_hashes_per_s']:,}/s")
    print(f"to reach: at most {REACH_HASHES} hashes: {said(reached['hashes'])}")
    print(f"to reach: at least {REACH_VERIFIED:,} inclusion proofs verified/s: {said(reached['verified'])}")
    result = {
        "benchmark": "proofs",
        **result,
        "reach": {"hashes": REACH_HASHES, "verified_per_s": REACH_VERIFIED},
        "reached": reached,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def said(reached: object) -> str:
    return "yes" if reached else "no"


if __name__ == "__main__":
    main()
