"""A replica's own gRPC port, which Ray Serve 2.60 opens on every interface of the machine, kept to the cluster's host.

Handles of other replicas call it with pickles, and it asks nobody who they are: where Serve listens on loopback, so
must it. Between machines the security group closes it, as it closes all of Ray's ports.
"""

from __future__ import annotations

import os
from typing import Any

from ray.serve._private import replica as of_serve

_EVERYWHERE = "[::]:"


def keep_own_port_to_host() -> None:
    """For this process, a replica's, before Serve opens the port: called by its constructor. Safe to repeat."""
    host = os.environ.get("FLEETWARD_SERVE_HOST", "")
    replica: Any = of_serve
    original = replica.add_port_to_grpc_server
    if not host.startswith("127.") or hasattr(original, "keeps_to"):
        return

    def add_port(server: Any, address: str) -> int:
        port: int = original(server, address.replace(_EVERYWHERE, f"{host}:", 1))
        return port

    add_port.keeps_to = host  # type: ignore[attr-defined]
    replica.add_port_to_grpc_server = add_port
