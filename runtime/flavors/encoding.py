"""From named columns to one float64 matrix, learnt from training rows and kept in the artifact.

A number column is itself. A text column becomes the position of its value among the categories seen in training
(sorted), as a float; a value that was not seen, and a missing one, become NaN. Columns that held nothing at all
in training are left out of the matrix: a model cannot learn from them, and some estimators fail on them.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from runtime.domain.base import Document
from runtime.domain.errors import SchemaMismatch
from runtime.domain.schema import FieldKind, Schema
from runtime.flavors.base import Columns, Floats


class Encoding(Document):
    """``columns`` are the matrix's columns in order; ``categories`` lists the text columns among them."""

    columns: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def learn(cls, columns: Columns, schema: Schema) -> Encoding:
        """The encoding of these training rows. Raises ``SchemaMismatch`` if a column is missing."""
        kept: list[str] = []
        categories: dict[str, tuple[str, ...]] = {}
        for field in schema.inputs:
            values = _column(columns, field.name)
            if field.kind is FieldKind.TEXT:
                found = sorted({value for value in values.tolist() if value is not None})
                if found:
                    categories[field.name] = tuple(found)
                    kept.append(field.name)
            elif not np.isnan(values).all():
                kept.append(field.name)
        return cls(columns=tuple(kept), categories=categories)

    def matrix(self, columns: Columns) -> Floats:
        """Shape [rows, len(self.columns)], C order. Raises ``SchemaMismatch``."""
        rows = len(_column(columns, self.columns[0])) if self.columns else 0
        matrix = np.empty((rows, len(self.columns)), dtype=np.float64)
        for position, name in enumerate(self.columns):
            values = _column(columns, name)
            if len(values) != rows:
                raise SchemaMismatch(name, f"{len(values)} rows", f"{rows} rows, as in {self.columns[0]!r}")
            codes = self._codes.get(name)
            matrix[:, position] = values if codes is None else [codes.get(value, math.nan) for value in values.tolist()]
        return matrix

    @cached_property
    def _codes(self) -> dict[str, dict[str, float]]:
        return {
            name: {category: float(code) for code, category in enumerate(found)}
            for name, found in self.categories.items()
        }


def _column(columns: Columns, name: str) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    try:
        return columns[name]
    except KeyError:
        raise SchemaMismatch(name, "nothing", f"a column {name!r}") from None


def check_columns(columns: Columns, schema: Schema) -> int:
    """How many rows the schema's columns have. Raises ``SchemaMismatch`` if one is missing or not as long."""
    first = schema.inputs[0].name
    rows = len(_column(columns, first))
    for field in schema.inputs[1:]:
        found = len(_column(columns, field.name))
        if found != rows:
            raise SchemaMismatch(field.name, f"{found} rows", f"{rows} rows, as in {first!r}")
    return rows
