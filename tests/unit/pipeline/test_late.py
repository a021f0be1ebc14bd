"""The example of late flights: what a row says of the flights before it was known by then, and its spec trains."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from examples.late import data
from runtime.domain.load import load_spec
from runtime.pipeline.dry_run import dry_run

SPEC = Path(__file__).resolve().parents[3] / "examples" / "late" / "spec.yaml"


def flights(rows: int) -> pd.DataFrame:
    chance = np.random.default_rng(3)
    scheduled = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(chance.integers(0, 3_000, rows), unit="min")
    return pd.DataFrame(
        {
            "scheduled": scheduled,
            "known": scheduled + pd.to_timedelta(chance.integers(60, 600, rows), unit="min"),
            "status": chance.choice(["late", "on time"], rows),
            "carrier": chance.choice(["UA", "DL"], rows),
            "origin": chance.choice(["EWR", "JFK"], rows),
        }
    )


def test_a_flight_knows_only_arrivals_that_were_known_before_it_left() -> None:
    given = flights(120)
    found = data._late_before(given)
    for at in range(len(given)):
        flight: Any = given.iloc[at]
        same = given[(given["carrier"] == flight["carrier"]) & (given["origin"] == flight["origin"])]
        since = flight["scheduled"] - pd.Timedelta(hours=6)
        seen = same[(same["known"] < flight["scheduled"]) & (same["known"] >= since)]
        expected = (seen["status"] == "late").mean() if len(seen) else np.nan
        assert found.iloc[at] == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_its_spec_trains_on_real_flights_and_passes_its_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    flown = data.load()
    january = flown[flown["scheduled"] < pd.Timestamp("2013-02-01", tz="UTC")].reset_index(drop=True)
    monkeypatch.setattr(data, "load", lambda: january)
    run = dry_run(load_spec(SPEC), as_of=datetime(2013, 2, 1, tzinfo=UTC), models=1)
    (tried,) = run.tried
    assert tried.report is not None, tried.failed
    assert tried.report.passed, tried.report.failures
    assert run.schema.classes == ("on time", "late")
    assert not run.dataset.quarantined
