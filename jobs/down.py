"""Takes Fleetward down: the local cluster of FLEETWARD_HOME (and a demo's that was kept), or, inside a job, its actors
and applications.

Nothing durable is lost: the ledger and the store stay, and the next ``up`` goes on from them.

    python -m jobs.down
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Stops what runs; when nothing does, says so."""
    argparse.ArgumentParser(prog="jobs.down", description=__doc__).parse_args(argv)

    from runtime.local_cluster import LocalCluster
    from runtime.settings import Settings

    settings = Settings.from_environment()
    if "RAY_ADDRESS" in os.environ:
        from actors.connect import connect
        from actors.deploy import remove

        connect()
        remove()
        print("Fleetward is down; its ledger and store stay")
        return 0
    homes = (settings.home, settings.home / "demo")
    up = [cluster for home in homes if (cluster := LocalCluster.load(home)) is not None]
    for cluster in up:
        cluster.stop()
        print(f"the cluster of {cluster.home} is down; its ledger and store stay")
    if not up:
        print(f"no cluster of {settings.home} is up")
    return 0


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
