"""A small fleet of the flights example whose routes change in spring: six routes, of which four can be models.

The policy is an impatient one, so that eight weeks hold a retraining and a promotion.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from examples.flights import data

EXAMPLE: Final = Path(data.__file__).with_name("spec.yaml")
MARCH: Final = datetime(2013, 3, 1, tzinfo=UTC)
APRIL_END: Final = datetime(2013, 4, 27, tzinfo=UTC)

SHIFTING: Final = ("EV-EWR-CVG", "9E-JFK-DTW", "B6-JFK-MSY", "AA-EWR-DFW")
"""Routes flown 8 to 17 minutes faster in spring than in the winter that their models learn from."""
NO_PLANES: Final = "MQ-JFK-CMH"
"""Envoy's aircraft are in no registry: its features of the plane have no value at all."""
TWO_FLIGHTS: Final = "UA-EWR-STL"
MODELS: Final = tuple(sorted(f"time-{route}" for route in SHIFTING))


def load() -> pd.DataFrame:
    """The flights of the six routes."""
    flights = data.load()
    route = flights["carrier"] + "-" + flights["origin"] + "-" + flights["dest"]
    return flights[route.isin([*SHIFTING, NO_PLANES, TWO_FLIGHTS])].reset_index(drop=True)


def document() -> dict[str, Any]:
    """The spec as YAML gives it."""
    spec: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    spec["name"] = "time-{carrier}-{origin}-{dest}"
    spec["data"]["source"] = "tests.cluster.routes:load"
    spec["train"] |= {"trials": 2, "folds": 2, "search": {**spec["train"]["search"], "max_iter": 20}}
    spec["gates"] = [
        {"metric": "mae", "max": 30},
        {"better_than": "champion", "metric": "mae", "confidence": 0.6},
        {"latency_ms_p99": 500},
        {"round_trip": True},
    ]
    spec["monitor"] |= {"recent": 20, "error_reference_sigmas": 0, "false_alarm_every": 100}
    spec["retrain"] |= {"when": ["performance", "drift"], "degraded_by": "5%", "snooze": "7d", "window": "28d"}
    spec["rollout"] = [{"shadow": "10 decisions"}, {"canary": "50%", "for": "10 decisions"}, {"full": True}]
    spec["guardrail"] = {"worse_by": 0.5}
    return spec
