"""Arguments that several jobs take."""

from __future__ import annotations

import argparse
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
