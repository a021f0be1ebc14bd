"""Outcomes on the wire: the truth of decisions, arriving later.

{"outcomes": [{"decision_id": "...", "row": 0, "actual": 41.0}, ...]}      row defaults to 0
{"decision_id": "...", "actuals": [41.0, 12.5]}                            actuals[i] is of row i
Arrow stream of columns decision_id (text), actual (number), row (whole number, may be absent)

Of a classification the truth is a class: its number, or its name where the model's spec names classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.domain.decision import Outcomes
from runtime.domain.errors import RequestError
from runtime.domain.schema import Schema, Task
from runtime.serving.protocols import arrow
from runtime.serving.protocols.document import decision_id, json_object, kind, listed, shortened

Truth = Callable[[Any, str], float]
"""A truth on the wire, and where it stands there, to a number. Raises ``RequestError``."""


def truth_of(schema: Schema | None) -> Truth:
    """How a model's truths are read; of a model that nobody serves now, as any number.

    Where a spec names classes by whole numbers, a number is such a name: 2 is the class "2", wherever it stands.
    """
    if schema is None or schema.task is not Task.CLASSIFICATION:
        return _number
    numbers = {name: float(at) for at, name in enumerate(schema.classes or ())}
    by_number = {number: float(number) for number in range(schema.class_count)}
    expected = f"a class's number from 0 to {schema.class_count - 1}"
    if named := [name for name in numbers if name.lstrip("-").isdigit()]:
        by_number = {int(name): numbers[name] for name in named}
        expected = " or ".join(numbers)
    elif numbers:
        expected = f"{', '.join(shortened(name) for name in numbers)}, or {expected}"

    def truth(value: Any, where: str) -> float:
        if type(value) is str and value in numbers:
            return numbers[value]
        if type(value) in (int, float) and value in by_number:
            return by_number[value]
        raise RequestError(where, kind(value), expected)

    return truth


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise RequestError(where, kind(value), "a finite number")
    return float(value)


def read(body: bytes, *, model: str, caller: str, at: datetime, truth: Truth = _number) -> list[Outcomes]:
    """One ``Outcomes`` a decision, in the order of the body. Raises ``RequestError``."""
    document = json_object(body)
    if "actuals" in document:
        actuals = document["actuals"]
        if type(actuals) is not list or not actuals:
            raise RequestError("actuals", kind(actuals), "a list of at least one truth")
        name = decision_id(document.get("decision_id"), "decision_id")
        values = [truth(value, f"actuals[{row}]") for row, value in enumerate(actuals)]
        return [Outcomes(name, at, model, caller, list(range(len(values))), values)]
    items = document.get("outcomes")
    if type(items) is not list or not items:
        expected = "a list of at least one {decision_id, row, actual}, or actuals beside a decision_id"
        raise RequestError("outcomes", kind(items), expected)
    by_decision: dict[str, Outcomes] = {}
    for position, item in enumerate(items):
        _add(by_decision, item, f"outcomes[{position}]", Outcomes("", at, model, caller, [], []), truth)
    return list(by_decision.values())


def _add(by_decision: dict[str, Outcomes], item: Any, where: str, empty: Outcomes, truth: Truth) -> None:
    if type(item) is not dict:
        raise RequestError(where, kind(item), "an object {decision_id, row, actual}")
    name = decision_id(item.get("decision_id"), f"{where}.decision_id")
    row = item.get("row", 0)
    if type(row) is not int or not 0 <= row < 2**31:
        raise RequestError(f"{where}.row", kind(row), "a whole number from 0")
    actual = truth(item.get("actual"), f"{where}.actual")
    _append(by_decision, name, row, actual, empty)


def _append(by_decision: dict[str, Outcomes], name: str, row: int, actual: float, empty: Outcomes) -> None:
    found = by_decision.get(name)
    if found is None:
        found = by_decision[name] = Outcomes(name, empty.time, empty.model, empty.caller, [], [])
    found.rows.append(row)
    found.actuals.append(actual)


def _truths(column: pa.ChunkedArray, truth: Truth) -> NDArray[np.float64]:
    where = "column actual"
    if truth is not _number:
        given: list[Any] = (
            arrow.texts(column, where) if arrow.is_text(column) else arrow.numbers(column, where).tolist()
        )
        return np.array([truth(value, f"{where}, row {at}") for at, value in enumerate(given)], dtype=np.float64)
    numbers = arrow.numbers(column, where)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise RequestError(f"{where}, row {wrong[0]}", str(numbers[wrong[0]]), "a finite number")
    return numbers


_COLUMNS = frozenset(["decision_id", "row", "actual"])


def read_arrow(body: bytes, *, model: str, caller: str, at: datetime, truth: Truth = _number) -> list[Outcomes]:
    """As ``read``, of an Arrow stream. Raises ``RequestError``, ``RequestTooLarge``, ``Unsupported``."""
    stream = arrow.read_stream(body)
    names = stream.column_names
    if len(set(names)) != len(names) or not _COLUMNS - {"row"} <= set(names) <= _COLUMNS:
        raise RequestError("body", f"columns {listed(names)}", "columns decision_id, actual and perhaps row, once each")
    actuals = _truths(stream["actual"], truth)
    rows = arrow.numbers(stream["row"], "column row") if "row" in names else np.zeros(len(actuals))
    if not len(actuals):
        raise RequestError("body", "0 rows", "at least one")
    wrong = np.flatnonzero(~((rows >= 0) & (rows < 2**31) & (rows == np.floor(rows))))
    if len(wrong):
        raise RequestError(f"column row, row {wrong[0]}", str(rows[wrong[0]]), "a whole number from 0")
    by_decision: dict[str, Outcomes] = {}
    empty = Outcomes("", at, model, caller, [], [])
    spelled: dict[str | None, str] = {}
    texts = arrow.texts(stream["decision_id"], "column decision_id")
    for position, (text, row, actual) in enumerate(
        zip(texts, rows.astype(int).tolist(), actuals.tolist(), strict=True)
    ):
        name = spelled.get(text)
        if name is None:
            name = spelled[text] = decision_id(text, f"column decision_id, row {position}")
        _append(by_decision, name, row, actual, empty)
    return list(by_decision.values())
