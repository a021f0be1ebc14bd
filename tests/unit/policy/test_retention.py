"""A segment goes when its time is over for every model in it, and nobody holds any of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runtime.policy.retention import EMPTY, HELD, UNKNOWN, YOUNG, kept_because
from tests.unit.domain.lives import MONDAY

DAY = timedelta(days=1)
KEEP_FOR = {"a": 10 * DAY, "b": 30 * DAY}


@pytest.mark.parametrize(
    ("models", "age", "held", "reason"),
    [
        ({"a"}, 11 * DAY, (), None),
        ({"a"}, 10 * DAY, (), YOUNG),
        ({"a", "b"}, 11 * DAY, (), YOUNG),
        ({"a", "b"}, 31 * DAY, (), None),
        ({"a"}, 11 * DAY, {"a"}, HELD),
        ({"a"}, 11 * DAY, {"b"}, None),
        ({"a", "b"}, 31 * DAY, {"b"}, HELD),
        ({"a", "z"}, 9999 * DAY, (), UNKNOWN),
        (set(), 9999 * DAY, (), EMPTY),
        ({"a"}, -DAY, (), YOUNG),
    ],
)
def test_a_segment_stays_for_a_reason(models: set[str], age: timedelta, held: set[str], reason: str | None) -> None:
    assert kept_because(models, MONDAY - age, keep_for=KEEP_FOR, held=held, now=MONDAY) == reason
