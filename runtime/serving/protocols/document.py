"""A body as a JSON object, and how something wrong in it is named."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import orjson

from runtime.domain.errors import RequestError


def json_object(body: bytes | memoryview) -> dict[str, Any]:
    """The JSON object in a body. Raises ``RequestError``, also for JSON nested deeper than 1,024 levels."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError("body", str(error), "a JSON object") from error
    if type(document) is not dict:
        raise RequestError("body", kind(document), "a JSON object")
    return document


def decision_id(text: Any, where: str) -> str:
    """A UUID in its canonical form. Raises ``RequestError``."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError) as error:
        found = shortened(text) if isinstance(text, str) else kind(text)
        raise RequestError(where, found, "a UUID") from error


def kind(value: Any) -> str:
    """What was found, for a message: a scalar's value, else the JSON type's name. Never a whole payload."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return orjson.dumps(value).decode()


def shortened(text: str) -> str:
    """The text in quotes, cut where it becomes long."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def brief(error: Exception) -> str:
    """An error's first words: those of a library may quote a whole payload."""
    text = str(error)
    return text if len(text) <= 120 else text[:120] + "..."


def listed(names: Iterable[str]) -> str:
    """The names as a sentence has them, cut where they become many."""
    shown = list(names)
    more = f" and {len(shown) - 50} more" if len(shown) > 50 else ""
    return ", ".join(shown[:50]) + more
