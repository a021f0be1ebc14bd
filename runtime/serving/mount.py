"""A replica's paths behind the prefix of its pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from runtime.serving.body import Message, Receive
from runtime.serving.http import Send

Asgi = Callable[[Message, Receive, Send], Awaitable[None]]


def mounted(application: Asgi, mount: str) -> Asgi:
    """The application, also under ``mount``: what stands behind it there is the path it knows."""
    if not mount:
        return application
    before = mount + "/"

    async def behind(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(before):
            scope = {**scope, "path": scope["path"][len(mount) :]}
        await application(scope, receive, send)

    return behind
