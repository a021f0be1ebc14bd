"""1,000 rows a request: JSON and binary tensors, against MLServer's JSON with the same estimator."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import orjson

from benchmarks.servers import peers
from benchmarks.servers.fleet import Served, json_body, matrix
from benchmarks.servers.load import Ask
from benchmarks.servers.peer_rows import side
from benchmarks.servers.report import Effort, Side, conditions, ratio, reached, table, take_turns, throughput

REPLICAS = 1
ROWS = 1000
PEER = "mlserver"


def measure(fleet: Served, effort: Effort) -> dict[str, Any]:
    """Throughput against MLServer's JSON."""
    with ExitStack() as held:
        replicas = tuple(fleet.replicas("pool-default"))
        sides = {
            "fleetward, JSON": Side(fleet.ask(ROWS), replicas),
            "fleetward, binary": Side(binary(fleet), replicas),
            "mlserver, JSON": side(PEER, fleet, held, ROWS),
        }
        found = take_turns(sides, effort)
    print(f"{ROWS:,} rows a request, one process of each, 8 connections")
    return {
        **conditions(effort),
        "versions": {PEER: peers.version_of(PEER)},
        "sides": table(found),
        "body_bytes": {"JSON": len(json_body(ROWS)), "binary": matrix(ROWS).nbytes},
        "json": reached("JSON, of MLServer's", ratio(found, "fleetward, JSON", "mlserver, JSON", throughput), least=1),
        "binary": reached(
            "binary, of MLServer's JSON", ratio(found, "fleetward, binary", "mlserver, JSON", throughput), least=4
        ),
    }


def binary(fleet: Served) -> Ask:
    """One raw tensor of whole rows, answered raw."""
    values = np.ascontiguousarray(matrix(ROWS), dtype="<f8")
    tensor = {
        "name": "x",
        "shape": list(values.shape),
        "datatype": "FP64",
        "parameters": {"binary_data_size": values.nbytes},
    }
    header = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {**fleet.headers, "inference-header-content-length": str(len(header))}
    return Ask(fleet.url, header + values.tobytes(), headers)
