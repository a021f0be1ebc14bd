"""A moment has one spelling, whatever kind of datetime it came as."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from runtime.domain.base import rfc3339

EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("moment", "spelled"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00.000000Z"),
        (datetime(2026, 3, 1, 12, 0, 0, 70, tzinfo=UTC), "2026-03-01T12:00:00.000070Z"),
        (datetime(2026, 3, 1, 1, tzinfo=EAST), "2026-02-28T23:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_utc_with_microseconds_and_z(moment: datetime, spelled: str) -> None:
    assert rfc3339(moment) == spelled
    assert datetime.fromisoformat(spelled) == moment


def test_a_timestamp_of_pandas_is_spelled_as_the_datetime_it_is() -> None:
    assert rfc3339(pd.Timestamp("2026-03-01 12:00:00.5", tz="UTC")) == "2026-03-01T12:00:00.500000Z"
    assert rfc3339(pd.Timestamp("2026-03-01 12:00", tz="Europe/Berlin")) == "2026-03-01T11:00:00.000000Z"
