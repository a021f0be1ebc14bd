"""The processes of one cluster, found exactly and ended.

A process belongs to the cluster when its environment carries ``FLEETWARD_CLUSTER`` with the folder's name, when its
output goes to a file in that folder (Ray's workers overwrite their environment when they set their title), or when it
descends from such a process.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from runtime.local_cluster.errors import ClusterFailed

MARK = "FLEETWARD_CLUSTER"


def end(temp_dir: Path) -> None:
    """SIGTERM to the raylet, which ends its workers; then to the rest; then SIGKILL; then nothing may be left."""
    for stop, names, seconds in (
        (signal.SIGTERM, {"raylet"}, 5.0),
        (signal.SIGTERM, None, 3.0),
        (signal.SIGKILL, None, 5.0),
    ):
        chosen = {pid for pid, name in members_of(temp_dir).items() if names is None or name in names}
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, stop)
        _wait_until_gone(temp_dir, chosen, seconds)
    if left := members_of(temp_dir):
        raise ClusterFailed("stop", f"still there after SIGKILL: {left}")
    shutil.rmtree(temp_dir, ignore_errors=True)


def _wait_until_gone(temp_dir: Path, pids: set[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while pids & members_of(temp_dir).keys() and time.monotonic() < deadline:
        time.sleep(0.05)


def members_of(temp_dir: Path) -> dict[int, str]:
    """Pid and name of every process of the cluster, except this one and those it runs in."""
    parents, names = _process_table()
    members = {pid for pid in names if is_marked(pid, str(temp_dir))}
    grew = True
    while grew:
        children = {pid for pid, parent in parents.items() if parent in members}
        grew = not children <= members
        members |= children
    own, this = set(), os.getpid()
    while this in parents:
        own.add(this)
        this = parents[this]
    return {pid: names[pid] for pid in members - own}


def _process_table() -> tuple[dict[int, int], dict[int, str]]:
    """Parent and name by pid; zombies have ended and are left out."""
    alive = [
        process.info
        for process in psutil.process_iter(["pid", "ppid", "name", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
    ]
    return {each["pid"]: each["ppid"] for each in alive}, {each["pid"]: each["name"] for each in alive}


def is_marked(pid: int, temp_dir: str) -> bool:
    """By its environment or, where a process wrote over that, by where its output goes."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.environ().get(MARK) == temp_dir:
            return True
    for descriptor in ("1", "2"):
        with suppress(OSError):
            if str(Path("/proc", str(pid), "fd", descriptor).readlink()).startswith(f"{temp_dir}/"):
                return True
    return False
