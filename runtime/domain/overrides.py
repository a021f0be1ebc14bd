"""When an answer is not to be trusted, and what goes out in its place: the ``overrides`` of a spec.

    overrides:
      - {when: out_of_range, features: [distance], margin: 10%, then: flag}
      - {when: unseen_category, then: refuse}
      - {when: missing, features: [distance], then: {value: 140}}
      - {when: low_confidence, below: 0.6, then: {fallback: another-model}}
      - {when: outside_trained_predictions, then: flag}

Every rule is tried on every row. Of those that fire on a row the strictest decides (refuse before fallback, before
value, before flag; among equals the first of the list), and each of them is recorded. What training saw is a version's
``Seen``; ``policy/overrides.py`` tries the rules.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from runtime.domain.base import Document
from runtime.domain.ids import ModelName
from runtime.domain.schema import LABEL, PREDICTION, PROBABILITY
from runtime.domain.terms import Share


class Action(IntEnum):
    """What a rule asks for, the strictest last."""

    FLAG = 1
    VALUE = 2
    FALLBACK = 3
    REFUSE = 4

    @property
    def word(self) -> str:
        """As a spec has it."""
        return self.name.lower()


class Constant(Document):
    """Answer with this number."""

    value: float = Field(allow_inf_nan=False)


class Fallback(Document):
    """Answer with the champion of another model in the same pool."""

    fallback: ModelName


def _then(value: Any) -> Any:
    if value in ("flag", "refuse") or isinstance(value, Document):
        return value
    if isinstance(value, dict) and len(value) == 1 and {*value} <= {"value", "fallback"}:
        return (Constant if "value" in value else Fallback).model_validate(value)
    raise ValueError("expected flag, refuse, {value: NUMBER} or {fallback: MODEL}")


Then = Annotated[Literal["flag", "refuse"] | Constant | Fallback, BeforeValidator(_then)]
Features = Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)]
"""``all``: every feature that the rule can look at."""


class _Rule(Document):
    then: Then

    @property
    def action(self) -> Action:
        """What it asks for."""
        if isinstance(self.then, Constant):
            return Action.VALUE
        if isinstance(self.then, Fallback):
            return Action.FALLBACK
        return Action.FLAG if self.then == "flag" else Action.REFUSE


class OutOfRange(_Rule):
    """A number outside what training saw of the feature, widened on each side by ``margin`` of its width."""

    when: Literal["out_of_range"]
    features: Features = "all"
    margin: Share = 0.0


class UnseenCategory(_Rule):
    """Text that training did not see in the feature, or in fewer than so many rows."""

    when: Literal["unseen_category"]
    features: Features = "all"
    seen_at_least: int = Field(default=1, ge=1)


class Missing(_Rule):
    """A feature without a value."""

    when: Literal["missing"]
    features: Features = "all"


class LowConfidence(_Rule):
    """The more probable of two classes is less probable than ``below``."""

    when: Literal["low_confidence"]
    below: float = Field(gt=0.5, le=1)


class OutsideTrainedPredictions(_Rule):
    """A prediction outside those of the training rows, widened on each side by ``margin`` of their width."""

    when: Literal["outside_trained_predictions"]
    margin: Share = 0.0


OfFeatures = OutOfRange | UnseenCategory | Missing
Override = Annotated[OfFeatures | LowConfidence | OutsideTrainedPredictions, Field(discriminator="when")]
"""What must be seen for a rule to fire, and what is done then."""


def misfit_of(
    rules: tuple[Override, ...], *, features: tuple[str, ...], output: str, classes: int
) -> tuple[str, str, str]:
    """Place, what stands there and what was expected of the first rule that does not fit its model; empty for none.

    ``output`` is what the model gives first, a prediction, a probability or the number of one of so many classes.
    """
    for at, rule in enumerate(rules):
        place = f"overrides.{at}"
        if isinstance(rule, OfFeatures) and rule.features != "all":
            unknown = [name for name in rule.features if name not in features]
            if unknown:
                return f"{place}.features", ", ".join(unknown), "names among data.features"
        elif isinstance(rule, LowConfidence) and output != PROBABILITY:
            return f"{place}.when", rule.when, "a classification of two classes with it"
        elif isinstance(rule, OutsideTrainedPredictions) and output != PREDICTION:
            return f"{place}.when", rule.when, "a regression with it"
        if isinstance(rule.then, Constant):
            value = rule.then.value
            if output == PROBABILITY and not 0 <= value <= 1:
                return f"{place}.then.value", f"{value:g}", "a probability"
            if output == LABEL and value not in range(classes):
                return f"{place}.then.value", f"{value:g}", f"the number of a class, 0 to {classes - 1}"
    return "", "", ""
