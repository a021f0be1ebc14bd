"""Rounds in which sides take turns, the medians of what they counted, and where results are kept."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.servers.load import CONNECTIONS, Answered, Ask, load

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured."""

    rounds: int
    seconds: int
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared, and the processes whose CPU it takes beside HAProxy's (if they are known)."""

    ask: Ask
    processes: tuple[psutil.Process, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One side in one round."""

    answered: Answered
    cpu_us: float
    """Of its processes, a request."""


Rounds = dict[str, list[Measured]]


def take_turns(sides: Mapping[str, Side], effort: Effort) -> Rounds:
    """Every side once in every round, after a warm-up; each round begins with another side."""
    for side in sides.values():
        _no_failures(load(side.ask, 1), side)
    found: Rounds = {name: [] for name in sides}
    names = list(sides)
    for at in range(effort.rounds):
        for name in names[at % len(names) :] + names[: at % len(names)]:
            found[name].append(measured(sides[name], effort.seconds))
    return found


def measured(side: Side, seconds: int) -> Measured:
    """One load."""
    before = _cpu_seconds(side)
    answered = load(side.ask, seconds)
    _no_failures(answered, side)
    return Measured(answered, (_cpu_seconds(side) - before) / answered.requests * 1e6)


def _cpu_seconds(side: Side) -> float:
    times = [process.cpu_times() for process in side.processes]
    return sum(each.user + each.system for each in times)


def _no_failures(answered: Answered, side: Side) -> None:
    """A side that refuses is fast."""
    if answered.failed or not answered.requests:
        raise SystemExit(f"{side.ask.url}: {answered.failed} of {answered.requests} requests failed")


def ratio(found: Rounds, one: str, other: str, of: Callable[[Measured], float]) -> float:
    """How many times the other's the one's number is: the median over rounds."""
    pairs = zip(found[one], found[other], strict=True)
    return round(statistics.median(of(mine) / of(theirs) for mine, theirs in pairs), 3)


def throughput(measured: Measured) -> float:
    """Requests a second."""
    return measured.answered.a_second


def p99(measured: Measured) -> float:
    """Milliseconds."""
    return measured.answered.p99_ms


def cpu(measured: Measured) -> float:
    """Microseconds a request."""
    return measured.cpu_us


def summary(rounds: list[Measured]) -> dict[str, Any]:
    """Medians of one side."""
    return {
        "requests_s": round(statistics.median(throughput(each) for each in rounds), 1),
        "p50_ms": round(statistics.median(each.answered.p50_ms for each in rounds), 3),
        "p99_ms": round(statistics.median(p99(each) for each in rounds), 3),
        "replica_cpu_us": round(statistics.median(each.cpu_us for each in rounds)) or None,
    }


def table(found: Rounds) -> dict[str, Any]:
    """Prints the sides, and gives them as JSON."""
    sides = {name: summary(rounds) for name, rounds in found.items()}
    print(f"{'':28}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>10}")
    for name, side in sides.items():
        cpu_us = "" if side["replica_cpu_us"] is None else f"{side['replica_cpu_us']:,}"
        print(f"{name:28}{side['requests_s']:>12,.0f}{side['p50_ms']:>10.2f}{side['p99_ms']:>10.2f}{cpu_us:>10}")
    return sides


def reached(what: str, found: float, *, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    """Prints whether a number is where it should be, and gives it as JSON."""
    is_reached = (least is None or found >= least) and (most is None or found <= most)
    to_reach = f"at least {least:g}" if least is not None else f"at most {most:g}"
    print(f"{what}: {found:g}, to reach: {to_reach}: {'yes' if is_reached else 'no'}")
    return {"found": found, "to_reach": to_reach, "reached": is_reached}


def keep(benchmark: str, part: str, result: dict[str, Any]) -> None:
    """Beside the results of the other parts."""
    file = RESULTS / f"{benchmark}.json"
    known = json.loads(file.read_text()) if file.exists() else {"benchmark": benchmark}
    machine = {"cores": os.cpu_count(), "load_average": [round(load, 2) for load in os.getloadavg()]}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(known | {part: result | machine}, indent=2) + "\n", encoding="utf-8")


def conditions(effort: Effort) -> dict[str, Any]:
    """How it was measured."""
    return {"rounds": effort.rounds, "seconds": effort.seconds, "connections": CONNECTIONS}
