"""Builds the challengers of one retraining batch that the operator started.

python -m jobs.retrain --batch BATCH
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, tests, packages and registers one challenger a model; a model that fails does not stop the rest."""
    parser = argparse.ArgumentParser(prog="jobs.retrain", description=__doc__)
    parser.add_argument("--batch", required=True, help="the batch's id in the ledger")
    options = parser.parse_args(argv)

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect, governor
    from runtime.pipeline.warm_up import warm_up

    connect()
    warm_up()  # before the imports that follow, which take as long as the worker's

    from actors.quiescence import ask
    from jobs.building import retrain
    from runtime.telemetry.traces import traced_job

    batch = ask(governor().batch.remote, options.batch)
    if batch is None:
        print(f"no batch {options.batch} was started", file=sys.stderr)
        return 1
    with traced_job("retrain job", {"fleetward.batch": batch.batch, "fleetward.models": len(batch.models)}):
        registered, failed = retrain(batch, settings)
    for failure in failed:
        print(f"failed {failure.model}: {failure.reason}")
    print(f"{registered} challengers registered, {len(failed)} failed")
    return 0


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
