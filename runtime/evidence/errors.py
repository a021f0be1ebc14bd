"""Why evidence cannot be given.

FleetwardError
└── EvidenceMissing      409   something the evidence needs is not in the ledger or the store; says what
    ├── NotSigned              no published checkpoint covers it yet
    ├── BodyDeleted      410   the decision's time falls into segments that retention deleted
    └── DecisionUnknown  404   no sealed segment under the checkpoint holds the decision
"""

from __future__ import annotations

from typing import ClassVar

from runtime.domain.errors import FleetwardError


class EvidenceMissing(FleetwardError):
    """``what`` cannot be given, since something it needs is not there."""

    status: ClassVar[int] = 409

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what} cannot be given: {self.reason}"


class NotSigned(EvidenceMissing):
    """No checkpoint covers what is asked for: its entries stand in the ledger, but nobody has signed for them."""


class BodyDeleted(EvidenceMissing):
    """What is asked for may have been in a body that the ledger calls deleted; its entry and record root stay."""

    status: ClassVar[int] = 410


class DecisionUnknown(EvidenceMissing):
    """No sealed segment holds the decision; it may be waiting in a replica's write-ahead file."""

    status: ClassVar[int] = 404
