"""Loans that nobody took: the same each time, some values missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 600


def load() -> pd.DataFrame:
    """One loan an hour. ``late`` is 0 or 1, ``days`` how many days late it was paid."""
    chance = np.random.default_rng(2013)
    income = chance.lognormal(7.8, 0.5, ROWS)
    amount = chance.uniform(500, 20_000, ROWS)
    purpose = chance.choice(["car", "house", "travel"], ROWS).astype(object)
    strain = amount / income + np.where(purpose == "travel", 1.0, 0.0) + chance.normal(0, 0.7, ROWS)
    income[chance.random(ROWS) < 0.05] = np.nan
    purpose[chance.random(ROWS) < 0.05] = None
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-01", periods=ROWS, freq="h", tz="UTC"),
            "income": income,
            "amount": amount,
            "purpose": purpose,
            "days": np.maximum(0.0, 10 * strain),
            "late": (strain > 3).astype(np.int64),
        }
    )
