"""Events through the governor actor from eight Ray clients, against bare calls of the same actor.

The governor is the one that `fleetward up` makes: authentication, judgement, fold, reactions, ledger with fsync, and a
checkpoint each second. Eight clients, each a process, call it one after another and wait for each answer:

    bare call       ``size``, which returns a number that the actor has: what a call costs
    one event       ``record`` of one event
    a batch         ``record`` of 64 events

The three take turns in one run. Each event is a sealed segment, of which a fleet records most.

    python benchmarks/governor.py --seconds 8 --rounds 3
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.local_cluster import LocalCluster  # noqa: E402

CLIENTS = 8
BATCH = 64
REACH_RATIO = 0.7
REACH_BATCHED_EVENTS_A_SECOND = 5_000
RESULTS = ROOT / "benchmarks" / "results" / "governor.json"
WAYS = ("bare", "one", "batch")


class Client:
    """One caller, in a process of its own."""

    def __init__(self, governor: Any) -> None:
        sys.path.insert(0, str(ROOT))
        self._governor = governor

    def drive(self, way: str, seconds: float) -> tuple[int, list[float]]:
        """Calls for so long; how many events (or bare calls) were answered, and the milliseconds of each call."""
        import ray

        from benchmarks.ledger import segment_sealed
        from runtime.domain.entry import Draft
        from runtime.domain.packed import Packed
        from runtime.governance.writer import Receipt

        each = {"bare": 0, "one": 1, "batch": BATCH}[way]
        done, latencies = 0, []
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            drafts = [Draft.fresh(segment_sealed(number), "service:replica") for number in range(each)]
            asked = time.perf_counter()
            if drafts:
                answers = ray.get(self._governor.record.remote(Packed(drafts), None))
                assert all(isinstance(answer, Receipt) for answer in answers), answers
            else:
                ray.get(self._governor.size.remote())
            latencies.append((time.perf_counter() - asked) * 1e3)
            done += max(each, 1)
        return done, latencies


def measure(folder: Path, seconds: float, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Rates and latencies of each way, by round; the governor's processor time for each event or bare call."""
    import psutil
    import ray

    from actors.governor import Governor
    from actors.names import NAMESPACE
    from runtime.settings import Settings

    environment = {"FLEETWARD_HOME": str(folder), "FLEETWARD_AUTHENTICATION": "none"}
    settings = Settings.from_environment(environment)
    ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    governor: Any = ray.remote(Governor).options(num_cpus=0).remote(settings)
    process = psutil.Process(ray.get(governor.summary.remote()).pid)
    clients: list[Any] = [ray.remote(Client).options(num_cpus=0).remote(governor) for _ in range(CLIENTS)]
    measured: dict[str, dict[str, list[float]]] = {way: {"rate": [], "p99_ms": [], "cpu_us": []} for way in WAYS}
    for turn in range(rounds + 1):
        for way in WAYS:
            before = sum(process.cpu_times()[:2])
            answers = ray.get([client.drive.remote(way, seconds if turn else 2.0) for client in clients])
            cpu = sum(process.cpu_times()[:2]) - before
            if turn:  # the first warms all up
                done = sum(count for count, _ in answers)
                latencies = sorted(each for _, own in answers for each in own)
                measured[way]["rate"].append(done / seconds)
                measured[way]["p99_ms"].append(latencies[int(0.99 * len(latencies))])
                measured[way]["cpu_us"].append(cpu / done * 1e6)
    ray.kill(governor)
    ray.shutdown()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fw-", dir=ROOT) as name:  # /tmp may be memory, whose fsync costs nothing
        folder = Path(name)
        (folder / "keys").mkdir()
        cluster = LocalCluster.start(folder, num_cpus=os.cpu_count() or 1)
        try:
            os.environ.update(cluster.environment())
            measured = measure(folder, options.seconds, options.rounds)
        finally:
            cluster.stop()
    report(measured, options)


def report(measured: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> None:
    """The table, and the same as JSON."""
    medians = {way: {name: statistics.median(values) for name, values in of.items()} for way, of in measured.items()}
    ratios = [one / bare for one, bare in zip(measured["one"]["rate"], measured["bare"]["rate"], strict=True)]
    ratio, batched = statistics.median(ratios), medians["batch"]["rate"]
    print(f"{CLIENTS} clients, {options.seconds:g} s a turn; median of {options.rounds}")
    print(f"{'':22}{'a second':>10}{'p99 ms':>9}{'governor cpu us':>17}")
    for way, name in zip(WAYS, ("bare calls", "events, one a call", f"events, {BATCH} a call"), strict=True):
        of = medians[way]
        print(f"{name:22}{of['rate']:>10,.0f}{of['p99_ms']:>9.1f}{of['cpu_us']:>17.0f}")
    print(f"one a call: {ratio:.2f} of bare calls, to reach: {REACH_RATIO}: {'yes' if ratio >= REACH_RATIO else 'no'}")
    reached = batched >= REACH_BATCHED_EVENTS_A_SECOND
    print(f"batched: {batched:,.0f}/s, to reach: {REACH_BATCHED_EVENTS_A_SECOND:,}/s: {'yes' if reached else 'no'}")
    result = {
        "benchmark": "governor",
        "clients": CLIENTS,
        "batch": BATCH,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "median": medians,
        "each_round": measured,
        "ratio": ratio,
        "reach": {"ratio": REACH_RATIO, "batched_events_a_second": REACH_BATCHED_EVENTS_A_SECOND},
        "reached": {"ratio": ratio >= REACH_RATIO, "batched_events_a_second": reached},
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
