"""What a model takes and gives: the tensors of its metadata, learnt from its training data."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from runtime.domain.base import Document

PREDICTION = "prediction"
"""What a regression gives: a number in target units."""
PROBABILITY = "probability"
"""What a classification of two classes gives first: the probability that the target is 1, the second class."""
LABEL = "label"
"""The class: of two, 1 where the probability is at least one half, else 0; of more, the most probable one's number."""
TWO = 2


class Task(StrEnum):
    """What is learnt: a number, or which of two or more classes."""

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
    """Ordered input columns and the outputs. Shapes are [rows] a column, rows variable.

    ``classes``: what the numbers of a classification stand for, counted from 0, where its spec names them.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    classes: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        for side in (self.inputs, self.outputs):
            names = [field.name for field in side]
            if not names or len(set(names)) != len(names):
                raise ValueError(f"column names must be distinct and at least one; got {names}")
        return self

    @property
    def task(self) -> Task:
        """What a model of these outputs has learnt."""
        return Task.CLASSIFICATION if self.outputs[0].name in {PROBABILITY, LABEL} else Task.REGRESSION

    @property
    def class_count(self) -> int:
        """How many classes a classification tells apart."""
        return TWO if self.classes is None else len(self.classes)

    @property
    def gives_class(self) -> bool:
        """Whether the first output is a class's number: of more than two classes, no one probability says it all."""
        return self.outputs[0].name == LABEL

    @property
    def numbers(self) -> tuple[str, ...]:
        """Input columns that hold numbers, in order."""
        return tuple(field.name for field in self.inputs if field.kind is FieldKind.NUMBER)

    @property
    def texts(self) -> tuple[str, ...]:
        """Input columns that hold text, in order."""
        return tuple(field.name for field in self.inputs if field.kind is FieldKind.TEXT)


def outputs_of(task: Task, classes: tuple[str, ...] | None = None) -> tuple[Field, ...]:
    """What a model of this task gives. The first is what decision records hold and monitors watch."""
    names: tuple[str, ...] = (PREDICTION,)
    if task is Task.CLASSIFICATION:
        names = (PROBABILITY, LABEL) if classes is None or len(classes) == TWO else (LABEL,)
    return tuple(Field(name=name, kind=FieldKind.NUMBER) for name in names)
