"""50 new champions of a model under load, on two replicas.

Each is registered, judged and approved as any version; then each replica is asked at its own port until it answers with
it, while wrk goes on through HAProxy. The time counts from the grant's entry in the ledger.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from benchmarks.servers.fleet import MODEL, Served
from benchmarks.servers.load import Load
from benchmarks.servers.report import Effort, reached

SWAPS, REPLICAS = 50, 2
LEAST_REQUESTS = 10_000
WITHIN_S = 1.0
_ANSWERS_WITHIN_S = 60.0
_BETWEEN_ASKS_S = 0.005


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Failed requests, and seconds from each grant to the last replica's first answer with the new version."""
    swaps = 3 if effort.is_quick else SWAPS
    ports = fleet.ports()
    assert len(ports) == REPLICAS
    with Load(fleet.ask(1)) as load:
        begun = time.monotonic()
        numbers = [swap(fleet, ports, at) for at in range(swaps)]
        took = time.monotonic() - begun
        answered = load.end()
    granted = grants(fleet)
    seconds = sorted(answer - granted[version] for version, answer in numbers)
    print(f"{swaps} swaps on {REPLICAS} replicas in {took:.0f} s under load, {answered.requests:,} requests")
    middle, last = statistics.median(seconds), seconds[-1]
    late = sum(each > WITHIN_S for each in seconds)
    print(f"from grant to all replicas: median {middle:.2f} s, slowest {last:.2f} s, {late} over {WITHIN_S:g} s")
    return {
        "swaps": swaps,
        "replicas": REPLICAS,
        "requests": answered.requests,
        "requests_s": round(answered.a_second, 1),
        "p99_ms": round(answered.p99_ms, 2),
        "swap_s": round(took / swaps, 2),
        "grant_to_all_replicas_s": {"median": round(middle, 3), "slowest": round(last, 3), "late": late},
        "failed": reached("failed requests", answered.failed, most=0),
        "enough": reached("requests", answered.requests, least=LEAST_REQUESTS),
        "within": reached("seconds from grant to all replicas, median", round(middle, 3), most=WITHIN_S),
    }


def swap(fleet: Served, ports: list[int], at: int) -> tuple[int, float]:
    """The next version's number, and when the last of the replicas first answered with it."""
    version = register(fleet, at)
    with ThreadPoolExecutor(len(ports)) as asking:
        return version, max(asking.map(lambda port: first_answer(fleet, port, version), ports))


def register(fleet: Served, at: int) -> int:
    """A version like the champion whose artifact is another one, with the champion's good report."""
    from actors.recording import record
    from runtime.domain.events import VersionEvaluated
    from runtime.flavors import dump, load
    from runtime.storage.objects import ObjectStore

    model = fleet.model()
    champion = fleet.champion()
    assert champion.report is not None
    store, batch = ObjectStore.open(fleet.settings.store), f"swap-{at}"
    predictor: Any = load(store.get(champion.registered.artifact))
    predictor.estimator[-1].intercept_ += 1e-6
    content = dump(predictor)
    number = model.next_version
    changes = {
        "version": number,
        "artifact": store.put(content),
        "artifact_bytes": len(content),
        "parent": champion.number,
        "batch": batch,
    }
    evaluated = VersionEvaluated(model=MODEL, version=number, report=champion.report)
    record([champion.registered.model_copy(update=changes), evaluated], fleet.settings.principal, batch)
    return number


def first_answer(fleet: Served, port: int, version: int) -> float:
    """When the replica at this port first answered with the version; seconds since the epoch."""
    url, ends = f"http://127.0.0.1:{port}/v2/models/{MODEL}/infer", time.monotonic() + _ANSWERS_WITHIN_S
    while int(fleet.post(url)["model_version"]) != version:
        if time.monotonic() > ends:
            raise SystemExit(f"version {version} did not answer at {url} within {_ANSWERS_WITHIN_S:.0f} s")
        time.sleep(_BETWEEN_ASKS_S)
    return datetime.now(UTC).timestamp()


def grants(fleet: Served) -> dict[int, float]:
    """When each version was granted; seconds since the epoch."""
    from runtime.domain.events import GrantIssued
    from runtime.ledger.log import Log

    with Log.open_read_only(fleet.settings.database) as log:
        entries = [(entry.time, entry.event) for entry in log.entries()]
    return {event.version: time.timestamp() for time, event in entries if isinstance(event, GrantIssued)}
