"""From values as they came to the columns of a schema: by name, as rows, as records, or as one matrix.

A number column becomes float64 with NaN where a value is missing; an infinity does not fit, as in training. A text
column becomes an object array with None where a value is missing. Arrays stay arrays: 1,000 rows of a binary tensor
become Python values once only, for the decision record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.domain.errors import RequestError, SchemaMismatch
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.flavors.outputs import outputs
from runtime.serving.protocols.document import brief, kind, listed
from runtime.serving.protocols.request import Fitted, Output

Values = Sequence[Any] | NDArray[Any]

Types = frozenset[type]
NONE = type(None)
TEXTS: Types = frozenset([str, NONE])
NUMBERS: Types = frozenset([bool, int, float, NONE])


class Table:
    """Fits values to one schema; built once a version, so that a request pays only for itself."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.fields = schema.inputs
        self.by_name = {field.name: field for field in schema.inputs}
        self.outputs = {field.name: field for field in schema.outputs}
        self.numbers, self.texts = schema.numbers, schema.texts

    @property
    def width(self) -> int:
        """How many columns a row has."""
        return len(self.fields)

    def answered(self, name: str, values: list[float]) -> tuple[Output, ...]:
        """Every output of the schema, from the one that was predicted.

        A challenger of another schema may have predicted one of another ``name``; it is the only output then.
        """
        first = self.schema.outputs[0]
        if len(self.schema.outputs) == 1 or name != first.name:
            return (Output(name, FieldKind.NUMBER.datatype, values),)
        found = outputs(self.schema, np.array(values))
        return tuple(
            [Output(each, self.outputs[each].kind.datatype, column.tolist()) for each, column in found.items()]
        )

    def named(self, given: Mapping[str, Values]) -> Fitted:
        """Columns by name, untyped: whatever fits its feature. Raises ``SchemaMismatch``."""
        self.check_names(given)
        rows = len(given[self.fields[0].name])
        return self.fitted(rows, {field.name: _untyped(given[field.name], field, rows) for field in self.fields})

    def fitted(self, rows: int, columns: dict[str, NDArray[Any]]) -> Fitted:
        """Columns that are arrays of the right kind and length already, in schema order."""
        if rows < 1:
            raise SchemaMismatch("inputs", "0 rows", "at least one")
        return Fitted(
            rows,
            columns,
            tuple([columns[name].tolist() for name in self.numbers]),
            tuple([columns[name].tolist() for name in self.texts]),
        )

    def matrix(self, values: Values, rows: int) -> Fitted:
        """Numbers in row-major order, a column a feature; for a schema without text. Raises ``SchemaMismatch``."""
        flat = np.asarray(values, dtype=np.float64)
        if not isinstance(values, list):  # JSON has no infinity
            _refuse_infinities(flat, "inputs")
        if rows == 1:
            row = flat.reshape(-1, 1)
            columns = {name: row[at] for at, name in enumerate(self.numbers)}
            return Fitted(1, columns, tuple([[value] for value in flat.tolist()]), ())
        by_column = np.ascontiguousarray(flat.reshape(rows, -1).T)
        return Fitted(rows, dict(zip(self.numbers, by_column, strict=True)), tuple(by_column.tolist()), ())

    def mixed(self, values: Sequence[Any], rows: int) -> Fitted:
        """Text in row-major order, the numbers among it as they are or as text. Raises ``SchemaMismatch``."""
        parts = {field.name: values[at :: self.width] for at, field in enumerate(self.fields)}
        return self.fitted(rows, {name: from_text(part, self.by_name[name]) for name, part in parts.items()})

    def rows(self, rows: Sequence[Any], where: str) -> Fitted:
        """Lists of features in schema order, objects by name, or the bare values of a single feature."""
        if not rows:
            raise RequestError(where, "an empty list", "at least one row")
        types = set(map(type, rows))
        if types == {dict}:
            return self._records(rows, where)
        if types == {list}:
            return self.lists([field.name for field in self.fields], rows, where)
        if self.width == 1 and not types & {dict, list}:
            return self.named({self.fields[0].name: rows})
        raise RequestError(where, "rows that are not alike", "lists of features, or objects with a value a feature")

    def lists(self, names: Sequence[str], rows: Sequence[list[Any]], where: str) -> Fitted:
        """Rows as lists in the order of ``names``. Raises ``SchemaMismatch``, ``RequestError``."""
        self.check_names(dict.fromkeys(names))
        for position, row in enumerate(rows):
            if type(row) is not list or len(row) != len(names):
                found = f"{len(row)} values" if type(row) is list else kind(row)
                raise SchemaMismatch(f"{where}[{position}]", found, f"a list of {len(names)}: {listed(names)}")
        if not rows:
            raise RequestError(where, "an empty list", "at least one row")
        return self.named(dict(zip(names, zip(*rows, strict=True), strict=True)))

    def _records(self, rows: Sequence[dict[str, Any]], where: str) -> Fitted:
        wanted = self.by_name.keys()
        for position, row in enumerate(rows):
            if row.keys() != wanted:
                self.check_names(row, f"{where}[{position}]: ")
        return self.named({name: [row[name] for row in rows] for name in wanted})

    def check_names(self, given: Mapping[str, object], where: str = "") -> None:
        """Raises ``SchemaMismatch`` unless every feature is given, and nothing else."""
        if given.keys() == self.by_name.keys():
            return
        for name in given:
            if name not in self.by_name:
                raise SchemaMismatch(f"{where}input {_shown(name)}", "an unknown feature", listed(self.by_name))
        missing = next(name for name in self.by_name if name not in given)
        raise SchemaMismatch(f"{where}input {missing!r}", "no such tensor", f"features {listed(self.by_name)}")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 128 else name[:128] + "...")


def number(values: Values, field: Field) -> NDArray[np.float64]:
    """Numbers, booleans and None, or an array of numbers. Raises ``SchemaMismatch`` for an infinity."""
    column = np.asarray(values, dtype=np.float64)
    if isinstance(values, np.ndarray):  # JSON has no infinity
        _refuse_infinities(column, f"input {field.name!r}")
    return column


def text(values: Values, field: Field) -> NDArray[Any]:
    """Text and None. Raises ``SchemaMismatch`` for anything else."""
    _check_types(values, TEXTS, field, "text or null")
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def from_text(values: Sequence[Any], field: Field) -> NDArray[Any]:
    """Text as it is, or numbers that may be written as text; empty text is a missing number."""
    if field.kind is FieldKind.TEXT:
        return text(values, field)
    try:
        column = np.array([math.nan if value is None or value == "" else float(value) for value in values])
    except (ValueError, OverflowError) as error:
        raise SchemaMismatch(f"input {field.name!r}", brief(error), "a number, as text or as it is") from error
    _refuse_infinities(column, f"input {field.name!r}")
    return column


def _untyped(values: Values, field: Field, rows: int) -> NDArray[Any]:
    if len(values) != rows:
        raise SchemaMismatch(f"input {field.name!r}", f"{len(values)} rows", f"{rows} rows, as the first input has")
    if field.kind is FieldKind.TEXT:
        return text(values, field)
    if not isinstance(values, np.ndarray):
        _check_types(values, NUMBERS, field, "a number or null")
    return number(values, field)


def _check_types(values: Values, allowed: Types, field: Field, expected: str) -> None:
    if not allowed.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in allowed)
        raise SchemaMismatch(f"input {field.name!r}", kind(wrong), expected)


def _refuse_infinities(values: NDArray[np.float64], where: str) -> None:
    if np.isinf(values).any():
        raise SchemaMismatch(where, "an infinity", "finite numbers; null or NaN where one is missing")
