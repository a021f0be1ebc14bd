"""One row in JSON: Fleetward against the model in bare Serve, one replica each, behind the same HAProxy."""

from __future__ import annotations

from typing import Any

from benchmarks.servers.fleet import Served, json_body
from benchmarks.servers.load import Ask
from benchmarks.servers.report import Effort, Side, conditions, cpu, p99, ratio, reached, table, take_turns, throughput

REPLICAS = 1
ROWS = 1


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Ratios to bare Serve with the library's own predict, and to one with the flavor's."""
    from ray import serve

    sides = {
        "fleetward": Side(fleet.ask(ROWS), tuple(fleet.replicas("pool-default"))),
        "bare, scikit-learn": bare(fleet, "raw"),
        "bare, flavor": bare(fleet, "flavor"),
    }
    found = take_turns(sides, effort)
    for how in ("raw", "flavor"):
        serve.delete(f"bare-{how}")
    print("one row, JSON, one replica, 8 connections")
    return {
        **conditions(effort),
        "sides": table(found),
        "throughput": reached(
            "throughput, of bare", ratio(found, "fleetward", "bare, scikit-learn", throughput), least=0.85
        ),
        "p99": reached("p99, of bare", ratio(found, "fleetward", "bare, scikit-learn", p99), most=1.3),
        "cpu": ratio(found, "fleetward", "bare, scikit-learn", cpu),
        "with_the_same_flavor": {
            "throughput": ratio(found, "fleetward", "bare, flavor", throughput),
            "p99": ratio(found, "fleetward", "bare, flavor", p99),
            "cpu": ratio(found, "fleetward", "bare, flavor", cpu),
        },
    }


def bare(fleet: Served, how: Any) -> Side:
    """The champion's model in a deployment of its own on the same cluster."""
    from ray import serve

    from benchmarks.servers.bare import bare_app

    name = f"bare-{how}"
    try:
        serve.run(bare_app(fleet.artifact(), how), name=name, route_prefix=f"/{name}")
    except RuntimeError as error:
        reasons = [each.message for each in serve.status().applications[name].deployments.values()]
        raise SystemExit(f"{error}: {reasons}") from error
    return Side(Ask(f"{fleet.cluster.serve_url}/{name}", json_body(ROWS)), tuple(fleet.replicas(name)))
