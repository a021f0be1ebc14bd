"""Makes versions of a spec's models: prepare, search, test, package, register.

What happens then is policy: versions that pass their gates are approved or wait for people, and the operator
rolls out what was approved.

    python -m jobs.train --spec examples/flights/spec.yaml --as-of 2013-03-01 [--sample 24]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Trains every model of the spec that can be trained; reports the others and goes on."""
    from jobs.arguments import add_data_arguments

    parser = argparse.ArgumentParser(prog="jobs.train", description=__doc__)
    add_data_arguments(parser)
    options = parser.parse_args(argv)

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect
    from jobs.building import declare, train
    from jobs.display.left_out import tell_left_out
    from jobs.display.progress import progress
    from runtime.domain.load import load_spec

    spec = load_spec(options.spec)
    connect()
    dataset = declare(spec, settings, as_of=options.as_of, count=options.sample)
    with progress() as report:
        registered, failed = train(spec, dataset, settings, as_of=options.as_of, on_progress=report)
    tell_left_out(dataset)
    for failure in failed:
        print(f"failed {failure.model}: {failure.reason}")
    print(f"{registered} versions registered, {len(failed)} failed, {len(dataset.skipped)} skipped")
    return 0 if registered else 1


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
