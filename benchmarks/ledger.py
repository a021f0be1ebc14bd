"""The ledger under load, against the same bytes through bare SQLite; and decisions into sealed segments.

Events: 64 asyncio callers in one process, each waiting for its event to be durable before it sends its next. Our
side is `GroupCommit` over `Log.append`: canonical JSON, hashes, unique ids, read-back, COMMIT with fsync. The bare side
is the same 64 callers and the same `GroupCommit` over a prepared INSERT of the very rows that Fleetward wrote, into the
same table under the same settings: what SQLite alone would do. The sides take turns, after a round that warms both.

Decisions: `Capture.record` for each (a system call), `flush` for each file of 20,000: Parquet, Merkle root, store, and
the entry in a ledger. In one process, and in as many as there are cores, as the replicas of a node are.

    python benchmarks/ledger.py --events 20000 --rounds 5
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.domain import events as e  # noqa: E402
from runtime.domain.decision import Decision, Variant  # noqa: E402
from runtime.domain.entry import Draft  # noqa: E402
from runtime.domain.ids import derived_id, digest_of, new_id  # noqa: E402
from runtime.domain.reports import Comparison, FeatureStatistic, WindowPerformance  # noqa: E402
from runtime.domain.schema import Field, FieldKind, Schema  # noqa: E402
from runtime.domain.verdict import Action, Verdict  # noqa: E402
from runtime.ledger.group_commit import GroupCommit  # noqa: E402
from runtime.ledger.log import Log  # noqa: E402
from runtime.ledger.verify import verify_log  # noqa: E402
from runtime.serving.capture import Capture, CaptureLimits  # noqa: E402
from runtime.storage.objects import ObjectStore  # noqa: E402

CALLERS = 64
REACH_EVENTS_A_SECOND = 10_000
REACH_RATIO = 0.7
REACH_P99_MS = 25.0
REACH_DECISIONS_A_SECOND = 50_000
DECISIONS_A_FILE = 20_000
RESULTS = ROOT / "benchmarks" / "results" / "ledger.json"
MOMENT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DIGEST = digest_of(b"content")

Submit = Callable[[Any], Any]


# --- what is written -------------------------------------------------------------------------------


def segment_sealed(number: int) -> e.SegmentSealed:
    return e.SegmentSealed(
        content=e.SegmentContent.DECISIONS,
        digest=digest_of(number.to_bytes(8, "big")),
        record_root=DIGEST.removeprefix("sha256:"),
        records=20_000,
        replica="default#ModelServer#k3v9x2",
        epoch=derived_id("epoch", number % 4),
        first_number=number * 20_000 + 1,
        last_number=(number + 1) * 20_000,
        first_time=MOMENT + timedelta(seconds=5 * number),
        last_time=MOMENT + timedelta(seconds=5 * number + 5),
    )


def rollout_measured(number: int) -> e.RolloutMeasured:
    comparison = Comparison(
        metric="mae",
        rows=4_000 + number % 100,
        champion=11.25,
        challenger=10.75 + number % 7 / 8,
        difference=-0.5,
        low=-0.9140625,
        high=-0.1171875,
        confidence=0.95,
    )
    return e.RolloutMeasured(model=model_of(number), version=3, step=1, comparison=comparison, as_of=MOMENT)


def finding_opened(number: int) -> e.FindingOpened:
    names = ("dep_delay", "distance", "hour", "wind_speed")
    return e.FindingOpened(
        finding=derived_id("finding", number),
        model=model_of(number),
        version=3,
        about=e.FindingKind.DATA_DRIFT,
        as_of=MOMENT,
        since=MOMENT - timedelta(days=2),
        log_evidence=9.625 + number % 11 / 16,
        log_threshold=8.517193191416238,
        features=tuple(
            FeatureStatistic(feature=name, log_score=7.5 - at, js=0.03125, psi=0.3125, missing_rate=0.0)
            for at, name in enumerate(names)
        ),
        recent=WindowPerformance(rows=600, mae=14.5, bias=3.25),
        baseline=WindowPerformance(rows=9_000, mae=11.25, bias=0.125),
    )


def verdict_reached(number: int) -> e.VerdictReached:
    reason = "log evidence 9.6 > 8.5 on dep_delay; the last retraining is 31 days old"
    return e.VerdictReached(
        finding=derived_id("finding", number),
        model=model_of(number),
        verdict=Verdict(action=Action.RETRAIN, reason=reason),
        policy=DIGEST,
        as_of=MOMENT,
    )


def version_registered(number: int) -> e.VersionRegistered:
    return e.VersionRegistered(
        model=model_of(number),
        version=number + 1,
        parent=number or None,
        artifact=digest_of(b"artifact %d" % number),
        artifact_bytes=48_211,
        package=DIGEST,
        baseline=DIGEST,
        flavor="sklearn",
        estimator="HistGradientBoostingRegressor",
        parameters={"learning_rate": 0.0625, "max_leaf_nodes": 31, "min_samples_leaf": 20},
        seed=2013,
        schema=Schema(
            inputs=(*(Field(name=f"x{n}", kind=FieldKind.NUMBER) for n in range(6)),),
            outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
        ),
        dataset=DIGEST,
        train_rows=4_210,
        first_time=MOMENT - timedelta(days=120),
        last_time=MOMENT - timedelta(days=1),
        as_of=MOMENT,
        batch="batch-17",
        code_revision="4f0c2d9",
        environment={"python": "3.11.9", "scikit-learn": "1.7.2"},
    )


def model_of(number: int) -> str:
    return f"flight-time-{('AA', 'DL', 'UA', 'WN')[number % 4]}-{number % 97}"


# What a fleet's ledger is made of: segments mostly, then what the monitor and the trainer say.
MIX = (segment_sealed, segment_sealed, segment_sealed, segment_sealed, rollout_measured, verdict_reached) * 2 + (
    finding_opened,
    version_registered,
)


def drafts(count: int) -> list[Draft]:
    return [Draft(MIX[number % len(MIX)](number), "principal-1", new_id()) for number in range(count)]


# --- events ----------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """What one side took for all items."""

    seconds: float
    cpu_seconds: float
    latencies_ms: list[float]


async def drive(submit: Submit, items: Sequence[Any]) -> Measured:
    """``CALLERS`` callers, each with its next item once it is answered."""
    latencies: list[float] = []
    waiting = iter(items)

    async def caller() -> None:
        for item in waiting:  # the callers share one iterator
            asked = time.perf_counter()
            await submit(item)
            latencies.append((time.perf_counter() - asked) * 1e3)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return Measured(time.perf_counter() - start, time.process_time() - cpu, latencies)


async def through_the_ledger(folder: Path, work: list[Draft]) -> Measured:
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    with Log.open(url, lambda: datetime.now(UTC)) as log:
        async with GroupCommit[Draft, Any](log.append) as group:
            measured = await drive(group.submit, work)
    assert verify_log(url).size == len(work)
    return measured


async def through_bare_sqlite(folder: Path, rows: list[tuple[Any, ...]]) -> Measured:
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 67108864"):
        connection.execute(f"PRAGMA {pragma}")
    (schema,) = written(folder, "SELECT sql FROM sqlite_master WHERE name = 'entries'")[0]
    connection.execute(schema)

    def commit(batch: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", batch)
        connection.execute("COMMIT")
        return batch

    async with GroupCommit[Any, Any](commit) as group:
        measured = await drive(group.submit, rows)
    assert connection.execute("SELECT count(*) FROM entries").fetchone() == (len(rows),)
    connection.close()
    return measured


def written(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "ledger.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def events_round(events: int) -> dict[str, float]:
    """One turn of each side over the same events."""
    work = drafts(events)
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="fw-", dir=folder_of_data()) as name:
        folder = Path(name)
        ours = asyncio.run(through_the_ledger(folder, work))
        rows = written(folder, "SELECT seq, event_id, time, kind, leaf_hash, leaf FROM entries ORDER BY seq")
        bare = asyncio.run(through_bare_sqlite(folder, rows))
    return {
        **figures("", ours, events),
        **figures("bare_", bare, events),
        "ratio": bare.seconds / ours.seconds,
        "leaf_bytes": statistics.mean(len(row[5]) for row in rows),
    }


def figures(side: str, measured: Measured, events: int) -> dict[str, float]:
    """Speed, latency and processor time of a side. The last says most on a machine that others use too."""
    return {
        f"{side}events_a_second": events / measured.seconds,
        f"{side}p50_ms": quantile(measured.latencies_ms, 0.50),
        f"{side}p99_ms": quantile(measured.latencies_ms, 0.99),
        f"{side}cpu_us_an_event": measured.cpu_seconds / events * 1e6,
    }


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# --- decisions -------------------------------------------------------------------------------------


def decision(number: int) -> Decision:
    now = datetime.now(UTC)
    return Decision(
        decision_id=new_id(),
        time=now,
        event_time=now,
        model=model_of(number),
        version=3,
        artifact=DIGEST,
        grant_id=derived_id("grant", number % 97),
        variant=Variant.CHAMPION,
        caller="network-planning",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        latency_us=700 + number % 400,
        numbers=tuple([number % 1_000 + at / 4] for at in range(6)),
        texts=(["AA"], ["JFK"]),
        outputs=[321.5 + number % 97 / 8],
    )


def capture_one_replica(decisions: int, ready: Any, replica: int) -> float:
    """Seconds from the first record to the last published segment."""
    work = [decision(number) for number in range(decisions)]
    limits = CaptureLimits(records=DECISIONS_A_FILE)
    with tempfile.TemporaryDirectory(prefix="fw-", dir=folder_of_data()) as name:
        folder = Path(name)
        with Log.open(f"sqlite:///{folder / 'ledger.sqlite'}", lambda: datetime.now(UTC)) as log:
            store = ObjectStore.open(str(folder / "store"))
            capture = Capture(f"replica-{replica}", folder / "wal", store, log.append, principal="p", limits=limits)
            capture.record(decision(decisions))
            capture.flush()  # pyarrow imports pandas with the first column that it makes
            gc.collect()
            gc.freeze()  # the decisions that wait here are the benchmark's own: a replica has none of them
            ready.wait()
            start = time.perf_counter()
            for at, each in enumerate(work, start=1):
                capture.record(each)
                if at % DECISIONS_A_FILE == 0:
                    capture.flush()
            capture.close()
            seconds = time.perf_counter() - start
            sealed = sum(entry.event.records for entry in log.entries() if isinstance(entry.event, e.SegmentSealed))
            assert sealed == decisions + 1, (sealed, decisions)
    return seconds


def decisions_round(decisions: int, processes: int) -> float:
    """Decisions a second of a node with this many replicas, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        ready = manager.Barrier(processes)
        with context.Pool(processes) as pool:
            seconds = pool.starmap(capture_one_replica, [(decisions, ready, at) for at in range(processes)], 1)
    return decisions * processes / max(seconds)


