"""Tries a model's overrides on the rows of one request: pure, and quick where nothing fires.

    rules + schema + what training saw ──> Watch ──fired(rows, predictions)──> which rule, which feature, which rows

Most requests have one row, for which plain comparisons cost a tenth of what numpy's calls do; several rows are
compared a column at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from runtime.domain.errors import DataError
from runtime.domain.overrides import (
    LowConfidence,
    Missing,
    OfFeatures,
    OutOfRange,
    OutsideTrainedPredictions,
    Override,
    UnseenCategory,
)
from runtime.domain.schema import FieldKind, Schema
from runtime.domain.seen import MOST_CATEGORIES, Seen

_Mask = npt.NDArray[np.bool_]
_NOTHING: tuple[()] = ()


class OverrideUnfit(DataError):
    """A rule cannot be tried on a version: its features are of another kind, or what training saw is not known."""


class Columns(Protocol):
    """A request's columns: in schema order as lists, and by name as arrays; missing is NaN or None."""

    @property
    def rows(self) -> int: ...
    @property
    def numbers(self) -> tuple[list[float | None], ...]: ...
    @property
    def texts(self) -> tuple[list[str | None], ...]: ...
    @property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]: ...


@dataclass(frozen=True, slots=True)
class Fired:
    """One rule on one feature (empty: on the prediction), and the rows where it fired, in order.

    ``expected`` is what the rule wants to see there, in words.
    """

    rule: Override
    feature: str
    rows: tuple[int, ...]
    expected: str


class Watch:
    """A model's rules, bound to the columns of one version and to what its training saw."""

    def __init__(self, rules: Sequence[Override], schema: Schema, seen: Seen | None) -> None:
        """Raises ``OverrideUnfit``; ``seen`` may be absent where no rule looks at it (``needs_seen``)."""
        self.rules = tuple(rules)
        self._checks = [_bound(rule, f"overrides[{at}]", schema, seen) for at, rule in enumerate(rules)]

    def fired(self, asked: Columns, outputs: list[float]) -> list[Fired]:
        """What fires, in the order of the rules."""
        if asked.rows == 1:
            numbers, texts, output = asked.numbers, asked.texts, outputs[0]
            return [
                Fired(check.rule, name, (0,), check.expected[name])
                for check in self._checks
                for name in check.of_one(numbers, texts, output)
            ]
        predictions = np.asarray(outputs, dtype=np.float64)
        return [
            Fired(check.rule, name, tuple(np.flatnonzero(mask).tolist()), check.expected[name])
            for check in self._checks
            for name, mask in check.of_many(asked, predictions)
            if mask.any()
        ]


def needs_seen(rules: Iterable[Override]) -> bool:
    """Whether any of the rules looks at what training saw."""
    return any(isinstance(rule, OutOfRange | UnseenCategory | OutsideTrainedPredictions) for rule in rules)


def deciding(fired: Iterable[Fired]) -> dict[int, Fired]:
    """What decides about each row where something fired: the strictest, and of equals the first."""
    found: dict[int, Fired] = {}
    for each in fired:
        action = each.rule.action
        for row in each.rows:
            before = found.get(row)
            if before is None or action > before.rule.action:
                found[row] = each
    return found


# --- rules bound to columns ------------------------------------------------------------------------------


class _Check(Protocol):
    @property
    def rule(self) -> Override: ...
    @property
    def expected(self) -> Mapping[str, str]: ...

    def of_one(
        self, numbers: Sequence[list[float | None]], texts: Sequence[list[str | None]], output: float
    ) -> Sequence[str]:
        """The features where it fires on the only row; an empty name stands for the prediction."""
        ...

    def of_many(self, asked: Columns, outputs: npt.NDArray[np.float64]) -> list[tuple[str, _Mask]]:
        """The features, and the rows where it fires on each."""
        ...


class _Limits(NamedTuple):
    at: int
    name: str
    low: float
    high: float


