"""Outcomes on the wire: the truth of decisions, arriving later.

{"outcomes": [{"decision_id": "...", "row": 0, "actual": 41.0}, ...]}      row defaults to 0
{"decision_id": "...", "actuals": [41.0, 12.5]}                            actuals[i] is of row i
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from runtime.domain.decision import Outcomes
from runtime.domain.errors import RequestError
from runtime.serving.protocols.oip import decision_id, json_object


def read(body: bytes, *, model: str, caller: str, at: datetime) -> list[Outcomes]:
    """One ``Outcomes`` a decision, in the order of the body. Raises ``RequestError``."""
    document = json_object(body)
    if "actuals" in document:
        actuals = document["actuals"]
        if type(actuals) is not list or not actuals:
            raise RequestError("actuals", type(actuals).__name__, "a list of at least one number")
        name = decision_id(document.get("decision_id"), "decision_id")
        values = [_number(value, f"actuals[{row}]") for row, value in enumerate(actuals)]
        return [Outcomes(name, at, model, caller, list(range(len(values))), values)]
    items = document.get("outcomes")
    if type(items) is not list or not items:
        expected = "a list of at least one {decision_id, row, actual}, or actuals beside a decision_id"
        raise RequestError("outcomes", type(items).__name__, expected)
    by_decision: dict[str, Outcomes] = {}
    for position, item in enumerate(items):
        _add(by_decision, item, f"outcomes[{position}]", Outcomes("", at, model, caller, [], []))
    return list(by_decision.values())


def _add(by_decision: dict[str, Outcomes], item: Any, where: str, empty: Outcomes) -> None:
    if type(item) is not dict:
        raise RequestError(where, type(item).__name__, "an object {decision_id, row, actual}")
    name = decision_id(item.get("decision_id"), f"{where}.decision_id")
    row = item.get("row", 0)
    if type(row) is not int or row < 0:
        raise RequestError(f"{where}.row", repr(row), "a whole number from 0")
    actual = _number(item.get("actual"), f"{where}.actual")
    if name not in by_decision:
        by_decision[name] = Outcomes(name, empty.time, empty.model, empty.caller, [], [])
    by_decision[name].rows.append(row)
    by_decision[name].actuals.append(actual)


def _number(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise RequestError(where, repr(value), "a finite number")
    return float(value)
