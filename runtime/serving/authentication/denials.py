"""Requests that were turned away, counted until the ledger knows of them.

A flood makes few entries: what is alike (caller, model, reason) is one entry with a count, at most ``KINDS`` of them
every ``EVERY``; whatever goes beyond is counted together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.domain.entry import Draft
from runtime.domain.ids import ModelName, is_model_name
from runtime.domain.tokens import AccessRefused

KINDS = 32
EVERY = timedelta(seconds=5)
REST = "many more, of many kinds"


@dataclass(slots=True)
class _Count:
    requests: int
    first: datetime
    last: datetime


class Denials:
    """Counts on their way to the ledger; ``add`` belongs to the event loop, ``due`` to whoever publishes."""

    def __init__(self, replica: str, principal: str, clock: Callable[[], datetime]) -> None:
        self._replica, self._principal, self._clock = replica, principal, clock
        self._counts: dict[tuple[str, str | None, str], _Count] = {}
        self._published = datetime.min.replace(tzinfo=clock().tzinfo)
        self._waiting: list[Draft] = []
        self._lock = threading.Lock()

    def add(self, caller: str, model: str | None, reason: str) -> None:
        """One request was turned away."""
        now = self._clock()
        with self._lock:
            key = (caller, model if model is not None and is_model_name(model) else None, reason)
            if key not in self._counts and len(self._counts) >= KINDS:
                key = ("", None, REST)
            count = self._counts.setdefault(key, _Count(0, now, now))
            count.requests += 1
            count.last = now

    def due(self) -> list[Draft]:
        """What the ledger should know now; the same drafts again until they are ``published``."""
        with self._lock:
            now = self._clock()
            if not self._waiting and now - self._published >= EVERY:
                self._waiting = [self._draft(*key, count) for key, count in self._counts.items()]
                self._counts, self._published = {}, now
            return list(self._waiting)

    def published(self) -> None:
        """What was due stands in the ledger."""
        with self._lock:
            self._waiting = []

    def _draft(self, caller: str, model: ModelName | None, reason: str, count: _Count) -> Draft:
        event = AccessRefused(
            replica=self._replica,
            caller=caller,
            model=model,
            reason=reason,
            requests=count.requests,
            first_time=count.first,
            last_time=count.last,
        )
        return Draft.fresh(event, self._principal)
