"""Fits on one core, as a worker does: on a busy machine threads wait for each other longer than they work."""

from collections.abc import Iterator

import pytest

from runtime.flavors.threads import one_thread


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One core for one test."""
    with one_thread():
        yield
