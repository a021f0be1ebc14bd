"""The bounds of unit tests hold: no Ray, no network."""

import importlib
import socket
import subprocess
import urllib.request

import pytest


@pytest.mark.parametrize("server", ["gcs_server", "/opt/ray/core/src/ray/raylet/raylet"])
def test_a_unit_test_cannot_start_a_ray_process(server: str) -> None:
    with pytest.raises(AssertionError, match="start no Ray"):
        subprocess.run([server, "--version"], check=False)


def test_ray_init_is_refused_even_when_ray_is_imported_late() -> None:
    ray = importlib.import_module("ray")
    with pytest.raises(AssertionError, match="start no Ray"):
        ray.init(include_dashboard=False)


def test_a_unit_test_cannot_reach_another_machine() -> None:
    with pytest.raises(AssertionError, match="stay on this machine"), socket.socket() as connection:
        connection.connect(("192.0.2.1", 80))  # TEST-NET-1: never anyone's address
    with pytest.raises(AssertionError, match="look up no names"):
        urllib.request.urlopen("http://example.invalid/")


def test_loopback_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
