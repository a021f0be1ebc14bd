"""One row in JSON: the champion's estimator in MLServer and in MLflow's server, beside Fleetward and the library alone.

The model is a pipeline of scikit-learn (imputer, scaler, logistic regression); peers and ``bare`` call its
``predict_proba``. Fleetward answers the same numbers by the flavor's own form of it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.servers import peers
from benchmarks.servers.fleet import Served
from benchmarks.servers.report import Effort, Side, conditions, p99, ratio, reached, table, take_turns, throughput

REPLICAS = 1
LEAST = {"mlserver": 1.4, "mlflow": 2.3}


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Throughput against each peer."""
    with ExitStack() as held:
        sides = {"fleetward": Side(fleet.ask(1), tuple(fleet.replicas("pool-default")))}
        for peer in peers.PACKAGES:
            sides[peer] = side(peer, fleet, held, rows=1)
        found = take_turns(sides, effort)
    print("one row, JSON, one process of each, 8 connections")
    return {
        **conditions(effort),
        "versions": {peer: peers.version_of(peer) for peer in peers.PACKAGES},
        "sides": table(found),
        "throughput": {
            peer: reached(f"throughput, of {peer}", ratio(found, "fleetward", peer, throughput), least=least)
            for peer, least in LEAST.items()
        },
        "p99": {peer: ratio(found, "fleetward", peer, p99) for peer in LEAST},
    }


def side(peer: str, fleet: Served, held: ExitStack, rows: int) -> Side:
    """The peer with the champion's estimator, which answers as Fleetward's own form of it does."""
    from runtime.flavors import load

    predictor: Any = load(fleet.artifact())
    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="fw-")))
    server = held.enter_context(peers.up(peer, predictor.estimator, folder))
    assert abs(peers.first_answer(peer, server.url) - fleet.first_answer()) < 1e-6
    return Side(peers.ask(peer, server.url, rows), server.processes)
