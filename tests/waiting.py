"""Waiting for what another thread, process or server does, with a deadline and no sleep for luck."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as it holds; fail when it does not in time."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"it did not hold within {seconds} s"
        time.sleep(0.01)
