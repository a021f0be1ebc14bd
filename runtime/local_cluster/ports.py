"""The ports of one cluster: a block below the range the kernel hands out, found free as a whole.

Nothing else on the machine takes one of them between our check and Ray's bind.
"""

from __future__ import annotations

import random
import socket

from runtime.local_cluster.errors import ClusterFailed

NAMED = (
    *("gcs", "node_manager", "object_manager", "client_server", "dashboard", "agent_http", "agent_grpc"),
    *("runtime_env", "metrics", "autoscaler_metrics", "dashboard_metrics", "serve", "fallback_http", "fallback_grpc"),
    *("haproxy_metrics", "haproxy_stats"),
)
"""What each port of a block is for, in order; the replicas' ports follow."""
INGRESS = 24
"""Replica ports, for HTTP and for gRPC each."""
_BLOCK = len(NAMED) + 2 * INGRESS
_BLOCKS = range(20_000, 32_000)


def named(first: int) -> dict[str, int]:
    """The ports of the block that begins at ``first``, by name."""
    return {name: first + offset for offset, name in enumerate(NAMED)}


def free_block() -> int:
    """The first port of a block that is free as a whole, found from a random place on."""
    starts = list(range(_BLOCKS.start, _BLOCKS.stop - _BLOCK, _BLOCK))
    random.shuffle(starts)
    for first in starts:
        if all(_is_free(port) for port in range(first, first + _BLOCK)):
            return first
    raise ClusterFailed("start", f"no {_BLOCK} free ports in a row in {_BLOCKS.start}-{_BLOCKS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
