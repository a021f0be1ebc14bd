"""How a job's process ends: what went wrong is one line for people, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from runtime.domain.errors import FleetwardError


def run(main: Callable[[], int]) -> NoReturn:
    """Exits with what ``main`` returns: 1 for a refusal or failure Fleetward knows, 130 for an interrupt."""
    try:
        code = main()
    except FleetwardError as error:
        print(one_line(error), file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def one_line(error: FleetwardError) -> str:
    """The error's text; of one that crossed from an actor, its cause's, since Ray renders a traceback."""
    cause = getattr(error, "cause", None)
    return " ".join(str(cause if isinstance(cause, FleetwardError) else error).split())
