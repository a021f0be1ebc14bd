"""The control API, asked in this process as whoever looks at the console: there is no second way in.

Each question carries the session's credential, so the API authenticates, authorises, counts and refuses as it does for
a client outside; what it refuses is shown in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.domain.errors import FleetwardError

_BASE = "http://console.invalid"
_UNAUTHENTICATED = 401


class ApiRefused(FleetwardError):
    """The control API answered with a problem: ``refused_with`` is its status, ``title`` and ``detail`` its words."""

    def __init__(self, path: str, refused_with: int, title: str, detail: str) -> None:
        super().__init__(path, refused_with, title, detail)
        self.path, self.refused_with, self.title, self.detail = path, refused_with, title, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.refused_with} {self.title}: {self.detail}"

    @property
    def needs_login(self) -> bool:
        """Whether it does not know who asks."""
        return self.refused_with == _UNAUTHENTICATED


class Api:
    """One caller's view of it."""

    def __init__(self, client: httpx.AsyncClient, credential: str | None) -> None:
        self._client = client
        self._headers = {} if credential is None else {"authorization": f"Bearer {credential}"}

    async def get(self, path: str, **asked: object) -> Any:
        """The document at a path. Raises ``ApiRefused``."""
        return orjson.loads((await self.fetch(path, **asked)).content)

    async def fetch(self, path: str, **asked: object) -> httpx.Response:
        """The answer itself, whatever it is of. Raises ``ApiRefused``."""
        params = {name.rstrip("_"): str(value) for name, value in asked.items() if value not in (None, "")}
        return _accepted(path, await self._client.get(path, params=params, headers=self._headers))

    async def post(
        self, path: str, document: Mapping[str, Any], *, key: str | None = None, match: str | None = None
    ) -> Any:
        """What a command was answered. ``key`` makes it safe to send twice, ``match`` is the revision that was seen.

        Raises ``ApiRefused``.
        """
        headers = self._headers | {"content-type": "application/json"}
        headers |= {} if key is None else {"idempotency-key": key}
        headers |= {} if match is None else {"if-match": match}
        answer = await self._client.post(path, content=orjson.dumps(document), headers=headers)
        return orjson.loads(_accepted(path, answer).content or b"null")


def client_of(api: ASGIApp) -> httpx.AsyncClient:
    """Asks the application without a network."""
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=_BASE, trust_env=False)


async def passed_on(
    api: ASGIApp, path: str, credential: str | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """A GET that the API answers straight to the browser, as it comes: for what never ends, or is large."""
    kept = [each for each in scope["headers"] if each[0] in (b"last-event-id", b"accept")]
    if credential is not None:
        kept.append((b"authorization", f"Bearer {credential}".encode("latin-1", "replace")))
    inner = {
        **{name: value for name, value in scope.items() if name not in ("path_params", "endpoint", "router", "app")},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "headers": [(b"host", b"console.invalid"), *kept],
    }

    await api(inner, receive, send)


def _accepted(path: str, answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    title, detail = answer.reason_phrase or "refused", answer.text[:500]
    try:
        problem = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict):
        title = str(problem.get("title") or title)
        detail = str(problem.get("detail") or problem.get("error") or detail)
    raise ApiRefused(path, answer.status_code, title, detail)
