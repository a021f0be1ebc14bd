"""No body is read beyond a bound; told as a problem document, which FastAPI's own bound would not be."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Bounded:
    """ASGI middleware. What is too long by its own account is refused before a byte of it is read."""

    def __init__(self, app: ASGIApp, largest_bytes: int) -> None:
        self._app, self._largest = app, largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with a ``receive`` that raises ``HTTPException`` (413)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        announced = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = {} if announced > self._largest else await receive()
            read += len(message.get("body", b""))
            if max(announced, read) > self._largest:
                raise HTTPException(413, f"body: got more than {self._largest} bytes; expected at most so many")
            return message

        await self._app(scope, bounded, send)
