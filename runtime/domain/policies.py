"""Entries about policies: what overrides the deciding parts of specs, said by one person and approved by another.

    proposed by one  ->  approved by another: in force from that entry on, in place of what bore its name before
                     ->  rejected, or proposed again: the newer proposal takes the older one's place

What a policy holds is read in ``policy_document``; here it is a document and its digest, as a spec is in its entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import StringConstraints

from runtime.domain.base import Document
from runtime.domain.errors import FleetwardError
from runtime.domain.ids import Digest

PolicyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""Lower case letters, digits and ``-``."""


class PolicyProposed(Document):
    """A policy waits for a second person. ``backtest``: the report of how it would have done, in the object store."""

    kind: Literal["policy_proposed"] = "policy_proposed"
    name: PolicyName
    digest: Digest
    document: dict[str, Any]
    reason: str
    backtest: Digest | None = None


class PolicyApproved(Document):
    """The proposal with this digest is in force from this entry on."""

    kind: Literal["policy_approved"] = "policy_approved"
    name: PolicyName
    digest: Digest
    reason: str


class PolicyRejected(Document):
    """The proposal with this digest will not come into force."""

    kind: Literal["policy_rejected"] = "policy_rejected"
    name: PolicyName
    digest: Digest
    reason: str


class UnknownPolicy(FleetwardError):
    """No policy has this name, or it has no such proposal."""

    status: ClassVar[int] = 404

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"no policy is meant by {self.name!r}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy as it was proposed, and by whom it was approved, if it was."""

    document: dict[str, Any]
    digest: str
    proposed_by: str
    proposed_at: datetime
    proposed: int
    """The entry."""
    reason: str
    backtest: str | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    approved: int | None = None


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy by its name: what is in force, what waits, and the digests of what was in force before."""

    name: str
    in_force: PolicyVersion | None = None
    waiting: PolicyVersion | None = None
    former: tuple[str, ...] = ()

    @property
    def standing(self) -> str:
        """In a word or two."""
        words = [*(["in force"] if self.in_force else []), *(["proposed"] if self.waiting else [])]
        return ", ".join(words) or "rejected"
