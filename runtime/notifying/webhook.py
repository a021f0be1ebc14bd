"""A webhook: the CloudEvent in structured JSON, signed as Standard Webhooks says (https://www.standardwebhooks.com).

    content-type: application/cloudevents+json
    webhook-id: <the event's id>
    webhook-timestamp: <seconds since 1970>
    webhook-signature: v1,<base64 of HMAC-SHA256(secret, "<id>.<timestamp>.<body>")>

Redirects are not followed. An address that is not of the public internet is refused unless the channel allows it: the
very addresses that a name was looked up to are those that are connected to. The answer's body is not read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp

from runtime.domain.errors import FleetwardError
from runtime.flavors.addresses import AddressRefused, PublicResolver, check_address
from runtime.ledger.errors import KeyUnusable
from runtime.ledger.private_files import read_private
from runtime.notifying.subscriptions import Channel

_AGAIN = frozenset({408, 425, 429})
_LEAST_SECRET_BYTES = 16


class Undelivered(FleetwardError):
    """A message did not arrive; ``is_final`` when trying again cannot help."""

    def __init__(self, channel: str, reason: str, *, is_final: bool = False) -> None:
        super().__init__(channel, reason)
        self.channel, self.reason, self.is_final = channel, reason, is_final

    def __reduce__(self) -> tuple[Any, ...]:
        return _undelivered, (self.channel, self.reason, self.is_final)

    def __str__(self) -> str:
        return f"not delivered to {self.channel}: {self.reason}"


def _undelivered(channel: str, reason: str, is_final: bool) -> Undelivered:  # noqa: FBT001 - as pickled
    return Undelivered(channel, reason, is_final=is_final)


class Sender(Protocol):
    """Takes one event to where a channel leads."""

    async def send(self, event: dict[str, Any], now: float) -> None:
        """Raises ``Undelivered``."""
        ...

    async def close(self) -> None: ...


def signature(secret: bytes, name: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``.

    >>> signature(b"0123456789abcdef", "msg_1", 1700000000, b"{}")
    'v1,zw6HZQ1QFHYDM4SxHTi3sXMhNWcQ+Z9eXJVxNrCiFJ0='
    """
    digest = hmac.new(secret, b"%s.%d.%s" % (name.encode(), timestamp, body), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_of(path: Path) -> bytes:
    """The secret in a file of mode 0600: as it stands there, or after ``whsec_`` in base64.

    Raises ``KeyUnusable``, also for one that can be guessed.
    """
    try:
        text = read_private(path).strip()
    except OSError as error:
        raise KeyUnusable(str(path), error.strerror or "it cannot be read") from error
    try:
        secret = base64.b64decode(text[6:], validate=True) if text.startswith(b"whsec_") else text
    except ValueError as error:
        raise KeyUnusable(str(path), "expected base64 after whsec_") from error
    if len(secret) < _LEAST_SECRET_BYTES:
        raise KeyUnusable(str(path), f"{len(secret)} bytes; expected at least {_LEAST_SECRET_BYTES}")
    return secret


class WebhookSender:
    """One channel's. Used on one event loop."""

    def __init__(self, channel: Channel) -> None:
        """Raises ``KeyUnusable``."""
        assert channel.webhook is not None  # noqa: S101 - checked where the channel was read
        assert channel.secret_file is not None  # noqa: S101 - as above
        self._channel, self._url = channel, channel.webhook
        self._host = urlsplit(channel.webhook).hostname or ""
        self._secret = secret_of(channel.secret_file)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, event: dict[str, Any], now: float) -> None:
        """Raises ``Undelivered``."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = int(now)
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "fleetward-notify",
            "webhook-id": event["id"],
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, event["id"], timestamp, body),
        }
        status = await self._post(body, headers)
        if not 200 <= status < 300:
            is_final = status < 500 and status not in _AGAIN
            where = ", which is not followed" if 300 <= status < 400 else ""
            raise Undelivered(self._channel.name, f"it answered {status}{where}", is_final=is_final)

    async def close(self) -> None:
        """Its connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        name, seconds = self._channel.name, self._channel.timeout.total_seconds()
        try:
            if not self._channel.private_networks:
                check_address(self._host)
            async with asyncio.timeout(seconds):
                async with self._opened().post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                    return answer.status
        except TimeoutError as error:
            raise Undelivered(name, f"no answer within {seconds:g} s") from error
        except AddressRefused as error:
            raise Undelivered(name, _private(self._host), is_final=True) from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, AddressRefused) or "private network" in str(error):
                raise Undelivered(name, _private(self._host), is_final=True) from error
            raise Undelivered(name, f"{type(error).__name__}: {error}") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = None if self._channel.private_networks else PublicResolver()
            connector = aiohttp.TCPConnector(resolver=resolver, force_close=True, use_dns_cache=False)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)
        return self._session


def _private(host: str) -> str:
    return f"{host} leads into a private network, which private_networks of the channel does not allow"
