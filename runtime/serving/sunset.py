"""What a model's callers are told of its end, on every answer: the fields of RFC 9745 and RFC 8594.

deprecation: @1764028800                        since when it is known that it ends (RFC 9745, 2)
sunset: Thu, 25 Dec 2025 00:00:00 GMT           when it ends (RFC 8594, 3); from then on its answer is 410
link: </v2/models/NAME>; rel="successor-version"    what answers after it (RFC 5829, 3.4)
"""

from __future__ import annotations

from email.utils import format_datetime

from runtime.domain.routes import Sunset

Told = tuple[tuple[bytes, bytes], ...]
"""Header fields."""

NOTHING: Told = ()


def told(sunset: Sunset | None) -> Told:
    """The fields; none for a model whose end is not announced."""
    if sunset is None:
        return NOTHING
    fields = [
        (b"deprecation", b"@%d" % int(sunset.since.timestamp())),
        (b"sunset", format_datetime(sunset.until, usegmt=True).encode()),
    ]
    if sunset.successor is not None:
        fields.append((b"link", b'</v2/models/%s>; rel="successor-version"' % sunset.successor.encode()))
    return tuple(fields)
