"""Several applications behind one mount, told apart by how the path begins."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Routed:
    """Applications by the beginning of the path below where all of them are mounted; each sees the whole path."""

    def __init__(self, parts: Mapping[str, ASGIApp], *, otherwise: ASGIApp) -> None:
        self._parts, self._otherwise = parts, otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request to the part whose beginning fits."""
        path = str(scope.get("path", "")).removeprefix(scope.get("root_path", "").rstrip("/"))
        for prefix, part in self._parts.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                await part(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)
