"""Canonical JSON (RFC 8785): one value has one byte string, so that it can be hashed and signed.

``rfc8785`` is the definition, in Python; orjson writes the same bytes some ten times faster for nearly every value,
and ``encode`` asks it first. They differ in three things, each looked for in what orjson wrote:

    floats      orjson writes 1.0 and 1e16 where RFC 8785 (3.2.2.3) writes 1 and 10000000000000000, and null for NaN.
                Whole ones lose their ".0", or are handed over as integers; beyond the magnitudes that both write
                alike the definition decides.
    keys        orjson sorts by code point, RFC 8785 (3.2.3) by UTF-16 unit: another order only beyond U+FFFF.
    refusals    what orjson refuses, the definition is asked to refuse, in its own words. Of what only the definition
                refuses, orjson takes UUIDs and enums: as their text and their value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

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
# Of floats those that need a look at the value: with an exponent, below 1e-3 (and -0.0), of 15 digits or more, or null.
_ODD_OR_NULL = re.compile(rb"[0-9]e|nu|-0\.0(?![0-9])|(?<![0-9])0\.000|[0-9]{15}\.")
_POINT_ZERO = re.compile(rb"\.0(?![0-9])")
_BEYOND_FFFF = re.compile(rb"[\xf0-\xf4]")
_LONG_NUMBER = re.compile(rb"(?<![0-9.])[0-9]{16}")
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_SIXTEEN_ZEROS = b"0" * 16


class Encoded(NamedTuple):
    """Canonical bytes. ``plain``: no reader takes a number in them for another than ``decode`` does."""

    content: bytes
    plain: bool


class _Unlike(Exception):
    """A value that orjson writes otherwise than RFC 8785."""


def encode(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Canonical bytes of a JSON value. Raises ``rfc8785.CanonicalizationError`` on NaN, infinities, bytes."""
    return encoded(value).content


def encoded(value: Mapping[str, Any] | list[Any]) -> Encoded:
    """As ``encode``, for those who read the bytes back at once and would look through them again."""
    try:
        content = _with_floats_alike(value, orjson.dumps(value, option=_OPTIONS))
    except (TypeError, _Unlike):  # orjson's JSONEncodeError is a TypeError
        return _by_definition(value)
    if not content.isascii() and _BEYOND_FFFF.search(content):
        return _by_definition(value)
    return Encoded(content, plain=True)  # its whole numbers are integers up to 2^53


def _with_floats_alike(value: Any, content: bytes) -> bytes:
    """What orjson wrote, with whole floats as integers. Raises ``_Unlike`` at a float that this does not make alike."""
    if b"\\" in content:  # hard to tell where its texts end
        return orjson.dumps(_alike(value), option=_OPTIONS) if _FLOAT_OR_NULL.search(content) else content
    parts = content.split(b'"')
    outside = b'"'.join(parts[::2])
    if not _FLOAT_OR_NULL.search(outside):
        return content
    if _ODD_OR_NULL.search(outside):
        return orjson.dumps(_alike(value), option=_OPTIONS)
    parts[::2] = _POINT_ZERO.sub(b"", outside).split(b'"')
    return b'"'.join(parts)


def encode_text(value: str) -> bytes:
    """Canonical bytes of a text alone, as it stands in a document. Raises ``ValueError`` for what no UTF-8 can hold."""
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        return rfc8785.dumps(value)


def decode(content: bytes) -> Any:
    """The value of JSON bytes. A whole number beyond 2^53 was a float when it was written, and is one again."""
    if holds_long_number(content):
        return json.loads(content, parse_int=_number)
    return orjson.loads(content)


def holds_long_number(content: bytes) -> bool:
    """Whether other readers may take a number in it for another than ``decode`` does: whole, of 16 digits or more."""
    if _SIXTEEN_ZEROS not in content.translate(_AS_ZEROS):  # in nearly all, and three times as fast
        return False
    return _LONG_NUMBER.search(_outside_texts(content)) is not None


def _by_definition(value: Mapping[str, Any] | list[Any]) -> Encoded:
    content = rfc8785.dumps(value)
    return Encoded(content, plain=not holds_long_number(content))


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
