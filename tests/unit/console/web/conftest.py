from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.unit.console.fleets import Fleet
from tests.unit.console.web.ground import Browser, Served


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop, as the console has one."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def served(fleet: Fleet) -> Iterator[Served]:
    """The console of a fleet after its first spring; nobody must prove who they are."""
    served = Served(fleet)
    yield served
    served.close()


@pytest.fixture
def browser(served: Served, runner: asyncio.Runner) -> Browser:
    return Browser(served, runner)
