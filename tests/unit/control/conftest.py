"""A ledger with a small fleet in it, and the control API over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.control.ground import Asker, Ground


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop, as the API has one."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """The fleet's story stands in the ledger; nobody must prove who they are."""
    ground = Ground(tmp_path)
    yield ground
    ground.close()


@pytest.fixture
def ada(ground: Ground, runner: asyncio.Runner) -> Asker:
    """Somebody who says to be ada."""
    return Asker(ground, runner)


@pytest.fixture
def asker(ground: Ground, runner: asyncio.Runner) -> Callable[[str | None], Asker]:
    """Somebody with a key."""
    return lambda key: Asker(ground, runner, key or "none")
