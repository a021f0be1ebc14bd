"""Arguments that several jobs take."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path


def moment(text: str) -> datetime:
    """A date or time of ISO 8601; without a zone it is UTC."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """``--spec``, ``--as-of`` and ``--sample``."""
    parser.add_argument("--spec", type=Path, required=True, help="the spec file")
    parser.add_argument("--as-of", type=moment, default=datetime.now(UTC), help="use data before this moment only")
    parser.add_argument("--sample", type=int, default=None, help="only so many models, spread over the fleet")


def demo_arguments(doc: str | None, models: int) -> argparse.ArgumentParser:
    """``--fleet``, ``--keep`` and ``--home``; the environment's FLEET and KEEP are their defaults."""
    parser = argparse.ArgumentParser(
        prog="jobs.demo", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--fleet",
        type=fleet_size,
        default=os.environ.get("FLEET") or str(models),
        help=f'a number of models, or "all" (default: $FLEET or {models})',
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in {"", "0"},
        help="leave the cluster up (default: $KEEP)",
    )
    parser.add_argument("--home", type=Path, default=Path(".fleetward/demo"), help="folder of all that is kept")
    return parser


def fleet_size(text: str) -> int | None:
    """A number of models, ``None`` for "all"."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'FLEET is {text!r}; expected a number of at least 1, or "all"')
    return int(text)