class _Known(NamedTuple):
    at: int
    name: str
    categories: frozenset[str]


class _OutOfRange:
    def __init__(self, rule: OutOfRange, limits: list[_Limits], expected: Mapping[str, str]) -> None:
        self.rule, self.expected, self._limits = rule, expected, limits

    def of_one(self, numbers: Sequence[list[float | None]], _: Any, __: float) -> Sequence[str]:
        found: list[str] | None = None
        for at, name, low, high in self._limits:
            value = numbers[at][0]
            if value is None or low <= value <= high or math.isnan(value):
                continue
            found = [*(found or _NOTHING), name]
        return found or _NOTHING

    def of_many(self, asked: Columns, _: Any) -> list[tuple[str, _Mask]]:
        columns = asked.columns
        return [(name, (columns[name] < low) | (columns[name] > high)) for _, name, low, high in self._limits]


class _Unseen:
    def __init__(self, rule: UnseenCategory, known: list[_Known]) -> None:
        self.rule, self._known = rule, known
        rows = f" in at least {rule.seen_at_least} rows" if rule.seen_at_least > 1 else ""
        self.expected = {
            name: f"one of the {len(words)} categories that training saw{rows}" for _, name, words in known
        }

    def of_one(self, _: Any, texts: Sequence[list[str | None]], __: float) -> Sequence[str]:
        found: list[str] | None = None
        for at, name, words in self._known:
            value = texts[at][0]
            if value is None or value in words:
                continue
            found = [*(found or _NOTHING), name]
        return found or _NOTHING

    def of_many(self, asked: Columns, _: Any) -> list[tuple[str, _Mask]]:
        return [(name, _outside(asked.texts[at], words)) for at, name, words in self._known]


class _Missing:
    def __init__(self, rule: Missing, numbers: list[tuple[int, str]], texts: list[tuple[int, str]]) -> None:
        self.rule, self._numbers, self._texts = rule, numbers, texts
        self.expected = dict.fromkeys([name for _, name in (*numbers, *texts)], "a value")

    def of_one(
        self, numbers: Sequence[list[float | None]], texts: Sequence[list[str | None]], _: float
    ) -> Sequence[str]:
        found: list[str] | None = None
        for at, name in self._numbers:
            value = numbers[at][0]
            if value is None or math.isnan(value):
                found = [*(found or _NOTHING), name]
        for at, name in self._texts:
            if texts[at][0] is None:
                found = [*(found or _NOTHING), name]
        return found or _NOTHING

    def of_many(self, asked: Columns, _: Any) -> list[tuple[str, _Mask]]:
        numbers = [(name, np.isnan(asked.columns[name])) for _, name in self._numbers]
        return [*numbers, *((name, _absent(asked.texts[at])) for at, name in self._texts)]


class _Prediction:
    """Of one number: fires outside [low, high], or where it is no number at all."""

    def __init__(self, rule: OutsideTrainedPredictions, low: float, high: float) -> None:
        self.rule, self._low, self._high = rule, low, high
        self.expected = {"": f"a prediction of {low:g} to {high:g}, {_as_seen(rule.margin)}"}

    def of_one(self, _: Any, __: Any, output: float) -> Sequence[str]:
        return _NOTHING if self._low <= output <= self._high else ("",)

    def of_many(self, _: Any, outputs: npt.NDArray[np.float64]) -> list[tuple[str, _Mask]]:
        return [("", ~((outputs >= self._low) & (outputs <= self._high)))]


class _Confidence:
    def __init__(self, rule: LowConfidence) -> None:
        self.rule, self._below = rule, rule.below
        self.expected = {"": f"a class that is at least {rule.below:g} probable"}

    def of_one(self, _: Any, __: Any, output: float) -> Sequence[str]:
        return _NOTHING if output >= self._below or 1 - output >= self._below else ("",)

    def of_many(self, _: Any, outputs: npt.NDArray[np.float64]) -> list[tuple[str, _Mask]]:
        return [("", ~((outputs >= self._below) | (1 - outputs >= self._below)))]


