"""What a fleet may be exposed with: nobody unauthenticated beyond loopback, and TLS where Serve can do it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runtime.domain.errors import SettingsError
from runtime.domain.serving import TLS_FILE
from runtime.settings import Settings

NO_TLS: Final[Mapping[str, str]] = {}


def require_authentication(settings: Settings, host: str) -> None:
    """Raises ``SettingsError`` when callers would be believed as they are named on a host that others reach."""
    if settings.authentication == "none" and not _is_loopback(host):
        raise SettingsError(
            "FLEETWARD_AUTHENTICATION", "none", f"required where Serve listens on {host}, which is not loopback"
        )


def tls_options(settings: Settings, environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Serve's HTTP options for TLS; none without a certificate.

    Serve gives its certificate to every HTTP server it starts, so replicas take TLS only; but the HAProxy that it
    writes a configuration for (Ray 2.60) neither takes TLS nor speaks it to replicas, and would reach none. A local
    cluster mends that (``runtime.local_cluster.proxying``). Raises ``SettingsError`` elsewhere: there, TLS ends in
    what stands before HAProxy.
    """
    if not settings.tls_certificate and not settings.tls_key:
        return NO_TLS
    if not settings.tls_certificate or not settings.tls_key:
        raise SettingsError("FLEETWARD_TLS_CERTIFICATE", settings.tls_certificate, "FLEETWARD_TLS_KEY beside it")
    if environment.get("RAY_SERVE_ENABLE_HA_PROXY") == "1" and TLS_FILE not in environment:
        raise SettingsError(
            "FLEETWARD_TLS_CERTIFICATE",
            settings.tls_certificate,
            "RAY_SERVE_ENABLE_HA_PROXY=0, or TLS in what stands before HAProxy: Serve's HAProxy speaks none",
        )
    return {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}


def hand_to_haproxy(tls: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> None:
    """Certificate and key where this cluster's HAProxy looks for them when it starts, or none.

    Raises ``SettingsError`` for a file that cannot be read.
    """
    if TLS_FILE not in environment:
        return
    file = Path(environment[TLS_FILE])
    file.unlink(missing_ok=True)
    if tls:
        names = ("FLEETWARD_TLS_CERTIFICATE", tls["ssl_certfile"]), ("FLEETWARD_TLS_KEY", tls["ssl_keyfile"])
        content = b"\n".join([_read(name, path) for name, path in names])
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(content)


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(name, path, f"a PEM file that can be read ({error.strerror})") from error


def grpc_port(settings: Settings, environment: Mapping[str, str] = os.environ) -> int | None:
    """Where gRPC is answered, by ``FLEETWARD_SERVE_GRPC_PORT``; None where nobody asked for it.

    Raises ``SettingsError`` for what is no port, and beside a certificate: Serve's gRPC takes no TLS (Ray 2.60), and
    callers who were promised it would send their credentials in the clear.
    """
    name = "FLEETWARD_SERVE_GRPC_PORT"
    value = environment.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise SettingsError(name, value, "a port from 1 to 65535")
    if settings.tls_certificate:
        raise SettingsError(name, value, "no FLEETWARD_TLS_CERTIFICATE: Serve's gRPC takes no TLS")
    return int(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
