"""KServe's v1 protocol, as TensorFlow Serving began it.

    request   {"instances": [row, ...]} or {"inputs": columns or rows}, parameters?
    answer    {"predictions": [...]}

A row is a list of features in schema order, an object with a value a feature, or for a model of one feature the value
itself. Columns are an object of lists, or of single values for one row. ``null`` is a missing value.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from __future__ import annotations

from typing import Any

import orjson

from runtime.domain.errors import RequestError
from runtime.explaining.explanation import Explanation
from runtime.serving.protocols.columns import Table
from runtime.serving.protocols.document import json_object, kind
from runtime.serving.protocols.request import Asked, Fitted, Prediction, Rendered, asked, context

BODIES = ("instances", "inputs")


def read(table: Table, body: bytes) -> Asked:
    """A ``:predict`` request. Raises ``RequestError``, ``SchemaMismatch``."""
    document = json_object(body)
    name = one_of(document, BODIES)
    beside = context(document.get("parameters"))
    return asked(instances_or_inputs(table, name, document[name]), beside, predictions)


def one_of(document: dict[str, Any], names: tuple[str, ...]) -> str:
    """The one of these members that is there. Raises ``RequestError`` for none and for several."""
    found = [name for name in names if name in document]
    if len(found) != 1:
        raise RequestError("body", " and ".join(found) or "none of them", f"exactly one of {', '.join(names)}")
    return found[0]


def instances_or_inputs(table: Table, name: str, value: Any) -> Fitted:
    """The columns in ``instances`` (rows) or ``inputs`` (columns or rows)."""
    if type(value) is dict and name == "inputs":
        return _by_column(table, value)
    if type(value) is not list:
        expected = "a list of rows" if name == "instances" else "an object of columns, or a list of rows"
        raise RequestError(name, kind(value), expected)
    return table.rows(value, name)


def _by_column(table: Table, value: dict[str, Any]) -> Fitted:
    are_lists = [type(column) is list for column in value.values()]
    if not any(are_lists):
        return table.rows([value], "inputs")
    if not all(are_lists):
        raise RequestError("inputs", "lists and single values", "a list for every feature, or a value for every one")
    return table.named({name: _flat(column) for name, column in value.items()})


def _flat(column: list[Any]) -> list[Any]:
    """A column of shape [rows, 1] as one of [rows]."""
    if column and all(type(cell) is list and len(cell) == 1 for cell in column):
        return [cell[0] for cell in column]
    return column


def predictions(prediction: Prediction) -> Rendered:
    """``{"predictions": [...]}``: values of the one output, or objects with a value an output."""
    outputs = prediction.outputs
    values: Any = outputs[0].values
    if len(outputs) > 1:
        names = [output.name for output in outputs]
        rows = zip(*(output.values for output in outputs), strict=True)
        values = [dict(zip(names, row, strict=True)) for row in rows]
    return Rendered(orjson.dumps({"predictions": values}))


def explanations(explanation: Explanation, version: int, decision_id: str) -> Rendered:
    """``{"explanations": [...]}``: a row's output and what each feature contributed, and how that was found."""
    document = explanation.as_document()
    rows = document.pop("rows")
    beside = {"model_version": str(version), "decision_id": decision_id}
    return Rendered(orjson.dumps({"explanations": rows, **document, **beside}))
