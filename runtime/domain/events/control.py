"""Entries about the control plane itself."""

from __future__ import annotations

from typing import Literal

from runtime.domain.base import Document


class GovernorStarted(Document):
    """A governor took the ledger."""

    kind: Literal["governor_started"] = "governor_started"
    epoch: int
    key_id: str
    public_key: str


class CommandRefused(Document):
    """A command that was refused, and why: refusals are history too."""

    kind: Literal["command_refused"] = "command_refused"
    command: str
    model: str | None = None
    reason: str
