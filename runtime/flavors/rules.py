"""The rules flavor: a decision table, or a plain Python function of one row, governed like any other version.

    table      the artifact is the table                     decided in numpy, a column at a time
    function   the artifact is the source of its module      imported from the code at hand, refused if it differs

A function is given a dict of the schema's columns, None where missing, and gives a number. What its module imports is
not in the artifact: the code revision of the version says which that was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from runtime.domain.ids import digest_of
from runtime.domain.schema import Schema
from runtime.domain.training import Rules
from runtime.flavors.base import Columns, Floats
from runtime.flavors.brought import BroughtPredictor, check_source, find_named, read_file
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import check_columns
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.table import DecisionTable

FLAVOR = "rules"
TABLE = "table.yaml"
SOURCE = "function.py"


class TablePredictor(BroughtPredictor):
    """A decision table."""

    flavor = FLAVOR

    def __init__(self, content: bytes, schema: Schema) -> None:
        super().__init__(schema)
        self.content = content
        self._table = DecisionTable(content, schema)

    def __reduce__(self) -> tuple[type[TablePredictor], tuple[bytes, Schema]]:
        """Its text."""
        return TablePredictor, (self.content, self._schema)

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``."""
        return self._table.predict(columns, check_columns(columns, self._schema))


class FunctionPredictor(BroughtPredictor):
    """A function of one row. ``source`` is its module's, as it was when the version was made."""

    flavor = FLAVOR

    def __init__(self, function: str, source: bytes, schema: Schema) -> None:
        super().__init__(schema)
        self.function, self.source = function, source
        found = check_source(function, source)
        if not callable(found):
            raise ArtifactInvalid(f"{function} is a {type(found).__name__}, which cannot be called")
        self._decide: Callable[[dict[str, Any]], float] = found

    def __reduce__(self) -> tuple[type[FunctionPredictor], tuple[str, bytes, Schema]]:
        """Its name and source."""
        return FunctionPredictor, (self.function, self.source, self._schema)

    def _options(self) -> dict[str, str]:
        """``function`` names it in the code at hand."""
        return {"function": self.function, "source": digest_of(self.source)}

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``, and what the function raises."""
        rows = check_columns(columns, self._schema)
        names = [field.name for field in self._schema.inputs]
        values = zip(*(columns[name].tolist() for name in names), strict=True)
        given = (dict(zip(names, map(_plain, row), strict=True)) for row in values)
        return np.fromiter((float(self._decide(row)) for row in given), np.float64, rows)


RulesPredictor = TablePredictor | FunctionPredictor


def bring(rules: Rules, schema: Schema) -> RulesPredictor:
    """The version that the spec names. Raises ``SpecError``, ``ArtifactInvalid``."""
    if rules.function is None:
        return TablePredictor(read_file("train.rules.table", str(rules.table), None), schema)
    _, source = find_named(rules.function)
    return FunctionPredictor(rules.function, source, schema)


def files(predictor: RulesPredictor) -> dict[str, bytes]:
    """The table, or the source of the function's module."""
    return {TABLE: predictor.content} if isinstance(predictor, TablePredictor) else {SOURCE: predictor.source}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> RulesPredictor:
    """The predictor of a manifest and its file. Raises ``ArtifactInvalid``."""
    function = (manifest.options or {}).get("function")
    wanted = TABLE if function is None else SOURCE
    if list(files) != [wanted]:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {wanted}")
    if function is None:
        return TablePredictor(files[TABLE], manifest.model_schema)
    return FunctionPredictor(function, files[SOURCE], manifest.model_schema)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