# --- report ----------------------------------------------------------------------------------------


def folder_of_data() -> str:
    """Beside the code: /tmp may be memory, whose fsync costs nothing."""
    return str(ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--decisions", type=int, default=100_000, help="by each replica")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    events_round(options.events // 4)
    rounds = [events_round(options.events) for _ in range(options.rounds)]
    replicas = os.cpu_count() or 1
    alone = [decisions_round(options.decisions, 1) for _ in range(options.rounds)]
    together = [decisions_round(options.decisions, replicas) for _ in range(options.rounds)]
    report(options, rounds, alone, together)


def report(
    options: argparse.Namespace, rounds: list[dict[str, float]], alone: list[float], together: list[float]
) -> None:
    """The table, and the same as JSON."""
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    node = max(statistics.median(alone), statistics.median(together))
    reached = {
        "events_a_second": medians["events_a_second"] >= REACH_EVENTS_A_SECOND,
        "ratio": medians["ratio"] >= REACH_RATIO,
        "p99_ms": medians["p99_ms"] <= REACH_P99_MS,
        "decisions_a_second": node >= REACH_DECISIONS_A_SECOND,
    }
    result = {
        "benchmark": "ledger",
        "callers": CALLERS,
        "events": options.events,
        "rounds": options.rounds,
        **{name: round(value, 3) for name, value in medians.items()},
        "each_round": [{name: round(value, 3) for name, value in each.items()} for each in rounds],
        "decisions_a_second_one_process": round(statistics.median(alone)),
        "decisions_a_second_node": round(node),
        "cores": os.cpu_count(),
        "reach": {
            "events_a_second": REACH_EVENTS_A_SECOND,
            "ratio": REACH_RATIO,
            "p99_ms": REACH_P99_MS,
            "decisions_a_second": REACH_DECISIONS_A_SECOND,
        },
        "reached": reached,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    size = medians["leaf_bytes"]
    print(f"{options.events} events of {size:.0f} bytes, {CALLERS} callers; median of {options.rounds}")
    print(f"{'':14}{'events/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}")
    for name, of in (("bare SQLite", "bare_"), ("fleetward", "")):
        shown = ("events_a_second", "p50_ms", "p99_ms", "cpu_us_an_event")
        speed, p50, p99, cpu = (medians[f"{of}{what}"] for what in shown)
        print(f"{name:14}{speed:>10.0f}{p50:>9.2f}{p99:>9.2f}{cpu:>9.1f}")
    print(f"ratio {medians['ratio']:.2f}, to reach: at least {REACH_RATIO}: {_yes(reached['ratio'])}")
    print(f"events/s to reach: at least {REACH_EVENTS_A_SECOND}: {_yes(reached['events_a_second'])}")
    print(f"p99 to reach: at most {REACH_P99_MS:.0f} ms: {_yes(reached['p99_ms'])}")
    one = statistics.median(alone)
    print(f"decisions/s into sealed segments: {one:.0f} in one process, {node:.0f} a node;", end=" ")
    print(f"to reach: at least {REACH_DECISIONS_A_SECOND}: {_yes(reached['decisions_a_second'])}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _yes(reached: bool) -> str:  # noqa: FBT001 - it is what is printed
    return "yes" if reached else "no"


if __name__ == "__main__":
    main()
