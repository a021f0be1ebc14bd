"""Flights that left New York in 2013, one row a flight: will it arrive more than 15 minutes late?

Provenance and weather as in ``examples.flights.data``. What a row may hold is known at the scheduled departure: the
timetable, the airline, the route and the weather at the origin, and how its airline did at that airport over the six
hours before. That last one counts only flights whose arrival was known before the row's own time: counted with the
flights still in the air it would tell the future.

Cancelled and diverted flights (2.8%) never arrived, so there is no truth to predict, and they are left out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
import pandas as pd

from examples.flights.data import package_folder, weather_of

LATE_MINUTES: Final = 15
_KNOWN_AFTER: Final = timedelta(hours=1)
"""An airport reports an arrival well within this time."""
_LOOKS_BACK: Final = timedelta(hours=6)
_WEATHER: Final = ("temp", "wind_speed", "precip", "visib")


def load() -> pd.DataFrame:
    """``scheduled`` (UTC) | ``known`` (UTC, when the outcome is) | ``status``: on time or late | features."""
    folder = package_folder() / "data"
    wanted = ["carrier", "origin", "dest", "distance", "arr_delay", "air_time", "dep_delay"]
    wanted += ["hour", "minute", "time_hour", "year", "month", "day"]
    flights = pd.read_csv(folder / "flights.csv.zip", usecols=wanted)
    flights = flights[flights["arr_delay"].notna()].reset_index(drop=True)
    date = pd.to_datetime(flights[["year", "month", "day"]])
    flights["scheduled"] = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(
        flights["minute"], unit="min"
    )
    minutes = flights["dep_delay"] + flights["air_time"]
    flights["known"] = flights["scheduled"] + pd.to_timedelta(minutes, unit="min") + _KNOWN_AFTER
    flights["weekday"] = date.dt.day_of_week
    flights["status"] = np.where(flights["arr_delay"] > LATE_MINUTES, "late", "on time")
    flights = flights.merge(
        weather_of(folder)[["origin", "time_hour", *_WEATHER]], on=["origin", "time_hour"], how="left"
    )
    flights["late_before"] = _late_before(flights)
    columns = ["scheduled", "known", "status", "carrier", "origin", "dest", "hour", "weekday", "distance"]
    return flights.sort_values("scheduled", kind="stable", ignore_index=True)[[*columns, *_WEATHER, "late_before"]]


def _late_before(flights: pd.DataFrame) -> pd.Series:
    """Share of the airline's flights from this airport that were late, of those known in the hours before a departure.

    Missing where there were none.
    """
    share = pd.Series(np.nan, index=flights.index)
    for _, group in flights.groupby(["carrier", "origin"], sort=False):
        known = group.sort_values("known", kind="stable")
        late = np.concatenate(([0], (known["status"] == "late").cumsum().to_numpy()))
        times = known["known"].to_numpy()
        until = times.searchsorted(group["scheduled"].to_numpy(), side="left")
        since = times.searchsorted((group["scheduled"] - _LOOKS_BACK).to_numpy(), side="left")
        count = until - since
        with np.errstate(invalid="ignore"):
            share.loc[group.index] = np.where(count > 0, (late[until] - late[since]) / np.maximum(count, 1), np.nan)
    return share
