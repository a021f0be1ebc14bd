"""A decision table: the first rule whose conditions all hold gives the answer.

    rules:
      - {when: {distance: "< 500", carrier: [AA, UA]}, then: 80}
      - {when: {distance: "[500, 1500)"}, then: 180}
      - {when: {dest: missing}, then: 200}
      - {then: 300}                                          # the last has no condition, so every row has an answer

A condition is a number or text, a list of them, ``missing``, ``present``, or of a number ``< x``, ``<= x``, ``> x``,
``>= x``, or an interval such as ``[a, b)``. A missing value fulfils ``missing`` alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import Field, ValidationError

from runtime.domain.base import Document
from runtime.domain.schema import PROBABILITY, FieldKind, Schema
from runtime.flavors.base import Column, Columns, Floats
from runtime.flavors.errors import ArtifactInvalid

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARISON = re.compile(rf"^(<=|>=|<|>)\s*({_NUMBER})$")
_INTERVAL = re.compile(rf"^([\[(])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([\])])$")
_COMPARE: dict[str, Callable[..., npt.NDArray[np.bool_]]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}

Scalar = int | float | str
Mask = npt.NDArray[np.bool_]
Condition = Callable[[Column], Mask]


class Rule(Document):
    """One line of the table."""

    when: dict[str, Scalar | tuple[Scalar, ...]] = {}
    then: Annotated[float, Field(allow_inf_nan=False)]


class Table(Document):
    """The document."""

    rules: tuple[Rule, ...] = Field(min_length=1)


class DecisionTable:
    """A table bound to a schema. Raises ``ArtifactInvalid`` naming the rule, counted from 1, that does not fit it."""

    def __init__(self, content: bytes, schema: Schema) -> None:
        self.rules = [_bind(at, rule, schema) for at, rule in enumerate(_parse(content).rules, start=1)]
        bare = [at for at, (conditions, _) in enumerate(self.rules, start=1) if not conditions]
        if bare != [len(self.rules)]:
            where = f"rule {bare[0]} of {len(self.rules)} has none" if bare else "every rule has some"
            raise ArtifactInvalid(f"its last rule, and no other, must have no condition; {where}")

    def predict(self, columns: Columns, rows: int) -> Floats:
        """Shape [rows]."""
        answer, waiting = np.empty(rows), np.ones(rows, dtype=np.bool_)
        for conditions, then in self.rules:
            hit = waiting.copy()
            for name, holds in conditions.items():
                hit &= holds(columns[name])
            answer[hit] = then
            waiting &= ~hit
        return answer


def _parse(content: bytes) -> Table:
    try:
        return Table.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArtifactInvalid(f"its table is not well-formed YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise ArtifactInvalid(f"its table is not valid at {where}: {first['msg']}") from error


def _bind(at: int, rule: Rule, schema: Schema) -> tuple[dict[str, Condition], float]:
    kinds = {field.name: field.kind for field in schema.inputs}
    if schema.outputs[0].name == PROBABILITY and not 0 <= rule.then <= 1:
        raise ArtifactInvalid(f"rule {at} answers {rule.then:g}, which is no probability")
    conditions = {}
    for name, value in rule.when.items():
        if name not in kinds:
            raise ArtifactInvalid(f"rule {at} asks for {name!r}, which is no column; columns are {', '.join(kinds)}")
        condition = _condition(value, kinds[name])
        if condition is None:
            raise ArtifactInvalid(f"rule {at} asks for {name} {value!r}, where {name} is {kinds[name].value}")
        conditions[name] = condition
    return conditions, rule.then


def _condition(value: Scalar | tuple[Scalar, ...], kind: FieldKind) -> Condition | None:
    if value == "missing":
        return _is_missing
    if value == "present":
        return lambda column: ~_is_missing(column)
    if isinstance(value, str) and kind is FieldKind.NUMBER:
        return _comparison(value)
    wanted = value if isinstance(value, tuple) else (value,)
    if kind is FieldKind.TEXT:
        texts = frozenset(wanted)
        return _one_of(texts) if all(isinstance(each, str) for each in texts) else None
    if any(isinstance(each, str) or not math.isfinite(each) for each in wanted):
        return None
    numbers = np.array(wanted, dtype=np.float64)
    return lambda column: np.isin(column, numbers)


def _one_of(texts: frozenset[Scalar]) -> Condition:
    return lambda column: np.fromiter((value in texts for value in column.tolist()), np.bool_, len(column))


def _comparison(text: str) -> Condition | None:
    if match := _COMPARISON.match(text.strip()):
        compare, limit = _COMPARE[match[1]], float(match[2])
        return lambda column: compare(column, limit)
    if match := _INTERVAL.match(text.strip()):
        above = np.greater_equal if match[1] == "[" else np.greater
        below = np.less_equal if match[4] == "]" else np.less
        low, high = float(match[2]), float(match[3])
        return lambda column: above(column, low) & below(column, high) if low <= high else np.zeros(len(column), bool)
    return None


def _is_missing(column: Column) -> Mask:
    if column.dtype == object:
        return np.fromiter((value is None for value in column.tolist()), np.bool_, len(column))
    missing: Mask = np.isnan(column)
    return missing
