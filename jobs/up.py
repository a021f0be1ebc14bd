"""Brings Fleetward up: on the Ray cluster this runs in (``ray job submit``), else on one of its own on this machine.

python -m jobs.up [--cpus N]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Starts what is not there yet; a second call changes nothing and says so."""
    parser = argparse.ArgumentParser(prog="jobs.up", description=__doc__)
    parser.add_argument("--cpus", type=int, default=os.cpu_count() or 2, help="CPUs of a local cluster")
    options = parser.parse_args(argv)

    from runtime.local_cluster import LocalCluster, join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    if "RAY_ADDRESS" not in os.environ and LocalCluster.load(settings.home) is None:
        print(f"starting a Ray cluster in {settings.home} ...", flush=True)
        LocalCluster.start(settings.home, num_cpus=options.cpus)
    join(settings.home)

    from actors.connect import connect
    from actors.deploy import deploy, is_deployed, keep_monitors

    connect()
    if is_deployed():
        changed = keep_monitors(settings)
        print("Fleetward is up already; " + (f"{settings.monitors} monitors now" if changed else "nothing changed"))
        return 0
    print("starting governor, monitor, operator and the model servers ...", flush=True)
    url = deploy(settings)
    print(f"Fleetward is up: {url}/v2")
    print(f"the console: {url}/api/console/")
    if settings.authentication == "required":
        print(f"who asks and who acts must prove who they are; the key in {settings.credential} may do everything")
    return 0


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
