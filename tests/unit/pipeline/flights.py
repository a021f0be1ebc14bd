"""What the tests of the pipeline are made of: a fleet's spec, flights of two carriers, one model trained on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.domain.spec import Spec
from runtime.pipeline.checks import canonical, layout_of
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Layout, Rows
from runtime.pipeline.train import TrainedModel, train_model
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.domain.lives import a_spec as any_spec

PARAMETERS = {"max_iter": 15, "min_samples_leaf": 5}
PARTITION = {"carrier": "UA"}


def a_spec(**changes: Any) -> Spec:
    """A fleet by carrier whose data are ``load`` below."""
    source = {"source": "tests.unit.pipeline.flights:load", "time": "scheduled", "target": "air_time"}
    data = {"data": {**source, "features": ["hour", "dest"]}}
    return any_spec(**data | changes)


SPEC = a_spec()
BY_ORIGIN = a_spec(gates=[{"slice": "origin", "metric": "mae", "max": 30}])


def frame(rows: int = 200, *, carrier: str = "UA", an_hour: int = 3, start: datetime = MONDAY) -> pd.DataFrame:
    """Flights in order of time, one each ``an_hour`` hours; some hours and destinations are missing."""
    chance = np.random.default_rng(rows)
    dest = chance.choice(["LAX", "ORD", "SFO"], rows).astype(object)
    hour = chance.uniform(6, 22, rows)
    air_time = 60 + 5 * hour + np.where(dest == "ORD", -40.0, 0.0) + chance.normal(0, 5, rows)
    hour[chance.random(rows) < 0.05] = np.nan
    dest[chance.random(rows) < 0.05] = None
    return pd.DataFrame(
        {
            "scheduled": pd.date_range(start, periods=rows, freq=timedelta(hours=an_hour)),
            "air_time": air_time,
            "hour": hour,
            "dest": dest,
            "carrier": carrier,
            "origin": chance.choice(["EWR", "JFK"], rows),
        }
    )


def load() -> pd.DataFrame:
    """The source that the spec names: carriers of 40 to 65 flights, and one of 3."""
    sizes = {"AA": 40, "B6": 45, "DL": 50, "MQ": 55, "UA": 60, "WN": 65, "OO": 3}
    return pd.concat([frame(rows, carrier=carrier) for carrier, rows in sizes.items()], ignore_index=True)


def arrow(given: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(given, preserve_index=False)


def layout(spec: Spec = SPEC) -> Layout:
    return layout_of(spec, arrow(frame(5)).schema)


def rows_of(given: pd.DataFrame, spec: Spec = SPEC) -> Rows:
    """The rows as a trainer gets them."""
    return Rows.from_table(canonical(arrow(given), layout(spec)), layout(spec))


@cache
def trained() -> TrainedModel:
    """A first version of the model; the same one to every test, so it must not be changed."""
    return fresh(SPEC, rows_of(frame(200)))


def fresh(spec: Spec, rows: Rows, plan: Plan | None = None) -> TrainedModel:
    return train_model(spec, layout(spec).schema, MODEL, PARTITION, rows, PARAMETERS, plan or Plan.first(spec))
