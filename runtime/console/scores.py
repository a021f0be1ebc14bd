"""Mean absolute errors of judged rows by month, model and week of the data's own time (UTC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from runtime.console.judging import Judged


@dataclass(frozen=True, slots=True)
class Errors:
    """Mean absolute errors over the same ``rows`` (at least one), in target units."""

    rows: int
    served: float
    never_retrained: float

    @property
    def saved(self) -> float | None:
        """The share of the never retrained fleet's error that was saved; negative if it was the better one."""
        return 1 - self.served / self.never_retrained if self.never_retrained > 0 else None

    @property
    def ratio(self) -> float | None:
        """The served error over the never retrained fleet's; 1 where nothing differs."""
        if self.never_retrained > 0:
            return self.served / self.never_retrained
        return 1.0 if self.served == 0 else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Errors over all rows (absent when no row is judged) and by what they are of."""

    overall: Errors | None
    months: Mapping[date, Errors]
    models: Mapping[str, Errors]
    weeks: Mapping[str, Mapping[date, Errors]]


def scores(judged: Judged) -> Scores:
    """The judged rows' errors; months by their first day, weeks by their Monday."""
    months = judged.time.astype("datetime64[M]")
    days = judged.time.astype("datetime64[D]")
    since_monday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    mondays = (days.astype(np.int64) - since_monday).astype("datetime64[D]")
    weeks: dict[str, Mapping[date, Errors]] = {}
    for index in np.unique(judged.model):
        mine = np.flatnonzero(judged.model == index)
        weeks[judged.models[index]] = _by_date(judged, mondays, mine)
    everything = np.arange(judged.served.size)
    return Scores(
        overall=_errors(judged, everything) if everything.size else None,
        months=_by_date(judged, months, everything),
        models={judged.models[i]: _errors(judged, np.flatnonzero(judged.model == i)) for i in np.unique(judged.model)},
        weeks=weeks,
    )


def month_before(as_of: datetime) -> date:
    """The first day of the month that ends in this moment, or in which it lies.

    What is known as of midnight is of the day before: an alarm at the end of December is not one of January.
    """
    return (as_of - datetime.resolution).date().replace(day=1)


def week_before(as_of: datetime) -> date:
    """The Monday of the week that ends in this moment, or in which it lies."""
    before = as_of - datetime.resolution
    return before.date() - timedelta(days=before.weekday())


def _by_date(judged: Judged, dates: npt.NDArray[np.datetime64], rows: npt.NDArray[np.int64]) -> Mapping[date, Errors]:
    found, part = np.unique(dates[rows], return_inverse=True)
    starts = found.astype("datetime64[D]").tolist()
    return {start: _errors(judged, rows[part == number]) for number, start in enumerate(starts)}


def _errors(judged: Judged, rows: npt.NDArray[np.int64]) -> Errors:
    return Errors(rows.size, float(judged.served[rows].mean()), float(judged.never_retrained[rows].mean()))
