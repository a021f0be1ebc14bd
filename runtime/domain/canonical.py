"""Canonical JSON (RFC 8785): one value has one byte string, so that it can be hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import rfc8785


def encode(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Canonical bytes of a JSON value. Raises ``rfc8785.CanonicalizationError`` on NaN, infinities, bytes."""
    return rfc8785.dumps(value)


def decode(content: bytes) -> Any:
    """The value of JSON bytes."""
    return json.loads(content)
