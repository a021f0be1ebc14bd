"""Entries about how many false alarms the whole fleet may raise, and by what they are shared out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import ModelName


class MonitoringBudgetSet(Document):
    """From now on at most so many false alarms in 30 days, in all models together that set none of their own."""

    kind: Literal["monitoring_budget_set"] = "monitoring_budget_set"
    false_alarms: Annotated[float, Field(gt=0, le=1_000_000)]
    reason: str


class TrafficMeasured(Document):
    """Rows a day that these models answered, in the week of data time that ended at ``until``."""

    kind: Literal["traffic_measured"] = "traffic_measured"
    until: Moment
    rows_a_day: dict[ModelName, Annotated[float, Field(ge=0)]]
