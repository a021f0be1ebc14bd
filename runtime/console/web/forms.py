"""Forms as a browser sends them (application/x-www-form-urlencoded), read whole, bounded, each field once."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from runtime.domain.errors import FleetwardError

LARGEST_BYTES = 64 << 10
_MOST_FIELDS = 64
_MEDIA = "application/x-www-form-urlencoded"


class FormRefused(FleetwardError):
    """A form that was not made here for whoever sends it, or that is none."""

    status = 403

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


async def fields_of(request: Request) -> dict[str, str]:
    """The fields by name, without blanks around them. Raises ``FormRefused``."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _MEDIA:
        raise FormRefused(f"expected a form, {_MEDIA}")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LARGEST_BYTES:
            raise FormRefused(f"the form is larger than {LARGEST_BYTES >> 10} KiB")
    try:
        pairs = parse_qsl(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise FormRefused(f"the form cannot be read: {error}") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise FormRefused("a field of the form stands there twice")
    return {name: value.strip() for name, value in fields.items()}


def require_own(request: Request) -> None:
    """Raises ``FormRefused`` when the browser says that another site sends it (Fetch Metadata, RFC 6454)."""
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin"):
        raise FormRefused(f"the form was sent from another site ({site[:20]})")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise FormRefused("the form was sent from another origin")
