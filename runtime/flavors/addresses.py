"""Which addresses a remote version may be asked at: no private networks, unless its spec says so."""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class AddressRefused(OSError):
    """A name or address that leads into a private network. An OSError, as a resolver may raise."""


def check_address(host: str) -> None:
    """Raises ``AddressRefused`` for an address that is not of the public internet; a name passes.

    Loopback, link-local (with the metadata services of clouds), private, shared and reserved ranges (RFC 6890).
    """
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if not address.is_global or address.is_multicast or (mapped is not None and not mapped.is_global):
        raise AddressRefused(f"{host} is in a private network; remote.private_networks allows it")


class PublicResolver(AbstractResolver):
    """Looks a name up and refuses private addresses: the very addresses that are then connected to."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp asks. Raises ``AddressRefused`` if any of the addresses is private."""
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            check_address(each["host"])
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()
