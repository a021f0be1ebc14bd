"""A rule as a plain function: what the department did before there was a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def days_late(row: Mapping[str, Any]) -> float:
    """Days late by how much of a month's income the loan is; a missing income counts as 2,500."""
    strain: float = row["amount"] / (row["income"] or 2500.0)
    return 10 * strain + (10.0 if row["purpose"] == "travel" else 0.0)
