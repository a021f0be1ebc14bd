"""A ledger in a temporary folder or a database of a server, a clock moved by hand, and events to record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.log import Log
from tests.unit.ledger.behind import Behind


@dataclass
class ManualClock:
    """Gives the same time until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def log(url: str, clock: ManualClock) -> Iterator[Log]:
    with Log.open(url, clock) as opened:
        yield opened


@pytest.fixture
def draft() -> Callable[..., Draft]:
    """The draft of a number: the same number gives the same draft."""

    def make(number: int, reason: str = "drift", principal: str = "ada") -> Draft:
        event = ModelSuspended(model=f"model-{number}", reason=reason)
        return Draft(event=event, principal=principal, event_id=f"event-{number}")

    return make


@pytest.fixture
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The database behind the ledger's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def behind(database_url: str) -> Iterator[Behind]:
    """The database behind the ledger's back."""
    with Behind(database_url) as opened:
        yield opened
