"""Where lineage events go: a file, a collector's endpoint, or nowhere. What a sink cannot deliver it counts.

    file:///var/log/lineage.jsonl      one event a line, appended
    https://collector.example.org      POST /api/v1/lineage; with a path in the URL, there

A job never waits for a collector: events are posted by a thread, whose queue is bounded. At the end a job gives that
thread ``PATIENCE_SECONDS``; what is not delivered by then is lost. The ledger still has all of it.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import httpx

from runtime.domain.errors import SettingsError

TIMEOUT_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
_QUEUED = 1_000
_EXPECTED = "file:///absolute/path, or http:// or https:// and a collector's host"


@dataclass(frozen=True)
class Delivered:
    """How many events were taken, and how many were lost to which reason."""

    taken: int
    lost: dict[str, int]

    def __str__(self) -> str:
        """One line for people; empty where nothing was lost."""
        if not self.lost:
            return ""
        whole = self.taken + sum(self.lost.values())
        why = "; ".join(f"{count} {reason}" for reason, count in self.lost.items())
        return f"lineage: {whole - self.taken} of {whole} events were not delivered: {why}"


class Sink(Protocol):
    """Takes events, in order, and never raises."""

    def send(self, event: dict[str, Any]) -> None: ...

    def close(self) -> Delivered:
        """Delivers what it can of what is left."""
        ...


def opened(url: str) -> Sink | None:
    """The sink that a setting names; none for an empty one. Raises ``SettingsError``."""
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and len(parts.path) > 1:
        return FileSink(Path(unquote(parts.path)))
    if parts.scheme in {"http", "https"} and parts.hostname:
        return HttpSink(url if parts.path.strip("/") else f"{url.rstrip('/')}/api/v1/lineage")
    raise SettingsError("FLEETWARD_LINEAGE", url, _EXPECTED)


class FileSink:
    """A line of JSON an event. Several jobs may append to one file: a line is written by one call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = 0
        self._lost: Counter[str] = Counter()

    def send(self, event: dict[str, Any]) -> None:
        """Appended at once."""
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                if os.write(descriptor, line) != len(line):
                    raise OSError(0, "the line was cut")
            finally:
                os.close(descriptor)
            self._taken += 1
        except OSError as error:
            self._lost[f"by {self._path}: {error.strerror}"] += 1

    def close(self) -> Delivered:
        """Nothing is left to deliver."""
        return Delivered(self._taken, dict(self._lost))


class HttpSink:
    """A collector's endpoint. Events go out one after the other, so that a START comes before its end."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        parts = urlsplit(url)
        self._where: Final = f"{parts.scheme}://{parts.hostname}"  # without a password
        self._url, self._timeout, self._patience = url, timeout, patience
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUED)
        self._lock = threading.Lock()
        self._sent = self._taken = 0
        self._lost: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._post_all, name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Queued; dropped where the collector is too slow for the queue."""
        self._sent += 1
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._lose("for a full queue")

    def close(self) -> Delivered:
        """Waits for the thread, at most so long; what it has then not delivered is lost."""
        end = time.monotonic() + self._patience
        with suppress(queue.Full):
            self._queue.put(None, timeout=self._patience)
        self._thread.join(max(0.0, end - time.monotonic()))
        with self._lock:
            lost = dict(self._lost)
            if left := self._sent - self._taken - sum(lost.values()):
                lost[f"by {self._where}: no answer within {self._patience:g} s"] = left
            return Delivered(self._taken, lost)

    def _post_all(self) -> None:
        with httpx.Client(timeout=self._timeout) as client:
            while (event := self._queue.get()) is not None:
                self._post(client, event)

    def _post(self, client: httpx.Client, event: dict[str, Any]) -> None:
        try:
            answer = client.post(self._url, json=event)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._lose(f"by {self._where}: {type(error).__name__}")
            return
        if answer.is_success:
            with self._lock:
                self._taken += 1
        else:
            self._lose(f"by {self._where}: status {answer.status_code}")

    def _lose(self, reason: str) -> None:
        with self._lock:
            self._lost[reason] += 1
