"""The remote flavor: an endpoint that somebody else runs, asked within limits and governed like any other version.

    ask -> breaker -> POST (timeout) --error, 429 or 5xx--> wait backoff x 2^n, a third of it by chance -> POST ...
                                     --other 4xx, or not as agreed--> EndpointFailed

The artifact is the spec's section: an address and limits, never a secret. All requests of a process run on one event
loop in a thread of its own, so a version may be asked from any thread and any other loop; its connections belong to
the process, so a version that is dropped leaves nothing open.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain.schema import Schema
from runtime.domain.training import Remote
from runtime.flavors.addresses import AddressRefused, PublicResolver, check_address
from runtime.flavors.base import Columns, Floats
from runtime.flavors.breaker import CircuitBreaker
from runtime.flavors.brought import BroughtPredictor
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import check_columns
from runtime.flavors.errors import ArtifactInvalid, EndpointFailed
from runtime.flavors.exchange import NotAsAgreed, answer, question

FLAVOR = "remote"
FILE = "endpoint.json"

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer that are read; one that is longer is refused."""


class _Again(Exception):
    """A try that may go better the next time."""


class RemotePredictor(BroughtPredictor):
    """An endpoint. ``predict`` blocks its thread; on an event loop ``ask`` is awaited instead."""

    flavor = FLAVOR

    def __init__(self, remote: Remote, schema: Schema, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(schema)
        self.remote = remote
        self._host = urlsplit(remote.url).hostname or ""
        self._breaker = CircuitBreaker(remote.breaker, clock)
        self._timeout = aiohttp.ClientTimeout(total=remote.timeout.total_seconds())

    def __reduce__(self) -> tuple[type[RemotePredictor], tuple[Remote, Schema]]:
        """Its section: connections and the breaker's memory stay in their process."""
        return RemotePredictor, (self.remote, self._schema)

    def predict(self, columns: Columns) -> Floats:
        """The first output, shape [rows]. Raises ``SchemaMismatch``, ``EndpointFailed``."""
        return asyncio.run_coroutine_threadsafe(self._ask(columns), _loop()).result()

    async def ask(self, columns: Columns) -> Floats:
        """As ``predict``, without blocking the loop it is awaited on."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._ask(columns), _loop()))

    # --- on the loop of this module ----------------------------------------------------------------

    async def _ask(self, columns: Columns) -> Floats:
        rows = check_columns(columns, self._schema)
        if not rows:
            return np.empty(0)
        if reason := self._breaker.refusal():
            raise EndpointFailed(self._host, reason)
        body = question(self.remote, self._schema, columns, rows)
        try:
            found = answer(self.remote, await self._with_retries(body), rows)
        except (NotAsAgreed, _Again) as error:
            self._breaker.failed()
            raise EndpointFailed(self._host, str(error)) from error
        self._breaker.succeeded()
        return found

    async def _with_retries(self, body: bytes) -> bytes:
        tries = 1 + self.remote.retries
        for attempt in range(tries):
            try:
                return await self._post(body)
            except _Again as error:
                if attempt == tries - 1:
                    raise _Again(f"{error}, at each of {tries} tries") from error
                pause = self.remote.backoff.total_seconds() * 2**attempt
                await asyncio.sleep(pause * (2 + random.random()) / 3)
        raise AssertionError("unreachable: there is at least one try")

    async def _post(self, body: bytes) -> bytes:
        """One try. Raises ``_Again`` for what may pass, ``NotAsAgreed`` for what will not."""
        try:
            if not self.remote.private_networks:
                check_address(self._host)
            async with _session(self.remote.private_networks).post(
                self.remote.url, data=body, headers=self._headers(), timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise _Again(f"it answered {response.status}")
                if response.status != 200:
                    raise NotAsAgreed(f"it answered {response.status}")
                return await _read(response)
        except AddressRefused as error:
            raise NotAsAgreed(str(error)) from error
        except TimeoutError as error:
            raise _Again(f"no answer within {self.remote.timeout.total_seconds():g} s") from error
        except aiohttp.ClientConnectorError as error:
            refused = error.os_error
            if isinstance(refused, AddressRefused):
                raise NotAsAgreed(str(refused)) from error
            raise _Again(f"no connection ({refused.strerror or type(refused).__name__})") from error
        except aiohttp.ClientError as error:
            raise _Again(f"the connection failed ({type(error).__name__})") from error

    def _headers(self) -> dict[str, str]:
        """The secret is read for each request: it may be rotated, and stands in nothing that is kept."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.remote.credential is not None:
            secret = os.environ.get(self.remote.credential)
            if not secret:
                raise NotAsAgreed(f"its credential is not set: environment variable {self.remote.credential}")
            headers[self.remote.header] = f"{self.remote.scheme} {secret}".strip()
        return headers


def files(predictor: RemotePredictor) -> dict[str, bytes]:
    """The spec's section as canonical JSON."""
    return {FILE: canonical.encode(predictor.remote.as_document())}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> RemotePredictor:
    """The predictor of a manifest and its file; nothing is asked yet. Raises ``ArtifactInvalid``."""
    if list(files) != [FILE]:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {FILE}")
    try:
        remote = Remote.model_validate_json(files[FILE])
    except ValidationError as error:
        raise ArtifactInvalid(f"its endpoint is not valid: {error.errors()[0]['msg']}") from error
    return RemotePredictor(remote, manifest.model_schema)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise NotAsAgreed(f"its answer is longer than {LARGEST_ANSWER} bytes")
    return bytes(body)


_SESSIONS: dict[bool, aiohttp.ClientSession] = {}
"""By whether private networks may be reached; made and used on the loop of this module alone."""


def _session(private: bool) -> aiohttp.ClientSession:  # noqa: FBT001 - the key itself
    if private not in _SESSIONS:
        connector = aiohttp.TCPConnector(limit=256, resolver=None if private else PublicResolver())
        _SESSIONS[private] = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    return _SESSIONS[private]


def close_connections() -> None:
    """Ends the connections of all remote versions of this process; a later question opens new ones."""
    if _loop.cache_info().currsize:
        asyncio.run_coroutine_threadsafe(_close(), _loop()).result(timeout=5)


async def _close() -> None:
    while _SESSIONS:
        await _SESSIONS.popitem()[1].close()


atexit.register(close_connections)


@cache
def _loop() -> Any:
    """The event loop of all remote versions of this process, running in a daemon thread."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fleetward-remote", daemon=True).start()
    return loop
