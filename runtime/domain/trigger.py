"""What a retraining may follow from: drift or performance where errors grew, and the calendar."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

_CALL = re.compile(r"""^schedule\((["'])(.+)\1\)$""")
_MINUTE = timedelta(minutes=1)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def _schedule(value: str) -> str:
    match = _CALL.match(value.strip())
    if match is None:
        raise ValueError('expected drift, performance or a schedule such as schedule("0 3 * * 1")')
    try:
        next(CronSim(match[2], _ANY_DAY))
    except CronSimError as error:
        raise ValueError(f"expected five fields of cron in a schedule, not {match[2]!r}: {error}") from error
    except StopIteration:
        raise ValueError(f"expected a schedule that comes, and {match[2]!r} does not within 50 years") from None
    return f'schedule("{match[2]}")'


Schedule = Annotated[str, AfterValidator(_schedule)]
"""``schedule("MINUTE HOUR DAY MONTH WEEKDAY")`` as cron has it (Debian's cron, cronsim), in UTC."""

Trigger = Literal["drift", "performance"] | Schedule


def last_due(trigger: str, until: datetime) -> datetime | None:
    """When the schedule came last, at ``until`` or before; ``None`` for what is no schedule, or long ago.

    >>> last_due('schedule("0 3 * * 1")', datetime(2026, 3, 4, tzinfo=UTC)).isoformat()
    '2026-03-02T03:00:00+00:00'
    """
    match = _CALL.match(trigger)
    if match is None:
        return None
    until = until.astimezone(UTC)
    # Going backwards, it gives only what is before: a minute more, so that a schedule that comes just now counts.
    after = until.replace(second=0, microsecond=0) + _MINUTE
    return next(CronSim(match[2], after, reverse=True), None)
