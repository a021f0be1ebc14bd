"""HAProxy's configuration as Serve writes it, after the wrapper of a local cluster has read it over."""

import subprocess
from pathlib import Path

import pytest

from runtime.local_cluster.environment import serve_environment
from runtime.local_cluster.ports import NAMED

SERVES = """
global
    maxconn 100
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend prometheus
    bind :9101
frontend http_frontend
    bind *:8000
    acl is_http-pool-dedicated-a.b path_beg /v2/models/a.b/
    acl is_http-pool-dedicated-a.b path /v2/models/a.b
    acl is_http-pool-default path_beg /
    acl is_http-pool-default path /
    use_backend http-pool-dedicated-a.b if is_http-pool-dedicated-a.b
    use_backend http-pool-default if is_http-pool-default
    default_backend default_grpc_backend
backend http-pool-default
backend http-pool-dedicated-a.b
backend default_grpc_backend
"""
GRPC = "backend grpc-api\nbackend {first}\nbackend {second}\n"


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    environment = serve_environment(tmp_path / "serve", dict.fromkeys(NAMED, 1), 30_000)
    if not environment:
        pytest.skip("there is no HAProxy for this platform")
    return Path(environment["RAY_SERVE_HAPROXY_BINARY_PATH"])


def rewritten(wrapper: Path, config: str) -> list[str]:
    """The lines of a configuration that the wrapper rewrote and HAProxy found valid."""
    path = wrapper.parent / "haproxy.cfg"
    path.write_text(config)
    subprocess.run([str(wrapper), "-c", "-f", str(path)], check=True, capture_output=True)
    return [line.strip() for line in path.read_text().splitlines()]


def test_it_listens_on_loopback_only(wrapper: Path) -> None:
    binds = [line for line in rewritten(wrapper, SERVES) if line.startswith("bind")]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000"]


def test_the_paths_of_other_protocols_are_led_to_an_application_of_its_own(wrapper: Path) -> None:
    (rule,) = [line for line in rewritten(wrapper, SERVES) if line.startswith("http-request set-path")]
    assert rule == (
        "http-request set-path /v2/models/a.b/-%[path] "
        "if { path /v1/models/a.b } || { path_beg /v1/models/a.b: /v1/models/a.b/ /models/a.b/ }"
    )


@pytest.mark.parametrize(
    ("first", "second", "reached"),
    [
        ("grpc-pool-dedicated-a", "grpc-pool-default", "grpc-pool-default"),
        ("grpc-pool-other", "grpc-pool-test", "grpc-pool-other"),
    ],
)
def test_grpc_that_names_no_application_reaches_the_default_pool(
    wrapper: Path, first: str, second: str, reached: str
) -> None:
    lines = rewritten(wrapper, SERVES + GRPC.format(first=first, second=second))
    assert f"default_backend {reached}" in lines
