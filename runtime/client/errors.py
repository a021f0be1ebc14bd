"""What can go wrong between a client and a fleet.

ClientError
├── Unreachable                 no answer, after all tries; a command may have happened
└── Refusal                     the fleet said no: ``status``, ``detail``, ``members`` of the problem document
    ├── AskedWrongly      400, 405, 413, 415, 422
    ├── NotAuthenticated  401
    ├── NotPermitted      403   the caller lacks a role, or this is none of its models
    ├── NotFound          404, 410
    ├── RefusedByPolicy   409   a rule said no; ``reason`` is its reason
    ├── RevisionChanged   412   the model has changed since it was looked at
    ├── TooOften          429   ``retry_after`` seconds
    └── Failed            5xx
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from runtime.domain.errors import FleetwardError


class ClientError(FleetwardError):
    """Root of what a client raises."""


class Unreachable(ClientError):
    """Nobody answered at ``url``, after so many tries."""

    status: ClassVar[int] = 503

    def __init__(self, url: str, reason: str, tries: int) -> None:
        super().__init__(url, reason, tries)
        self.url, self.reason, self.tries = url, reason, tries

    def __str__(self) -> str:
        return f"{self.url} did not answer ({self.tries} {'try' if self.tries == 1 else 'tries'}): {self.reason}"


class Refusal(ClientError):
    """The fleet answered, and it was a no."""

    def __init__(self, answered: int, detail: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(answered, detail, members)
        self.answered, self.detail, self.members = answered, detail, dict(members or {})

    @property
    def reason(self) -> str:
        """Why, without what."""
        return str(self.members.get("reason", self.detail))

    def __str__(self) -> str:
        return self.detail


class AskedWrongly(Refusal):
    """The request is malformed, or is not what is taken there."""

    status: ClassVar[int] = 422


class NotAuthenticated(Refusal):
    """No token was sent, or one that is worth nothing."""

    status: ClassVar[int] = 401


class NotPermitted(Refusal):
    """The caller is known and may not do this."""

    status: ClassVar[int] = 403


class NotFound(Refusal):
    """Nothing has this name."""

    status: ClassVar[int] = 404


class RefusedByPolicy(Refusal):
    """A rule of the fleet said no."""

    status: ClassVar[int] = 409


class RevisionChanged(RefusedByPolicy):
    """Another entry about the model came first: look again, then decide again."""

    status: ClassVar[int] = 412


class TooOften(Refusal):
    """Over the caller's quota."""

    status: ClassVar[int] = 429


class Failed(Refusal):
    """The fleet could not."""

    status: ClassVar[int] = 500


_KINDS: dict[int, type[Refusal]] = {
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    410: NotFound,
    409: RefusedByPolicy,
    412: RevisionChanged,
    429: TooOften,
}


def refusal_of(answered: int, document: Any, text: str) -> Refusal:
    """The error of a problem document, or of whatever else came with such a status."""
    kind = _KINDS.get(answered, AskedWrongly if answered < 500 else Failed)
    if not isinstance(document, dict):
        return kind(answered, f"HTTP {answered}: {text[:200] or 'nothing'}")
    known = {"type", "title", "status", "detail", "error"}
    members = {name: value for name, value in document.items() if name not in known}
    detail = document.get("detail") or document.get("error") or document.get("title") or f"HTTP {answered}"
    return kind(answered, str(detail), members)
