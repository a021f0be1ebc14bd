"""Entries about approvals, and about the grants that follow from them.

approval_requested ─> approval_given ... ─> version_approved ─> grant_issued
      │                                          │
      └─> approval_timed_out ─> refused,         ├─> renewal_asked ─> approval_requested or version_approved
          asked of others, or a finding          └─> approval_revoked ─> grant_revoked
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.domain.base import Document, Moment
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import Digest, ModelName, VersionNumber
from runtime.domain.people import People


class ApprovalRequested(Document):
    """The policy wants people to decide: ``approvers`` of them, the first of ``role``.

    ``asked`` are the whole terms where they say more; ``until`` is when the request ends. ``renewal``: the version was
    approved before, and is to serve for longer.
    """

    kind: Literal["approval_requested"] = "approval_requested"
    model: ModelName
    version: VersionNumber
    approvers: int
    role: str
    reason: str
    policy: Digest
    asked: People | None = None
    until: Moment | None = None
    renewal: Literal[True] | None = None

    @property
    def people(self) -> People:
        """Who is asked, on what evidence."""
        return self.asked if self.asked is not None else People(approvers=max(self.approvers, 1), role=self.role)


class ApprovalGiven(Document):
    """One principal's consent; the version is approved when the policy's number is reached.

    ``role`` is the seat they take, the request's first where it is not said; ``card`` the digest of the model card
    they read; ``conditions`` what the version's use is bound to.
    """

    kind: Literal["approval_given"] = "approval_given"
    model: ModelName
    version: VersionNumber
    reason: str
    role: str | None = None
    card: Digest | None = None
    conditions: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class ApprovalTimedOut(Document):
    """Nobody decided before a request's end."""

    kind: Literal["approval_timed_out"] = "approval_timed_out"
    model: ModelName
    version: VersionNumber


class RenewalAsked(Document):
    """A version that may serve is to serve for longer: by policy again, or by the people who are asked again."""

    kind: Literal["renewal_asked"] = "renewal_asked"
    model: ModelName
    version: VersionNumber
    reason: str


class RenewalRefused(Document):
    """No longer than it may already; the present right runs out at its own end."""

    kind: Literal["renewal_refused"] = "renewal_refused"
    model: ModelName
    version: VersionNumber
    reason: str


class ApprovalRevoked(Document):
    """A version may not serve any more, from now on and until people approve it again."""

    kind: Literal["approval_revoked"] = "approval_revoked"
    model: ModelName
    version: VersionNumber
    reason: str


class VersionApproved(Document):
    """A version may be rolled out until ``valid_until``. ``approved_by`` names people, or the policy's rule."""

    kind: Literal["version_approved"] = "version_approved"
    model: ModelName
    version: VersionNumber
    approved_by: tuple[str, ...]
    automatic: bool
    reason: str
    policy: Digest
    valid_until: Moment
    conditions: tuple[str, ...] | None = None
    break_glass: Literal[True] | None = None
    """On the word of two people in an emergency: what the policy asks for is still to come."""


class GrantIssued(Document):
    """The governor signed a grant for an approved version."""

    kind: Literal["grant_issued"] = "grant_issued"
    model: ModelName
    version: VersionNumber
    signed: SignedGrant


class GrantRevoked(Document):
    """A grant is void from now on."""

    kind: Literal["grant_revoked"] = "grant_revoked"
    model: ModelName
    version: VersionNumber
    grant_id: str
    reason: str
