"""A metric and how far it may go."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from runtime.domain.base import Document
from runtime.domain.metrics import Metric
from runtime.domain.misfit import misfit
from runtime.domain.terms import Share


def check_limit(metric: Metric, at_most: float | None, at_least: float | None) -> None:
    """Raises a misfit unless the metric has the one limit that is its own: ``max`` of an error, else ``min``."""
    given = {"max": at_most, "min": at_least}
    wanted, other = ("min", "max") if metric.more_is_better else ("max", "min")
    if (found := given[other]) is not None:
        more = "more" if metric.more_is_better else "less"
        raise misfit(other, f"{found:g}", f"{wanted}, since {more} {metric.value} is better")
    if given[wanted] is None:
        raise misfit(wanted, "nothing", f"the limit of {metric.value}")


class Limit(Document):
    """A metric and how far it may go: ``max`` of an error, ``min`` of what is better the more there is of it."""

    metric: Metric
    max: float | None = None
    min: Share | None = None

    @model_validator(mode="after")
    def _has_its_one_limit(self) -> Self:
        check_limit(self.metric, self.max, self.min)
        return self

    @property
    def limit(self) -> float:
        """Whichever of the two it is."""
        return self.min if self.min is not None else self.max if self.max is not None else float("nan")
