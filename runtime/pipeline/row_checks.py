"""What must hold of each row, judged by pandera on canonical columns: which rows break something, and what.

Canonical columns are float64, text and UTC times (see ``checks.canonical``); a pandera schema of the user's own sees
just these.
"""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from runtime.domain.data import ColumnCheck, SchemaCheck, UniqueCheck
from runtime.domain.errors import DataError
from runtime.domain.spec import Spec

PanderaSchema = Any
"""A ``pandera.DataFrameSchema``; pandera is imported only where a spec has checks."""


@dataclass(frozen=True, eq=False)
class RowVerdict:
    """``bad`` [rows]; ``reasons`` [rows], empty where nothing is broken; ``broken``: rows by what they broke."""

    bad: npt.NDArray[np.bool_]
    reasons: list[str]
    broken: dict[str, int]


class RowRules:
    """The checks of a spec, ready to judge."""

    def __init__(self, schemas: Sequence[PanderaSchema]) -> None:
        self._schemas = schemas

    @classmethod
    def of(cls, spec: Spec) -> RowRules | None:
        """``None`` for a spec without checks. Raises ``DataError`` for a column that the spec does not use."""
        if not spec.data.checks:
            return None
        _know_columns(spec)
        own = [schema_of(check) for check in spec.data.checks if isinstance(check, SchemaCheck)]
        return cls([_declared(spec), *own])

    def judge(self, table: pa.Table) -> RowVerdict:
        """Judges every row. Raises ``DataError`` if a schema of the user's own complains of more than rows."""
        frame = table.to_pandas().reset_index(drop=True)
        broke: list[dict[str, None]] = [{} for _ in range(len(frame))]
        for schema in self._schemas:
            for row, what in _failures(schema, frame):
                broke[row][what] = None
        reasons = ["; ".join(each) for each in broke]
        counts = Counter(what for each in broke for what in each)
        return RowVerdict(np.array([bool(each) for each in broke], dtype=bool), reasons, dict(sorted(counts.items())))


def schema_of(check: SchemaCheck) -> PanderaSchema:
    """A pandera schema of the user's own. Raises ``DataError`` if it is none."""
    pandera = _pandera()
    module, _, name = check.pandera.partition(":")
    try:
        schema = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(check.pandera, str(error)) from error
    if isinstance(schema, type) and issubclass(schema, pandera.DataFrameModel):
        schema = schema.to_schema()  # type: ignore[attr-defined]
    if not isinstance(schema, pandera.DataFrameSchema):
        raise DataError(check.pandera, f"it is a {type(schema).__name__}; expected a pandera DataFrameSchema")
    return schema


def _know_columns(spec: Spec) -> None:
    data = spec.data
    known = {data.time, data.target, *spec.group_columns, *data.features}
    for check in data.checks:
        named = (check.column,) if isinstance(check, ColumnCheck) else getattr(check, "unique", ())
        for column in named:
            if column not in known:
                used = ", ".join(sorted(known))
                raise DataError(data.named, f"a check of {column!r}, a column the spec does not use; it uses {used}")


def _declared(spec: Spec) -> PanderaSchema:
    pandera = _pandera()
    columns: dict[str, list[Any]] = {}
    nullable: dict[str, bool] = {}
    unique = []
    for check in spec.data.checks:
        if isinstance(check, ColumnCheck):
            columns.setdefault(check.column, []).extend(_rules(check))
            nullable[check.column] = nullable.get(check.column, True) and check.missing
        elif isinstance(check, UniqueCheck):
            unique.append(_unique(check))
    return pandera.DataFrameSchema(
        {name: pandera.Column(checks=rules, nullable=nullable[name]) for name, rules in columns.items()},
        checks=unique,
    )


def _rules(check: ColumnCheck) -> list[Any]:
    rule, name, rules = _pandera().Check, check.column, []
    if check.min is not None:
        rules.append(rule.ge(check.min, error=f"{name} is below {check.min:g}"))
    if check.max is not None:
        rules.append(rule.le(check.max, error=f"{name} is above {check.max:g}"))
    if check.one_of is not None:
        shown = ", ".join(map(str, check.one_of[:_SHOWN])) + (", ..." if len(check.one_of) > _SHOWN else "")
        rules.append(rule.isin(list(check.one_of), error=f"{name} is none of {shown}"))
    if check.matches is not None:
        rules.append(rule.str_matches(check.matches, error=f"{name} does not match {check.matches}"))
    if check.not_in_future:
        rules.append(rule.le(pd.Timestamp(datetime.now(UTC)), error=f"{name} lies in the future"))
    return rules


def _unique(check: UniqueCheck) -> Any:
    columns = list(check.unique)
    error = f"{', '.join(columns)} stand in an earlier row"
    return _pandera().Check(lambda frame: ~frame.duplicated(columns), error=error)


def _failures(schema: PanderaSchema, frame: pd.DataFrame) -> list[tuple[int, str]]:
    """(row, what it broke)"""
    try:
        schema.validate(frame, lazy=True)
    except _pandera().errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    whole = cases[cases["index"].isna()]
    if len(whole):
        first = whole.iloc[0]
        raise DataError(str(first["column"]), f"{first['check']}: {first['failure_case']}")
    return [
        (int(row), _said(check, column))
        for row, check, column in zip(cases["index"], cases["check"], cases["column"], strict=True)
    ]


def _said(check: str, column: Any) -> str:
    return f"{column} is missing" if check == "not_nullable" else check


def _pandera() -> Any:
    os.environ.setdefault("DISABLE_PANDERA_IMPORT_WARNING", "True")
    import pandera.pandas

    return pandera.pandas


_SHOWN = 5
