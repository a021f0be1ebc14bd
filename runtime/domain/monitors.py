"""Entries about the monitors themselves: how many share the fleet's models, and what each has saved of what it knows.

A model belongs to one monitor, by its name and their number alone (``runtime.monitoring.shards``). The place of
``monitors_set`` in the ledger is the moment at which models change hands; until then the former monitors' ticks count,
from then on those of the new ones. A save is named by the digest of its bytes: who changes them is found out.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.ids import Digest
from runtime.domain.misfit import misfit

MOST_MONITORS = 1000
Monitors = Annotated[int, Field(ge=1, le=MOST_MONITORS)]


class MonitorsSet(Document):
    """From this entry on so many monitors share the models."""

    kind: Literal["monitors_set"] = "monitors_set"
    monitors: Monitors


class MonitorSaved(Document):
    """What monitor ``monitor`` (from 0) of ``monitors`` knew of its models after the first ``size`` entries."""

    kind: Literal["monitor_saved"] = "monitor_saved"
    monitor: int = Field(ge=0, lt=MOST_MONITORS)
    monitors: Monitors
    size: int = Field(ge=0)
    digest: Digest
    watched: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.monitor >= self.monitors:
            raise misfit("monitor", str(self.monitor), f"one of 0 to {self.monitors - 1}")
        return self
