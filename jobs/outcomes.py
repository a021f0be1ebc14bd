"""Hands in what came of decisions, from Parquet, CSV or a database: to the same place as HTTP's outcomes.

Each row names a decision by its id, and the row of it where it had several, with what came of it. Rows that are new
are handed in; what is left out is counted and named by its reason. The same source may be handed in again.

    python -m jobs.outcomes outcomes.parquet --model time-EV-EWR-CVG
    python -m jobs.outcomes 'SELECT decision_id, arrived AS actual FROM flights' --connection WAREHOUSE --model M
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all that is new was handed in, whatever was left out; 1 when requests failed."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.time is None and (options.since or options.until):
        parser.error("--since and --until need --time, the column that says when an outcome was known")

    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect, serve_url
    from jobs.display.left_out import tell_outcomes
    from jobs.handing_in import hand_in, source_of
    from runtime.pipeline.outcomes import Period

    connect()
    tally = hand_in(
        source_of(options.source, options.connection),
        options.model,
        (options.decision, options.actual, options.row, options.time),
        Period(datetime.now(UTC), options.since, options.until),
        options.url or serve_url(settings),
    )
    if options.output == "json":
        print(json.dumps({"model": options.model, **tally.as_document()}, indent=2, ensure_ascii=False))
    else:
        tell_outcomes(tally)
    return 1 if tally.failed else 0


def _parser() -> argparse.ArgumentParser:
    from jobs.arguments import moment

    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="jobs.outcomes", description=__doc__, formatter_class=formatter)
    parser.add_argument("source", metavar="FILE_OR_SQL", help="a file, a folder of Parquet files, or a query")
    parser.add_argument("--model", required=True, metavar="NAME", help="the model that decided")
    parser.add_argument(
        "--decision", default="decision_id", metavar="COLUMN", help="of decision ids (default: %(default)s)"
    )
    parser.add_argument(
        "--actual", default="actual", metavar="COLUMN", help="of what came of them (default: %(default)s)"
    )
    parser.add_argument("--row", metavar="COLUMN", help="the column of row numbers (default: row, else 0)")
    parser.add_argument("--time", metavar="COLUMN", help="the column that says when an outcome was known")
    parser.add_argument("--since", type=moment, metavar="TIME", help="outcomes known from this moment on")
    parser.add_argument("--until", type=moment, metavar="TIME", help="outcomes known before this moment")
    parser.add_argument("--connection", metavar="VARIABLE", help="of a query: the variable with the database's address")
    parser.add_argument("--url", help="where the fleet answers (default: this cluster's Serve)")
    parser.add_argument("--output", choices=("table", "json"), default="table", help="lines, or one JSON document")
    return parser


if __name__ == "__main__":
    from jobs.ending import run

    run(main)
