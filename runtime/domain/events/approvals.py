"""Entries about approvals, and about the grants that follow from them."""

from __future__ import annotations

from typing import Literal

from runtime.domain.base import Document, Moment
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import Digest, ModelName, VersionNumber


class ApprovalRequested(Document):
    """The policy wants people to decide."""

    kind: Literal["approval_requested"] = "approval_requested"
    model: ModelName
    version: VersionNumber
    approvers: int
    role: str
    reason: str
    policy: Digest


class ApprovalGiven(Document):
    """One principal's consent; the version is approved when the policy's number is reached."""

    kind: Literal["approval_given"] = "approval_given"
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
