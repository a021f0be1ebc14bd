"""Applies a spec and prepares its data: what would be trained, and which partitions cannot be, and why.

python -m jobs.prepare --spec examples/flights/spec.yaml --as-of 2013-03-01 [--sample 24]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Reads, checks, splits and stores the data; declares the models."""
    from jobs.arguments import add_data_arguments

    parser = argparse.ArgumentParser(prog="jobs.prepare", description=__doc__)
    add_data_arguments(parser)
    options = parser.parse_args(argv)

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect
    from jobs.building import declare
    from jobs.display.left_out import tell_left_out
    from runtime.pipeline.search import load_checked

    spec = load_checked(options.spec)
    connect()
    dataset = declare(spec, settings, as_of=options.as_of, count=options.sample)
    tell_left_out(dataset)
    print(f"{dataset.rows} rows in {len(dataset.partitions)} models, {len(dataset.skipped)} skipped: {dataset.digest}")
    return 0


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
