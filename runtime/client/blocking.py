"""``Fleetward``: a client that waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from runtime.client import calls
from runtime.client.calls import Call, Page, T
from runtime.client.errors import Refusal
from runtime.client.events import Events
from runtime.client.told import Approval, Entry, Finding, Model, ModelLine, Prediction, Recorded, Whoami
from runtime.client.trying import Trying, content_of, headers_of, read, stream_refusal, unreachable

ANSWERED_WITHIN_SECONDS = 30.0


class Fleetward:
    """A fleet at a URL, asked with a token. Safe to use from many threads, as httpx's client is.

    ``transport`` and ``sleep`` are for tests and for programs with a network of their own.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_seconds: float = ANSWERED_WITHIN_SECONDS,
        trying: Trying | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url, self._token = url.rstrip("/"), token
        self._trying, self._sleep = trying or Trying(), sleep
        self._client = httpx.Client(base_url=self.url, timeout=timeout_seconds, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    # --- models ------------------------------------------------------------------------------------

    def predict(self, model: str, rows: Sequence[Mapping[str, Any]], decision_id: str | None = None) -> Prediction:
        """A value a row; each row says every feature by name."""
        return self.do(calls.predict(model, rows, decision_id))

    def outcomes(self, model: str, decision_id: str, actuals: Sequence[Any]) -> int:
        """Tells the truth of a decision, a value a row; how many were taken."""
        return self.do(calls.outcomes(model, decision_id, actuals))

    # --- what is so --------------------------------------------------------------------------------

    def whoami(self) -> Whoami:
        """Who this client is to the fleet."""
        return self.do(calls.whoami())

    def models(self) -> Iterator[ModelLine]:
        """Models by name."""
        return self._all(calls.models)

    def model(self, name: str, as_of: int | None = None) -> Model:
        """One model, now or after so many entries of the ledger. Raises ``NotFound``."""
        return self.do(calls.model(name, as_of))

    def findings(self, model: str | None = None, *, waiting: bool | None = None) -> Iterator[Finding]:
        """Findings, the newest first."""
        return self._all(lambda cursor: calls.findings(cursor, model, waiting=waiting))

    def approvals(self) -> Iterator[Approval]:
        """Versions that wait for consent, those registered first in front."""
        return self._all(calls.approvals)

    def entries(self, model: str | None = None, kind: str | None = None) -> Iterator[Entry]:
        """Entries of the ledger, the newest first."""
        return self._all(lambda cursor: calls.entries(cursor, model, kind))

    def watch(self, since: int | None = None) -> Generator[Entry, None, None]:
        """Entries as they come, from ``since`` on; when it is cut off it goes on after the last one."""
        events, tried = Events(), 0
        while True:
            call, sent = events.call(self._token, since)
            try:
                with self._client.stream("GET", call.path, params=dict(call.params), headers=sent) as answer:
                    if not answer.is_success:
                        answer.read()
                        read(call, answer)
                    events.begin()
                    tried = 0
                    for line in answer.iter_lines():
                        if (entry := events.line(line)) is not None:
                            yield entry
            except (httpx.TransportError, Refusal) as error:
                tried += 1
                self._sleep(stream_refusal(self._trying, error, tried, self.url))

    # --- what is wanted ----------------------------------------------------------------------------

    def approve(
        self, model: str, version: int, reason: str, *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Consents to a version; ``revision`` is that of the model as it was looked at."""
        return self.do(calls.decide("approve", model, version, reason, revision=revision, key=key))

    def reject(
        self, model: str, version: int, reason: str, *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Refuses a version for good."""
        return self.do(calls.decide("reject", model, version, reason, revision=revision, key=key))

    def answer(self, finding: str, answer: str, reason: str, *, snooze: str | None = None) -> Recorded:
        """Answers a finding: acknowledged, snoozed (with ``snooze``, such as 7d), accepted, dismissed, resolved."""
        return self.do(calls.answer(finding, answer, reason, snooze))

    def command(
        self, path: str, body: Mapping[str, Any], *, revision: int | None = None, key: str | None = None
    ) -> Recorded:
        """Any command of the control API by its path, such as ``/v1/models/m/suspend``."""
        return self.do(calls.command(path, body, key=key, revision=revision))

    # --- how ---------------------------------------------------------------------------------------

    def do(self, call: Call[T]) -> T:
        """Carries a call out, again where that may help. Raises ``ClientError``."""
        return read(call, self.answered(call))

    def answered(self, call: Call[Any]) -> httpx.Response:
        """The answer as it came, a refusal too. Raises ``Unreachable``."""
        tried = 0
        while True:
            tried += 1
            answer, error = self._sent(call)
            wait = self._trying.wait_seconds(tried, answer)
            if wait is not None:
                self._sleep(wait)
            elif answer is not None:
                return answer
            else:
                raise unreachable(self.url, error, tried) from error

    def _sent(self, call: Call[Any]) -> tuple[httpx.Response | None, httpx.TransportError | None]:
        headers = headers_of(self._token, call)
        try:
            params = dict(call.params)
            answer = self._client.request(
                call.method, call.path, params=params, content=content_of(call), headers=headers
            )
        except httpx.TransportError as error:
            return None, error
        return answer, None

    def _all(self, page: Callable[[str | None], Call[Page[T]]]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            found = self.do(page(cursor))
            yield from found.items
            if found.next is None:
                return
            cursor = found.next
