"""kill -9 of one of two replicas under load: who noticed, of requests with an idempotency key and of those without.

HAProxy sends a request again that a replica took and never answered, where that is safe: with a key it is one
decision whoever answers it (``runtime.local_cluster.proxying``). Failed are answers over 399 and broken connections,
as the client counts them.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from benchmarks.servers.fleet import Served
from benchmarks.servers.load import CONNECTIONS, Load
from benchmarks.servers.report import Effort, reached

REPLICAS = 2
KILLS = 5
KEYED = {"without keys": False, "with keys": True}
_BACK_WITHIN_S = 90.0


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Failed requests a kill, both ways in turns."""
    kills = 1 if effort.is_quick else KILLS
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in KEYED}
    for _ in range(kills):
        for name, keyed in KEYED.items():
            found[name].append(one_kill(fleet, effort.seconds, keyed=keyed))
    failed = {name: [each["failed"] for each in runs] for name, runs in found.items()}
    for name, runs in found.items():
        print(f"{name}: failed {failed[name]} of {[each['requests'] for each in runs]} requests around each kill")
    return {
        "kills": kills,
        "replicas": REPLICAS,
        "connections": CONNECTIONS,
        "runs": found,
        "in_its_hands": reached("failed in a kill, at most", max(failed["without keys"]), most=CONNECTIONS),
        "sent_again": reached("failed in a kill, with keys, at most", max(failed["with keys"]), most=0),
    }


def one_kill(fleet: Served, seconds: int, *, keyed: bool) -> dict[str, Any]:
    """A load with a kill in its middle; and then the pool is whole again."""
    before = {replica.pid for replica in fleet.replicas("pool-default")}
    assert len(before) == REPLICAS
    with Load(fleet.ask(1, keyed=keyed), 2 * seconds) as load:
        time.sleep(seconds)
        os.kill(min(before), signal.SIGKILL)
        answered = load.wait()
    wait_until_whole(fleet, gone=min(before))
    return {"requests": answered.requests, "failed": answered.failed, "p99_ms": round(answered.p99_ms, 2)}


def wait_until_whole(fleet: Served, gone: int) -> None:
    """Until as many replicas as before have a port."""
    ends = time.monotonic() + _BACK_WITHIN_S
    while len(fleet.ports()) < REPLICAS or gone in {replica.pid for replica in fleet.replicas("pool-default")}:
        if time.monotonic() > ends:
            raise SystemExit(f"no replica took the place of {gone} within {_BACK_WITHIN_S:.0f} s")
        time.sleep(0.5)
