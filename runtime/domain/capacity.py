"""How many retrainings the fleet can bear, and whether each of them helped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.ids import ModelName, VersionNumber
from runtime.domain.metrics import Metric
from runtime.domain.training import Period


class RetrainingBudgetSet(Document):
    """From now on at most so many models are retrained in any ``every`` of the data's time, the costliest first."""

    kind: Literal["retraining_budget_set"] = "retraining_budget_set"
    models: Annotated[int, Field(ge=1, le=1_000_000)]
    every: Period
    reason: str


class RetrainingScored(Document):
    """What became of the errors that a model was retrained for, once enough outcomes came under the new champion.

    ``before`` is the error that the alarm told of, ``after`` that of the new champion's first ``rows`` outcomes,
    ``usual`` what was usual before the alarm; all of ``metric``, and less is better.
    """

    kind: Literal["retraining_scored"] = "retraining_scored"
    model: ModelName
    version: VersionNumber
    batch: str
    finding: str
    metric: Metric
    before: float
    after: float
    usual: float
    rows: int
    helped: bool
    as_of: Moment
