"""Decisions that wait for their outcome, and pairs of versions judged on the same rows.

A row is known by (decision id, row). Its first served prediction waits for the outcome; while a rollout
runs, the other version's prediction of the row waits beside it, marked with the rollout step it was made in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

RowKey = tuple[str, int]
MAX_WAITING = 200_000
"""Rows a model keeps waiting for outcomes; beyond it the oldest are given up and counted."""
MAX_JUDGED = 20_000
"""Rows a model remembers once they are judged: a request that is sent again comes soon."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Predictions of one row: by version, and the rollout step in which both were made (if they were)."""

    served_by: int
    predictions: tuple[tuple[int, float], ...]
    step: tuple[int, int] | None = None

    def of(self, version: int) -> float | None:
        """That version's prediction, if it made one."""
        return next((value for number, value in self.predictions if number == version), None)


class WaitingRows:
    """A bounded store of rows without outcomes, oldest given up first."""

    def __init__(self, limit: int = MAX_WAITING, judged_limit: int = MAX_JUDGED) -> None:
        self._rows: OrderedDict[RowKey, Waiting] = OrderedDict()
        self._beside: OrderedDict[RowKey, tuple[int, float, tuple[int, int] | None]] = OrderedDict()
        self._judged: OrderedDict[RowKey, None] = OrderedDict()
        self._limit, self._judged_limit = limit, judged_limit
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._rows)

    def knows(self, key: RowKey) -> bool:
        """Whether the row was served already: it waits for its outcome, or was judged lately."""
        return key in self._rows or key in self._judged

    def has_judged(self, key: RowKey) -> bool:
        """Whether the row's outcome was taken lately."""
        return key in self._judged

    def is_news(self, key: RowKey, version: int) -> bool:
        """Whether the version has not answered the row yet, beside another, as far as is remembered."""
        row = self._rows.get(key)
        return key not in self._beside and key not in self._judged and (row is None or row.of(version) is None)

    def pair_of(self, key: RowKey) -> Waiting | None:
        """The row, if two versions have answered it and its outcome is awaited."""
        row = self._rows.get(key)
        return row if row is not None and len(row.predictions) == 2 else None

    def served(self, key: RowKey, version: int, prediction: float) -> None:
        """A version answered the row."""
        beside = self._beside.pop(key, None)
        predictions = ((version, prediction),) if beside is None else ((version, prediction), beside[:2])
        self._rows[key] = Waiting(version, predictions, None if beside is None else beside[2])
        if len(self._rows) > self._limit:
            self._rows.popitem(last=False)
            self.given_up += 1

    def beside(self, key: RowKey, version: int, prediction: float, step: tuple[int, int] | None) -> None:
        """A version predicted the row in the shadow of the one that answered; either may be told first."""
        row = self._rows.get(key)
        if row is None and key not in self._judged:
            self._beside[key] = (version, prediction, step)
            if len(self._beside) > self._limit:
                self._beside.popitem(last=False)
        elif row is not None:
            self._rows[key] = replace(row, predictions=(*row.predictions, (version, prediction)), step=step)

    def outcome(self, key: RowKey) -> Waiting | None:
        """The row's predictions, now judged; ``None`` for an unknown row or one judged already."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._judged[key] = None
            if len(self._judged) > self._judged_limit:
                self._judged.popitem(last=False)
        return row

    # --- as columns ---------------------------------------------------------------------------------

    def as_columns(self) -> list[dict[str, list[Any]]]:
        """All that is held, as tables: rows, their predictions, what was predicted beside, rows judged."""
        rows = self._rows
        predictions = [(at, *each) for at, row in enumerate(rows.values()) for each in row.predictions]
        beside = self._beside.values()
        return [
            _keys(rows)
            | {"served_by": [row.served_by for row in rows.values()]}
            | _steps(r.step for r in rows.values()),
            {name: [each[place] for each in predictions] for place, name in enumerate(("at", "version", "value"))},
            _keys(self._beside)
            | {"version": [each[0] for each in beside], "value": [each[1] for each in beside]}
            | _steps(each[2] for each in beside),
            _keys(self._judged),
        ]

    @classmethod
    def from_columns(cls, tables: Sequence[Mapping[str, Sequence[Any]]]) -> Self:
        """The inverse."""
        rows, predictions, beside, judged = tables
        waiting = cls()
        made: list[list[tuple[int, float]]] = [[] for _ in rows["id"]]
        for at, version, value in zip(*(predictions[name] for name in ("at", "version", "value")), strict=True):
            made[at].append((version, value))
        for key, by, step, of in zip(_keys_of(rows), rows["served_by"], _steps_of(rows), made, strict=True):
            waiting._rows[key] = Waiting(by, tuple(of), step)
        others = zip(_keys_of(beside), beside["version"], beside["value"], _steps_of(beside), strict=True)
        for key, version, value, step in others:
            waiting._beside[key] = (version, value, step)
        waiting._judged.update(dict.fromkeys(_keys_of(judged)))
        return waiting


_NO_STEP = -1


def _keys(rows: Iterable[RowKey]) -> dict[str, list[Any]]:
    keys = list(rows)
    return {"id": [key[0] for key in keys], "row": [key[1] for key in keys]}


def _keys_of(table: Mapping[str, Sequence[Any]]) -> list[RowKey]:
    return list(zip(table["id"], table["row"], strict=True))


def _steps(steps: Iterable[tuple[int, int] | None]) -> dict[str, list[Any]]:
    pairs = [(_NO_STEP, _NO_STEP) if step is None else step for step in steps]
    return {"of": [pair[0] for pair in pairs], "step": [pair[1] for pair in pairs]}


def _steps_of(table: Mapping[str, Sequence[Any]]) -> list[tuple[int, int] | None]:
    pairs = zip(table["of"], table["step"], strict=True)
    return [None if pair[0] == _NO_STEP else pair for pair in pairs]
