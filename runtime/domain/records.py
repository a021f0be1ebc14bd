"""``dataclasses.replace`` for the fold, which calls it for nearly every entry: the fields in one C call each way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

Record = TypeVar("Record")


def replace(record: Record, **changes: Any) -> Record:
    """A copy with these fields changed, of a dataclass of at least two fields that all are given to ``__init__``.

    Raises ``KeyError`` on a field that it has not.
    """
    kind: type[Any] = type(record)
    values_of, places = _LAYOUTS.get(kind) or _layout(kind)
    values = [*values_of(record)]
    for name, value in changes.items():
        values[places[name]] = value
    twin: Record = kind(*values)
    return twin


_Layout = tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]

_LAYOUTS: dict[type[Any], _Layout] = {}


def _layout(kind: type[Any]) -> _Layout:
    names = [field.name for field in fields(kind)]
    layout = attrgetter(*names), {name: place for place, name in enumerate(names)}
    _LAYOUTS[kind] = layout
    return layout
