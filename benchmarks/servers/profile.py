"""Where a request's microseconds go: one replica under load, sampled by py-spy, its CPU time split by stage.

A sample counts for the innermost frame that names a stage, so what a stage calls in libraries is its own. Shares of
samples times the replica's CPU seconds a request give microseconds; HAProxy's are its own process's CPU seconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks.servers.fleet import Served
from benchmarks.servers.load import Load
from benchmarks.servers.report import Effort, conditions
from runtime.local_cluster.processes import members_of

REPLICAS = 1
RATE = 250
STAGES = (
    ("authenticate", ("runtime/serving/authentication/",)),
    ("predict", ("runtime/flavors/", "runtime/serving/predicting.py")),
    ("parse", ("runtime/serving/protocols/", "runtime/serving/body.py")),
    ("reply", ("runtime/serving/replies.py",)),
    ("capture", ("runtime/serving/capture.py", "runtime/storage/", "runtime/statistics/")),
    ("route, split, deadline", ("runtime/serving/", "actors/")),
    ("HTTP in the replica", ("uvicorn/", "starlette/", "h11/", "httptools/")),
    ("Serve's ASGI path", ("ray/serve/",)),
    ("Ray's own threads", ("ray/",)),
    ("event loop", ("asyncio/", "threading.py", "uvloop")),
)
"""From our own code outward; the innermost frame that fits any of them decides."""
OTHER = "other"


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Microseconds a request by stage, and what else the request costs."""
    with Load(fleet.ask(1)) as load:
        (replica,) = fleet.replicas("pool-default")
        proxies = haproxies(fleet)
        seconds = max(3, effort.seconds * effort.rounds)
        before = cpu_seconds([replica]), cpu_seconds(proxies)
        samples = sampled(replica.pid, seconds)
        after = cpu_seconds([replica]), cpu_seconds(proxies)
        answered = load.end()
    within = answered.a_second * seconds
    ours, proxy = ((then - now) / within * 1e6 for now, then in zip(before, after, strict=True))
    total = sum(samples.values())
    stages = {stage: round(ours * samples[stage] / total, 1) for stage, _ in [*STAGES, (OTHER, ())]}
    print(f"one row, JSON: {answered.a_second:,.0f} requests/s, {total:,} samples")
    for stage, microseconds in [("HAProxy", round(proxy, 1)), *stages.items()]:
        print(f"{stage:28}{microseconds:>10.0f} us of CPU")
    return {
        **conditions(effort),
        "requests_s": round(answered.a_second, 1),
        "samples": total,
        "haproxy_us": round(proxy, 1),
        "replica_us": round(ours, 1),
        "stages_us": stages,
    }


def sampled(pid: int, seconds: int) -> Counter[str]:
    """Samples by stage, of threads that did something."""
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        file = Path(folder, "stacks")
        spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--format", "raw"]
        options = ["--full-filenames", "--nonblocking", "--rate", str(RATE), "--duration", str(seconds)]
        subprocess.run([*spy, *options, "--output", str(file)], check=True, stdout=subprocess.DEVNULL)
        lines = file.read_text().splitlines()
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found[stage_of(stack)] += int(count)
    return found


def stage_of(stack: str) -> str:
    """Of frames from the outermost to the innermost, separated by ``;``."""
    for frame in reversed(stack.split(";")):
        for stage, places in STAGES:
            if any(place in frame for place in places):
                return stage
    return OTHER


def haproxies(fleet: Served) -> list[psutil.Process]:
    """HAProxy's workers on this cluster."""
    pids = members_of(Path(fleet.cluster.temp_dir))
    return [psutil.Process(pid) for pid, name in pids.items() if name == "haproxy"]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Used so far, by all of them."""
    return sum(times.user + times.system for times in (each.cpu_times() for each in processes))
