"""Lists, a page at a time: ``{"size": ..., "items": [...], "next": CURSOR or null}``.

``size`` is how many entries of the ledger the page tells of, for whoever goes on by watching. A cursor is the key of
the last item, so that a list that grew or shrank in between neither repeats nor leaves out what stayed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from runtime.domain.errors import RequestError

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1_000

Item = dict[str, Any]


def page(size: int, items: Iterable[Item], limit: int, key: Callable[[Item], str]) -> dict[str, Any]:
    """The first ``limit`` of the items, and the cursor after them if there are more."""
    found = list(islice(items, limit + 1))
    shown = found[:limit]
    return {"size": size, "items": shown, "next": cursor_of(key(shown[-1])) if len(found) > limit else None}


def whole(size: int, items: Iterable[Item]) -> dict[str, Any]:
    """A list that is never long."""
    return {"size": size, "items": list(items), "next": None}


def key_of(cursor: str | None) -> str | None:
    """The key after which a page begins; None at the beginning. Raises ``RequestError``."""
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:  # UnicodeError is a ValueError
        raise _no_cursor(cursor) from error


def number_of(cursor: str | None) -> int | None:
    """As ``key_of``, for keys that are numbers. Raises ``RequestError``."""
    key = key_of(cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise _no_cursor(cursor or "")
    return int(key)


def cursor_of(key: str) -> str:
    """The cursor after the item with this key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _no_cursor(cursor: str) -> RequestError:
    return RequestError("query cursor", repr(cursor[:40]), "what stood as next in the page before")
