"""``AsyncFleetward``: the same client for programs with an event loop. What each call is stands in ``calls``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from runtime.client import calls
from runtime.client.blocking import ANSWERED_WITHIN_SECONDS
from runtime.client.calls import Call, Page, T
from runtime.client.errors import Refusal
from runtime.client.events import Events
from runtime.client.told import Approval, Entry, Finding, Model, ModelLine, Prediction, Recorded, Whoami
from runtime.client.trying import Trying, content_of, headers_of, read, stream_refusal, unreachable


class AsyncFleetward:
    """A fleet at a URL, asked with a token, from one event loop."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_seconds: float = ANSWERED_WITHIN_SECONDS,
        trying: Trying | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url, self._token = url.rstrip("/"), token
        self._trying, self._sleep = trying or Trying(), sleep
        self._client = httpx.AsyncClient(base_url=self.url, timeout=timeout_seconds, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    # --- models ------------------------------------------------------------------------------------

    async def predict(
        self, model: str, rows: Sequence[Mapping[str, Any]], decision_id: str | None = None
    ) -> Prediction:
        """A value a row; each row says every feature by name."""
        return await self.do(calls.predict(model, rows, decision_id))

    async def outcomes(self, model: str, decision_id: str, actuals: Sequence[Any]) -> int:
        """Tells the truth of a decision, a value a row; how many were taken."""
        return await self.do(calls.outcomes(model, decision_id, actuals))

    # --- what is so --------------------------------------------------------------------------------

    async def whoami(self) -> Whoami:
        """Who this client is to the fleet."""
        return await self.do(calls.whoami())

    def models(self) -> AsyncIterator[ModelLine]:
        """Models by name."""
        return self._all(calls.models)

    async def model(self, name: str, as_of: int | None = None) -> Model:
        """One model, now or after so many entries of the ledger. Raises ``NotFound``."""
        return await self.do(calls.model(name, as_of))

    def findings(self, model: str | None = None, *, waiting: bool | None = None) -> AsyncIterator[Finding]:
        """Findings, the newest first."""
        return self._all(lambda cursor: calls.findings(cursor, model, waiting=waiting))

    def approvals(self) -> AsyncIterator[Approval]:
        """Versions that wait for consent, those registered first in front."""
        return self._all(calls.approvals)

    def entries(self, model: str | None = None, kind: str | None = None) -> AsyncIterator[Entry]:
        """Entries of the ledger, the newest first."""
        return self._all(lambda cursor: calls.entries(cursor, model, kind))

    async def watch(self, since: int | None = None) -> AsyncGenerator[Entry, None]:
        """Entries as they come, from ``since`` on; when it is cut off it goes on after the last one."""
        events, tried = Events(), 0
        while True:
            call, sent = events.call(self._token, since)
            try:
                async with self._client.stream("GET", call.path, params=dict(call.params), headers=sent) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        read(call, answer)
                    events.begin()
                    tried = 0
                    async for line in answer.aiter_lines():
                        if (entry := events.line(line)) is not None:
                            yield entry
            except (httpx.TransportError, Refusal) as error:
                tried += 1
                await self._sleep(stream_refusal(self._trying, error, tried, self.url))

    # --- what is wanted ----------------------------------------------------------------------------

    async def approve(
        self, model: str, version: int, reason: str, *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Consents to a version; ``revision`` is that of the model as it was looked at."""
        return await self.do(calls.decide("approve", model, version, reason, revision=revision, key=key))

    async def reject(
        self, model: str, version: int, reason: str, *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Refuses a version for good."""
        return await self.do(calls.decide("reject", model, version, reason, revision=revision, key=key))

    async def answer(self, finding: str, answer: str, reason: str, *, snooze: str | None = None) -> Recorded:
        """Answers a finding: acknowledged, snoozed (with ``snooze``, such as 7d), accepted, dismissed, resolved."""
        return await self.do(calls.answer(finding, answer, reason, snooze))

    async def command(
        self, path: str, body: Mapping[str, Any], *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Any command of the control API by its path, such as ``/v1/models/m/suspend``."""
        return await self.do(calls.command(path, body, key=key, revision=revision))

    # --- how ---------------------------------------------------------------------------------------

    async def do(self, call: Call[T]) -> T:
        """Carries a call out, again where that may help. Raises ``ClientError``."""
        tried = 0
        while True:
            tried += 1
            answer, error = await self._sent(call)
            wait = self._trying.wait_seconds(tried, answer)
            if wait is not None:
                await self._sleep(wait)
            elif answer is not None:
                return read(call, answer)
            else:
                raise unreachable(self.url, error, tried) from error

    async def _sent(self, call: Call[Any]) -> tuple[httpx.Response | None, httpx.TransportError | None]:
        headers, params = headers_of(self._token, call), dict(call.params)
        content = content_of(call)
        try:
            answer = await self._client.request(call.method, call.path, params=params, content=content, headers=headers)
        except httpx.TransportError as error:
            return None, error
        return answer, None

    async def _all(self, page: Callable[[str | None], Call[Page[T]]]) -> AsyncIterator[T]:
        cursor: str | None = None
        while True:
            found = await self.do(page(cursor))
            for item in found.items:
                yield item
            if found.next is None:
                return
            cursor = found.next
