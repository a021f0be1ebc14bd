"""Replays a past as live traffic, day after day: outcomes, questions, then everything that follows from them.

After each day the fleet catches up (captured records are sealed, ticks closed, verdicts carried out, retraining
jobs run) before the next begins, as it would overnight.

    python -m jobs.replay --spec examples/flights/spec.yaml --since 2013-03-01 --until 2014-01-01
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Sends the rows of the spec's source between two moments to the fleet's models that serve."""
    from jobs.arguments import moment

    parser = argparse.ArgumentParser(prog="jobs.replay", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the spec file")
    parser.add_argument("--since", type=moment, required=True, help="the first moment replayed")
    parser.add_argument("--until", type=moment, required=True, help="the moment before which the replay ends")
    parser.add_argument("--url", default=None, help="where the fleet answers (default: this cluster's Serve)")
    options = parser.parse_args(argv)

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect, serve_url
    from jobs.display.progress import progress
    from jobs.replaying import replay
    from runtime.domain.load import load_spec

    spec = load_spec(options.spec)
    connect()
    with progress() as report:
        tally = replay(spec, options.url or serve_url(settings), options.since, options.until, on_progress=report)
    print(
        f"{tally.requests} requests, {tally.decisions} decisions, {tally.outcomes} outcomes; "
        f"{tally.retried} sent again, {tally.failed} failed"
    )
    for failure in tally.failures:
        print(failure, file=sys.stderr)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
