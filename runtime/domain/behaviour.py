"""Gates that ask a version instead of measuring its errors: what its answers do when its inputs change.

An answer *moves* when it changes by more than ``within``: target units, or a probability. Without ``within``, a number
moves when it changes at all, and an answer of classes when its label does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.limits import Limit, check_limit
from runtime.domain.metrics import Metric
from runtime.domain.misfit import misfit
from runtime.domain.terms import Count, Share
from runtime.domain.training import JobFile, Period

Within = Annotated[float, Field(ge=0)] | None


class InvariantGate(Document):
    """Answers do not hang on a column: given other values of it, at most ``at_most`` of the rows may move."""

    invariant_to: str
    within: Within = None
    at_most: Share = 0.0

    @property
    def inputs(self) -> tuple[str, ...]:
        """The features that it changes."""
        return (self.invariant_to,)


class RisesGate(Document):
    """As a number rises and all else stays, answers fall by more than ``within`` in at most ``at_most`` of the rows."""

    rises_with: str
    within: Annotated[float, Field(ge=0)] = 0.0
    at_most: Share = 0.0

    @property
    def inputs(self) -> tuple[str, ...]:
        """As ``InvariantGate.inputs``."""
        return (self.rises_with,)


class FallsGate(Document):
    """As ``RisesGate``, where answers should fall as the number rises."""

    falls_with: str
    within: Annotated[float, Field(ge=0)] = 0.0
    at_most: Share = 0.0

    @property
    def inputs(self) -> tuple[str, ...]:
        """As ``InvariantGate.inputs``."""
        return (self.falls_with,)


class MissingGate(Document):
    """With each of these features missing in turn, a metric keeps its limit, or labels flip in few rows.

    ``missing: each`` is every feature. Judged by answers of the sibling, which never saw the rows it is asked about.
    """

    missing: Literal["each"] | Annotated[tuple[str, ...], Field(min_length=1)]
    metric: Metric | None = None
    max: float | None = None
    min: Share | None = None
    flips: Share | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.metric is None) == (self.flips is None):
            found = "both" if self.flips is not None else "neither"
            raise misfit("missing", found, "either a metric with its limit, or flips: the share of labels that change")
        if self.metric is None and (self.max is not None or self.min is not None):
            raise misfit("missing", "a limit", "no max or min beside flips")
        if self.metric is not None:
            check_limit(self.metric, self.max, self.min)
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        """As ``InvariantGate.inputs``."""
        return () if self.missing == "each" else self.missing

    @property
    def limit(self) -> Limit | None:
        """Of the metric, where one is named."""
        return None if self.metric is None else Limit(metric=self.metric, max=self.max, min=self.min)


class ReplayedGate(Document):
    """Asked what the champion was asked in production lately, at most ``at_most`` of the answers may move."""

    replayed: Annotated[Count, Field(ge=1)]
    within: Within = None
    at_most: Share = 0.0


class CleanProcessGate(Document):
    """Loaded in a process of its own, with nothing of this one, the artifact has its schema and gives its answers."""

    clean_process: Literal[True]


class OwnTestsGate(Document):
    """A pytest file of the owner's, in a process of its own, with the fixtures ``model``, ``rows`` and ``truth``."""

    tests: JobFile
    timeout: Period = timedelta(minutes=2)
