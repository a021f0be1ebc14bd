from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.console.fleets import Fleet, live_a_spring, open_for_business
from tests.unit.console.web.ground import Browser, Served


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop, as the console has one."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The console of a fleet after its first spring, for those who only look; nobody must prove who they are."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    open_for_business(fleet)
    live_a_spring(fleet)
    served = Served(fleet)
    yield served
    served.close()
    fleet.close()


@pytest.fixture
def visitor(looked_at: Served, runner: asyncio.Runner) -> Browser:
    """Somebody who looks at that one."""
    return Browser(looked_at, runner)


@pytest.fixture
def served(young: Fleet) -> Iterator[Served]:
    """The console of a fleet that serves, for those who change something."""
    served = Served(young)
    yield served
    served.close()


@pytest.fixture
def guarded(served: Served) -> Served:
    """The same where everybody must prove who they are."""
    served.authenticate()
    return served


@pytest.fixture
def browser_of(runner: asyncio.Runner) -> Callable[[Served], Browser]:
    """Somebody's browser, with no cookie yet."""
    return lambda served: Browser(served, runner)


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Served]:
    """The console of a ledger with nothing in it."""
    fleet = Fleet(tmp_path)
    served = Served(fleet)
    yield served
    served.close()
    fleet.close()


@pytest.fixture
def thousand(tmp_path: Path) -> Iterator[Served]:
    """The console of a thousand models that were declared."""
    fleet = Fleet(tmp_path)
    fleet.declare(*(f"r-{number:04}" for number in range(1_000)))
    served = Served(fleet)
    yield served
    served.close()
    fleet.close()
