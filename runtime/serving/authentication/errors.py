"""Why a request is turned away, with the headers that say so.

FleetwardError
├── Unauthenticated   401   no credential, or one that proves nothing       WWW-Authenticate (RFC 6750, 3)
├── NotAllowed        403   somebody known, who may not ask this model
├── OverQuota         429   somebody known, who asks too often              Retry-After (RFC 9110, 10.2.3)
└── TooSlow           504   the answer was not there in time
"""

from __future__ import annotations

import math
from typing import ClassVar

from runtime.domain.errors import FleetwardError

Headers = tuple[tuple[bytes, bytes], ...]


class Unauthenticated(FleetwardError):
    """Nobody knows who asks. ``reason`` never repeats a credential; ``caller`` is empty, nobody proved to be one."""

    status: ClassVar[int] = 401
    caller: ClassVar[str] = ""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"authentication is required: {self.reason}"

    @property
    def headers(self) -> Headers:
        """``error`` is left out where no credential was sent at all (RFC 6750, 3.1)."""
        error = b"" if self.reason == NO_CREDENTIAL else b', error="invalid_token"'
        return ((b"www-authenticate", b'Bearer realm="fleetward"' + error),)


NO_CREDENTIAL = "expected the header 'authorization: Bearer CREDENTIAL'"


class NotAllowed(FleetwardError):
    """The caller is known and may not do this."""

    status: ClassVar[int] = 403

    def __init__(self, caller: str, reason: str) -> None:
        super().__init__(caller, reason)
        self.caller, self.reason = caller, reason

    def __str__(self) -> str:
        return f"{self.caller}: {self.reason}"


class OverQuota(FleetwardError):
    """The caller asked more often than this replica answers it; ``retry_after`` seconds from now it may again."""

    status: ClassVar[int] = 429

    def __init__(self, caller: str, per_second: float, retry_after: float) -> None:
        super().__init__(caller, per_second, retry_after)
        self.caller, self.per_second, self.retry_after = caller, per_second, retry_after

    @property
    def reason(self) -> str:
        """Without the seconds, which differ from request to request."""
        return f"over its quota of {self.per_second:g} requests/s a replica"

    def __str__(self) -> str:
        return f"{self.caller}: {self.reason}; try again in {self.retry_after:.3g} s"

    @property
    def headers(self) -> Headers:
        """Whole seconds, as the header has them."""
        return ((b"retry-after", b"%d" % math.ceil(self.retry_after)),)


class TooSlow(FleetwardError):
    """The request was not answered in time."""

    status: ClassVar[int] = 504

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"the request was not read and answered within {self.seconds:g} s"
