"""The local cluster itself: one of its kind, closed to the outside, with a secret."""

import json
import os
import socket
import stat
from pathlib import Path

import psutil
import pytest

from runtime.domain.errors import Refused
from runtime.local_cluster import LOOPBACK, LocalCluster


def test_a_second_start_says_that_it_is_up_already(cluster: LocalCluster) -> None:
    with pytest.raises(Refused, match=f"already up at {cluster.address}"):
        LocalCluster.start(Path(cluster.home), num_cpus=1)


def test_another_process_finds_the_same_cluster(cluster: LocalCluster) -> None:
    assert LocalCluster.load(Path(cluster.home)) == cluster


def test_a_home_without_a_cluster_or_with_a_dead_one_has_none(cluster: LocalCluster, tmp_path: Path) -> None:
    assert LocalCluster.load(tmp_path) is None
    document = json.loads(Path(cluster.home, "cluster.json").read_text())
    (tmp_path / "cluster.json").write_text(json.dumps({**document, "pids": {"gcs_server": os.getpid()}}))
    assert LocalCluster.load(tmp_path) is None


def test_the_token_and_the_folder_are_for_their_owner_only(cluster: LocalCluster) -> None:
    assert stat.S_IMODE(Path(cluster.token_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(cluster.temp_dir).stat().st_mode) == 0o700


def test_every_port_is_on_loopback_only(cluster: LocalCluster) -> None:
    own = {int(text) for name, text in cluster.env.items() if "PORT" in name}
    own |= {int(cluster.address.rpartition(":")[2]), int(cluster.dashboard.rpartition(":")[2])}
    block = range(min(own), max(own) + 1)
    open_ports = {(address, port) for address, port in _listening() if port in block}
    assert {port for _, port in open_ports} >= {min(block)}, "the GCS listens"
    assert {address for address, _ in open_ports} == {LOOPBACK}


def test_this_process_listens_on_loopback_only_whatever_imported_ray_first(cluster: LocalCluster) -> None:
    own = [each.laddr for each in psutil.Process().net_connections() if each.status == psutil.CONN_LISTEN]
    assert own, "a driver takes calls from its workers"
    assert {address.ip.removeprefix("::ffff:") for address in own} == {LOOPBACK}


def _listening() -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A":
                address, port = local.split(":")
                found.add((_address(address), int(port, 16)))
    return found


def _address(text: str) -> str:
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    raw = b"".join(words)
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    return socket.inet_ntop(socket.AF_INET6, raw).removeprefix("::ffff:")
