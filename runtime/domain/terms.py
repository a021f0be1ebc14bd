"""The small words of a spec, parsed once: ``5m``, ``10%``, ``500 decisions``, ``loguniform(0.02, 0.3)``.

Each term is written as its owner would say it and becomes a typed value; a wrong one names what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PlainSerializer, model_validator

from runtime.domain.base import Document

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"^(?:last\s+)?(\d+(?:\.\d+)?)\s*([smhdw])$")
_LONGEST = timedelta(days=36_525)  # so that a moment and a duration add up to a date that exists
_LONGEST_NAME = 200
_PERCENT = re.compile(r"^(\d+(?:\.\d+)?)\s*%$")
_COUNT = re.compile(r"^(\d+)(?:\s+(?:decisions?|rows?))?$")
_CALL = re.compile(r"^([a-z_]+)\((.*)\)$")


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as 5m, 36h, 60d or 'last 60d'")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError("expected a duration of at most 100 years")
    return timedelta(seconds=seconds)


def _duration_text(value: timedelta) -> str:
    seconds, rest = divmod(value, timedelta(seconds=1))
    if rest:
        return f"{seconds}.{rest.microseconds:06d}".rstrip("0") + "s"
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def _share(value: Any) -> float:
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if match is not None:
        value = float(match[1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("expected a share such as 10% or 0.1, between 0 and 1")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _COUNT.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a count such as 500 or '500 decisions'")
    return int(match[1])


def _class_name(value: Any) -> str:
    text = str(value) if type(value) in (int, str) else ""
    if not 0 < len(text) <= _LONGEST_NAME:
        raise ValueError("expected a class's name as text; YAML takes a bare yes, no, true or false for a switch")
    return text


Duration = Annotated[
    timedelta, BeforeValidator(_duration), PlainSerializer(_duration_text, return_type=str, when_used="json")
]
"""A time span: a number and one of s, m, h, d, w; ``last`` before it is allowed."""

Share = Annotated[float, BeforeValidator(_share)]
"""A part of a whole, as ``10%`` or 0.1."""

Count = Annotated[int, BeforeValidator(_count)]
"""A whole number, as 500 or ``500 decisions``."""


ClassName = Annotated[str, BeforeValidator(_class_name)]
"""A value of a classification's target, as text; a whole number is written as such."""


class Distribution(StrEnum):
    """How a search samples a parameter."""

    UNIFORM = "uniform"
    LOGUNIFORM = "loguniform"
    RANDINT = "randint"
    CHOICE = "choice"
    CONSTANT = "constant"


class SearchTerm(Document):
    """One parameter of a search space. ``bounds`` for ranges (randint's upper bound is excluded), else ``values``."""

    distribution: Distribution
    bounds: tuple[float, float] | None = None
    values: tuple[float | int | str | bool | None, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it leaves a choice."""
        return self.bounds is not None or len(self.values) > 1

    @property
    def ends(self) -> tuple[float | int | str | bool | None, ...]:
        """Values that stand for all that it may take: both ends of a range, else each."""
        if self.bounds is None:
            return self.values
        low, high = self.bounds
        return (int(low), int(high) - 1) if self.distribution is Distribution.RANDINT else (low, high)

    def draw(self, chance: Callable[[], float]) -> float | int | str | bool | None:
        """One value, as the distribution has it; ``chance`` gives numbers evenly spread over [0, 1)."""
        if self.bounds is None:
            return self.values[int(chance() * len(self.values))] if self.is_open else self.values[0]
        low, high = self.bounds
        if self.distribution is Distribution.LOGUNIFORM:
            return math.exp(math.log(low) + chance() * math.log(high / low))
        if self.distribution is Distribution.RANDINT:
            return int(low) + int(chance() * (int(high) - int(low)))
        return low + chance() * (high - low)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        if isinstance(value, list):
            return {"distribution": Distribution.CHOICE, "values": tuple(value)}
        match = _CALL.match(value.strip()) if isinstance(value, str) else None
        if match is None:
            return {"distribution": Distribution.CONSTANT, "values": (value,)}
        name, arguments = match[1], [part.strip() for part in match[2].split(",")]
        if name == Distribution.CHOICE:
            return {"distribution": name, "values": tuple(_literal(part) for part in arguments)}
        if name not in (Distribution.UNIFORM, Distribution.LOGUNIFORM, Distribution.RANDINT) or len(arguments) != 2:
            raise ValueError(
                "expected uniform(a, b), loguniform(a, b), randint(a, b), choice(a, b, ...), a list or a constant"
            )
        try:
            low, high = (float(part) for part in arguments)
        except ValueError as error:
            raise ValueError(f"expected two numbers in {name}(a, b)") from error
        return {"distribution": name, "bounds": (low, high)}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.bounds is not None:
            low, high = self.bounds
            if not low < high:
                raise ValueError(f"expected a lower bound below the upper one; {low:g} is not below {high:g}")
            if self.distribution is Distribution.LOGUNIFORM and low <= 0:
                raise ValueError(f"expected a lower bound above 0 for loguniform, not {low:g}")
        elif not self.values:
            raise ValueError("expected at least one value to choose from")
        return self


def _literal(text: str) -> float | int | str | bool | None:
    words: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")
