"""Makes versions of a spec's models: prepare, search, test, package, register.

What happens then is policy: versions that pass their gates are approved or wait for people, and the operator
rolls out what was approved.

    python -m jobs.train --spec examples/flights/spec.yaml --as-of 2013-03-01 [--sample 24] [--changed]

A job that died goes on where it was: each version is recorded as soon as it is built, and is not built again under the
same spec and data.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Trains every model of the spec that can be trained; reports the others and goes on."""
    from jobs.arguments import add_data_arguments

    parser = argparse.ArgumentParser(prog="jobs.train", description=__doc__)
    add_data_arguments(parser)
    parser.add_argument("--changed", action="store_true", help="only models whose rows or spec changed since")
    options = parser.parse_args(argv)

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect
    from jobs.building import declare, only_changed, train
    from jobs.display.left_out import tell_left_out
    from jobs.display.progress import progress
    from runtime.pipeline.search import load_checked

    spec = load_checked(options.spec)
    connect()
    dataset = declare(spec, settings, as_of=options.as_of, count=options.sample)
    left = only_changed(spec, dataset, settings) if options.changed else dataset
    with progress() as report:
        registered, failed = train(spec, left, settings, as_of=options.as_of, on_progress=report)
    tell_left_out(dataset)
    for failure in failed:
        print(f"failed {failure.model}: {failure.reason}")
    same = len(dataset.partitions) - len(left.partitions)
    unchanged = f", {same} unchanged" if options.changed else ""
    print(f"{registered} versions registered, {len(failed)} failed, {len(dataset.skipped)} skipped{unchanged}")
    return 0 if registered or (same and not failed) else 1


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
