"""What every answer of the console tells the browser: run and load nothing but what this process serves.

No page has a script or a style within: the policy allows none, so a name that slips through as markup does nothing.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SOURCES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types fleetward",
)
POLICY = "; ".join(_SOURCES)
_ALWAYS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_PRIVATE = (b"cache-control", b"no-store")


class SafeHeaders:
    """An ASGI application whose answers carry them; what says nothing of caching is kept by nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                told = {name.lower() for name, _ in headers}
                kept = () if b"cache-control" in told else (_PRIVATE,)
                headers += [each for each in (*_ALWAYS, *kept) if each[0] not in told]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, tell)
