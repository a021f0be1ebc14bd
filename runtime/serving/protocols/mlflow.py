"""MLflow's scoring protocol: ``/invocations``.

    JSON      exactly one of {"dataframe_split": {columns?, index?, data}}, {"dataframe_records": [{...}, ...]},
              {"instances": ...}, {"inputs": ...}, and params?
    text/csv  a header row of feature names in any order, then a line a row; an empty cell is a missing value
    answer    {"predictions": [...]}

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import csv
import io
from typing import Any

from runtime.domain.errors import RequestError, SchemaMismatch
from runtime.domain.schema import FieldKind
from runtime.serving.protocols.columns import Table, Values, from_text
from runtime.serving.protocols.document import brief, json_object, kind
from runtime.serving.protocols.kserve import BODIES, instances_or_inputs, one_of, predictions
from runtime.serving.protocols.request import Asked, Context, Fitted, asked, context

CSV = "text/csv"
_BODIES = ("dataframe_split", "dataframe_records", *BODIES)


def read(table: Table, body: bytes) -> Asked:
    """A JSON body. Raises ``RequestError``, ``SchemaMismatch``."""
    document = json_object(body)
    name = one_of(document, _BODIES)
    value = document[name]
    beside = context(document.get("params"), "params")
    if name == "dataframe_split":
        return asked(_split(table, value), beside, predictions)
    if name == "dataframe_records":
        if type(value) is not list or not all(type(row) is dict for row in value):
            raise RequestError(name, kind(value), "a list of objects with a value a feature")
        return asked(table.rows(value, name), beside, predictions)
    return asked(instances_or_inputs(table, name, value), beside, predictions)


def _split(table: Table, value: Any) -> Fitted:
    if type(value) is not dict:
        raise RequestError("dataframe_split", kind(value), "an object {columns, data}")
    names, rows = value.get("columns"), value.get("data")
    if names is None:
        names = list(table.by_name)
    if type(names) is not list or not all(type(name) is str for name in names) or len(set(names)) != len(names):
        raise RequestError("dataframe_split.columns", kind(names), "a list of distinct names")
    if type(rows) is not list:
        raise RequestError("dataframe_split.data", kind(rows), "a list of rows")
    return table.lists(names, rows, "dataframe_split.data")


def read_csv(table: Table, body: bytes) -> Asked:
    """A ``text/csv`` body. Raises ``RequestError``, ``SchemaMismatch``."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError("body", brief(error), "CSV in UTF-8") from error
    names, *rows = [line for line in lines if line] or [[]]
    if not rows or len(set(names)) != len(names):
        found = f"{len(rows)} rows" if not rows else "a name twice in the header"
        raise RequestError("body", found, "a header of distinct names and at least one row")
    table.check_names(dict.fromkeys(names))
    for position, row in enumerate(rows):
        if len(row) != len(names):
            raise SchemaMismatch(f"row {position}", f"{len(row)} cells", f"{len(names)}, as the header has")
    by_name: dict[str, Values] = dict(zip(names, zip(*rows, strict=True), strict=True))
    columns = {field.name: from_text(_cells(by_name[field.name], field.kind), field) for field in table.fields}
    return asked(table.fitted(len(rows), columns), Context(), predictions)


def _cells(column: Values, kind_of: FieldKind) -> list[Any]:
    return [cell or None for cell in column] if kind_of is FieldKind.TEXT else list(column)
