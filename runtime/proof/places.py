"""Where in a JSON text a character stands, so that a broken file is told by its field and not by an offset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile, zip_longest
from typing import Any

Place = tuple[int | str, ...]
"""Names and indices that lead to a value."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]')


def path_of(parts: Iterable[int | str]) -> str:
    """A field as people write it.

    >>> path_of(["entries", "consents", 0, "leaf"])
    'entries.consents[0].leaf'
    """
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"


def path_at(text: str, place: int) -> str:
    """The field that the character at ``place`` belongs to, as far as the text before it is JSON.

    >>> path_at('{"a":{"b":[1,2]}}', 13)
    'a.b[1]'
    """
    frames: list[int | str | None] = []  # an array's index; an object's key, or None until its next key is read
    for token in takewhile(lambda match: match.start() <= place, _TOKEN.finditer(text)):
        character = token[0][0]
        if character in "{[":
            frames.append(None if character == "{" else 0)
        elif character in "}]":
            frames = frames[:-1]
        elif character == ",":
            frames = frames[:-1] + [_next(frame) for frame in frames[-1:]]
        elif frames and frames[-1] is None:
            frames[-1] = token[0][1:-1]
    return path_of(frame for frame in frames if frame is not None)


def first_difference(one: str, other: str) -> int:
    """The place of the first character that two texts do not share."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def first_unlike(one: Any, other: Any, at: Place = ()) -> tuple[Place, Any, Any]:
    """Where two JSON values begin to differ, and what each holds there; what is absent is None.

    >>> first_unlike({"a": [1, 2]}, {"a": [1, 3]})
    (('a', 1), 2, 3)
    """
    if isinstance(one, dict) and isinstance(other, dict):
        names = (name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name))
        name = next(names, None)
        return (at, one, other) if name is None else first_unlike(one.get(name), other.get(name), (*at, name))
    if isinstance(one, list) and isinstance(other, list):
        pairs = enumerate(zip_longest(one, other))
        place = next((place for place, (left, right) in pairs if left != right), None)
        if place is not None:
            left, right = ((each[place] if place < len(each) else None) for each in (one, other))
            return first_unlike(left, right, (*at, place))
    return at, one, other


def _next(frame: int | str | None) -> int | None:
    return frame + 1 if isinstance(frame, int) else None
