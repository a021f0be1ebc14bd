"""Canonical JSON (RFC 8785): one value has one byte string, so that it can be hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import rfc8785

LARGEST_WHOLE = 2**53 - 1  # what RFC 8785 lets an integer be (I-JSON, RFC 7493, 2.2)


def encode(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Canonical bytes of a JSON value. Raises ``rfc8785.CanonicalizationError`` on NaN, infinities, bytes."""
    return rfc8785.dumps(value)


def decode(content: bytes) -> Any:
    """The value of JSON bytes. A whole number beyond 2^53 was a float when it was written, and is one again."""
    return json.loads(content, parse_int=_number)


def _number(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= LARGEST_WHOLE else float(text)
