"""Canonical JSON (RFC 8785): one value has one byte string, so that it can be hashed and signed.

``rfc8785`` is the definition, in Python; orjson writes the same bytes some ten times faster for nearly every value,
and ``encode`` asks it first. They differ in three things, each looked for in what orjson wrote:

    floats      orjson writes 1.0 and 1e16 where RFC 8785 (3.2.2.3) writes 1 and 10000000000000000, and null for NaN.
                Whole ones are handed over as integers; beyond the magnitudes that both write alike the definition
                decides.
    keys        orjson sorts by code point, RFC 8785 (3.2.3) by UTF-16 unit: another order only beyond U+FFFF.
    refusals    what orjson refuses, the definition is asked to refuse, in its own words. Of what only the definition
                refuses, orjson takes UUIDs and enums: as their text and their value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson
import rfc8785

LARGEST_WHOLE = 2**53 - 1  # what RFC 8785 lets an integer be (I-JSON, RFC 7493, 2.2)

_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
# Looked for outside of texts; a "true" has an e too, and costs a second look and nothing else.
_FLOAT_OR_NULL = re.compile(rb"[.en]")
_BEYOND_FFFF = re.compile(rb"[\xf0-\xf4]")
_LONG_NUMBER = re.compile(rb"[0-9]{16}")


class _Unlike(Exception):
    """A value that orjson writes otherwise than RFC 8785."""


def encode(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Canonical bytes of a JSON value. Raises ``rfc8785.CanonicalizationError`` on NaN, infinities, bytes."""
    try:
        content = orjson.dumps(value, option=_OPTIONS)
        if _FLOAT_OR_NULL.search(_outside_texts(content)):
            content = orjson.dumps(_alike(value), option=_OPTIONS)
    except (TypeError, _Unlike):  # orjson's JSONEncodeError is a TypeError
        return rfc8785.dumps(value)
    return content if content.isascii() or not _BEYOND_FFFF.search(content) else rfc8785.dumps(value)


def decode(content: bytes) -> Any:
    """The value of JSON bytes. A whole number beyond 2^53 was a float when it was written, and is one again."""
    if holds_long_number(content):
        return json.loads(content, parse_int=_number)
    return orjson.loads(content)


def holds_long_number(content: bytes) -> bool:
    """Whether other readers may take a number in it for another than ``decode`` does: whole, of 16 digits or more."""
    return _LONG_NUMBER.search(_outside_texts(content)) is not None


def _outside_texts(content: bytes) -> bytes:
    """JSON without its texts, or with them where a backslash makes it hard to tell."""
    return content if b"\\" in content else b"".join(content.split(b'"')[::2])


def _alike(value: Any) -> Any:
    """The value with whole floats as integers. Raises ``_Unlike`` at a float that this does not make alike."""
    kind = type(value)
    if kind is float:
        size = abs(value)
        if size < 1e15 and value.is_integer():
            return int(value)
        if 1e-3 <= size < 1e15:
            return value
        raise _Unlike
    if kind is dict:
        return {key: _alike(each) for key, each in value.items()}
    if kind is list or kind is tuple:
        return [_alike(each) for each in value]
    return value


def _number(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= LARGEST_WHOLE else float(text)
