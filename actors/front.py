"""Serve's way in: where it listens, with TLS or not, and never open to others without authentication."""

from __future__ import annotations

import os

from ray import serve
from ray.serve.config import gRPCOptions

from runtime.serving.authentication.exposure import grpc_port, hand_to_haproxy, require_authentication, tls_options
from runtime.serving.grpc_service import SERVICER
from runtime.settings import Settings


def start_front(settings: Settings) -> str:
    """Serve's own processes on this cluster, if they are not there yet, and the URL they answer at.

    Replicas listen on the same host. Raises ``SettingsError`` for a host that others reach without authentication.
    """
    host = os.environ.get("FLEETWARD_SERVE_HOST", "127.0.0.1")
    port = int(os.environ.get("FLEETWARD_SERVE_PORT", "8000"))
    require_authentication(settings, host)
    tls = tls_options(settings)
    hand_to_haproxy(tls)
    http = {"host": host, "port": port, **tls}
    serve.start(proxy_location="HeadOnly", http_options=http, grpc_options=_grpc(grpc_port(settings)))
    return f"{'https' if tls else 'http'}://{host}:{port}"


def _grpc(port: int | None) -> gRPCOptions | None:
    """Without reflection, which would describe the service to whoever asks."""
    if port is None:
        return None
    return gRPCOptions(port=port, grpc_servicer_functions=[SERVICER], enable_reflection=False)
