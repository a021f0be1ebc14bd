"""What a form of the console has the API do: one command, safe to send twice, for the model as it was seen."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from runtime.console.web.desk import Desk, Fields


async def command(desk: Desk, path: str, body: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """The API's answer. ``once`` and ``revision`` come with the form. Raises ``ApiRefused``."""
    revision = fields.get("revision")
    told: dict[str, Any] = await desk.api.post(
        path, body, key=fields.get("once") or None, match=f'"{revision}"' if revision else None
    )
    return told or {}


def entry_of(told: dict[str, Any]) -> int | None:
    """The entry that a command made."""
    for name in ("seq", "entry"):
        value = told.get(name)
        if isinstance(value, int):
            return value
    return None


def in_path(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe="")
