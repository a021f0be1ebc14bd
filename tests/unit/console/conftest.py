from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.console.fleets import Fleet, live_a_spring, open_for_business


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Fleet]:
    """A ledger and a store with nothing in them."""
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.close()


@pytest.fixture
def young(empty: Fleet) -> Fleet:
    """A fleet that serves and was never asked."""
    open_for_business(empty)
    return empty


@pytest.fixture
def fleet(young: Fleet) -> Fleet:
    """A fleet after its first spring."""
    live_a_spring(young)
    return young