_NOWHERE: _Mask = np.zeros(1, np.bool_)
"""Of columns that were seen at one glance to hold nothing that fires."""


def _absent(column: list[str | None]) -> _Mask:
    return np.array([value is None for value in column]) if None in column else _NOWHERE


def _outside(column: list[str | None], words: frozenset[str]) -> _Mask:
    if not {*column} - words - {None}:
        return _NOWHERE
    return np.array([value is not None and value not in words for value in column])


# --- binding ---------------------------------------------------------------------------------------------


def _bound(rule: Override, where: str, schema: Schema, seen: Seen | None) -> _Check:
    if isinstance(rule, LowConfidence):
        return _Confidence(rule)
    if isinstance(rule, Missing):
        named = _features(rule, where, schema, None)
        return _Missing(rule, _placed(schema.numbers, named), _placed(schema.texts, named))
    if seen is None:
        raise OverrideUnfit(where, f"{rule.when} needs what training saw, which this version's package does not say")
    if isinstance(rule, OutsideTrainedPredictions):
        return _Prediction(rule, *seen.predictions.widened(rule.margin))
    if isinstance(rule, UnseenCategory):
        return _unseen(rule, where, schema, seen)
    return _out_of_range(rule, where, schema, seen)


def _out_of_range(rule: OutOfRange, where: str, schema: Schema, seen: Seen) -> _Check:
    limits, expected = [], {}
    for at, name in _placed(schema.numbers, _features(rule, where, schema, FieldKind.NUMBER)):
        bounds = seen.numbers.get(name)
        if bounds is None:
            limits.append(_Limits(at, name, math.inf, -math.inf))
            expected[name] = "no value, as training saw none"
            continue
        low, high = bounds.widened(rule.margin)
        limits.append(_Limits(at, name, low, high))
        expected[name] = f"{low:g} to {high:g}, {_as_seen(rule.margin)}"
    return _OutOfRange(rule, limits, expected)


def _unseen(rule: UnseenCategory, where: str, schema: Schema, seen: Seen) -> _Check:
    named = _features(rule, where, schema, FieldKind.TEXT)
    unlisted = [name for name in named if name not in seen.categories]
    if rule.features != "all" and unlisted:
        raise OverrideUnfit(where, f"{unlisted[0]!r} has more than {MOST_CATEGORIES} categories, too many to keep")
    known = [
        _Known(at, name, frozenset(word for word, rows in seen.categories[name].items() if rows >= rule.seen_at_least))
        for at, name in _placed(schema.texts, named)
        if name in seen.categories
    ]
    return _Unseen(rule, known)


def _features(rule: OfFeatures, where: str, schema: Schema, kind: FieldKind | None) -> tuple[str, ...]:
    """The features that the rule looks at, of this kind (None: of any)."""
    fitting = [field.name for field in schema.inputs if kind is None or field.kind is kind]
    if rule.features == "all":
        named = tuple(fitting)
    else:
        named = rule.features
        wrong = [name for name in named if name not in fitting]
        if wrong:
            raise OverrideUnfit(where, f"{rule.when} looks at {_kind(kind)}, which {wrong[0]!r} does not hold")
    if not named:
        raise OverrideUnfit(where, f"{rule.when} looks at {_kind(kind)}, which no feature of the model holds")
    return named


def _kind(kind: FieldKind | None) -> str:
    return {FieldKind.NUMBER: "numbers", FieldKind.TEXT: "text", None: "features"}[kind]


def _placed(columns: tuple[str, ...], named: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(at, name) for at, name in enumerate(columns) if name in named]


def _as_seen(margin: float) -> str:
    return f"what training saw and {margin:.0%} of its width around it" if margin else "as training saw"
