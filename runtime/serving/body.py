"""A request's body: read under a limit, inflated under the same one.

A body is refused as soon as it is known to be too large: by its announced length before a byte is read, else while it
comes in; a compressed one while it is inflated, so that a short body that stands for a very long one is never held.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from runtime.domain.errors import RequestError, RequestTooLarge, UnsupportedMedia

LARGEST_BODY = 16 << 20
"""Bytes, as they come and inflated."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Headers = Mapping[bytes, bytes]

_ENCODINGS = frozenset([b"gzip", b"x-gzip", b"deflate"])
_GZIP, _RAW = zlib.MAX_WBITS | 16, -zlib.MAX_WBITS


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """The body as its caller wrote it. Raises ``RequestTooLarge``, ``RequestError``, ``UnsupportedMedia``."""
    encoding = headers.get(b"content-encoding")
    if encoding is not None:
        encoding = encoding.strip().lower()
        if encoding in {b"identity", b""}:
            encoding = None
        elif encoding not in _ENCODINGS:
            found = repr(encoding[:40].decode("latin-1"))
            raise UnsupportedMedia("header content-encoding", found, "gzip, deflate or none")
    body = await _received(headers, receive)
    return body if encoding is None else inflate(body, encoding, LARGEST_BODY)


async def _received(headers: Headers, receive: Receive) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and (len(length) > 18 or int(length) > LARGEST_BODY):
        raise _too_large(f"{length[:24].decode()} bytes")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY:
                raise _too_large(f"more than {LARGEST_BODY} bytes")
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise RequestError("body", "the end of the connection", "the rest of the body")
    return body


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The inflated body: gzip of one or more members, or deflate with or without its zlib header.

    Raises ``RequestTooLarge`` above ``limit`` bytes, ``RequestError`` for what is damaged or cut short.
    """
    inflated = bytearray()
    rest = body
    while rest or not inflated:
        stream = zlib.decompressobj(_window(rest, encoding))
        try:
            inflated += stream.decompress(rest, limit + 1 - len(inflated))
        except zlib.error as error:
            raise RequestError("body", str(error), f"{encoding.decode()} as header content-encoding says") from error
        if len(inflated) > limit:
            raise _too_large(f"more than {limit} bytes inflated")
        if not stream.eof:
            raise RequestError("body", "the end of the body", f"the end of its {encoding.decode()} stream")
        rest = stream.unused_data
        if not inflated and not rest:
            break
    return bytes(inflated)


def _window(content: bytes, encoding: bytes) -> int:
    if encoding != b"deflate":
        return _GZIP
    # RFC 9110 means zlib's format; some clients send the bare stream (RFC 1951), which has no such first two bytes.
    has_header = len(content) > 1 and content[0] & 0x0F == 8 and int.from_bytes(content[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_header else _RAW


def _too_large(found: str) -> RequestTooLarge:
    return RequestTooLarge("body", found, f"at most {LARGEST_BODY}")
