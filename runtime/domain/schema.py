"""What a model takes and gives: the tensors of its metadata, learnt from its training data."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from runtime.domain.base import Document

PREDICTION = "prediction"
"""What a regression gives: a number in target units."""
PROBABILITY = "probability"
"""What a classification gives first: the probability that the target is 1."""
LABEL = "label"
"""What a classification gives beside: 1 where the probability is at least one half, else 0."""


class Task(StrEnum):
    """What is learnt: a number, or which of 0 and 1."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"


class FieldKind(StrEnum):
    """A number (float64 inside) or text (a category)."""

    NUMBER = "number"
    TEXT = "text"

    @property
    def datatype(self) -> str:
        """The Open Inference Protocol's name for it."""
        return "FP64" if self is FieldKind.NUMBER else "BYTES"


class Field(Document):
    """One named column."""

    name: str
    kind: FieldKind


class Schema(Document):
    """Ordered input columns and the outputs. Shapes are [rows] a column, rows variable."""

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        for side in (self.inputs, self.outputs):
            names = [field.name for field in side]
            if not names or len(set(names)) != len(names):
                raise ValueError(f"column names must be distinct and at least one; got {names}")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """Input columns that hold numbers, in order."""
        return tuple(field.name for field in self.inputs if field.kind is FieldKind.NUMBER)

    @property
    def texts(self) -> tuple[str, ...]:
        """Input columns that hold text, in order."""
        return tuple(field.name for field in self.inputs if field.kind is FieldKind.TEXT)


def outputs_of(task: Task) -> tuple[Field, ...]:
    """What a model of this task gives. The first is what decision records hold and monitors watch."""
    names = (PREDICTION,) if task is Task.REGRESSION else (PROBABILITY, LABEL)
    return tuple(Field(name=name, kind=FieldKind.NUMBER) for name in names)
