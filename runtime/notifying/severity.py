"""How much an entry asks of whoever hears of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from runtime.domain.verdict import Action


class Severity(StrEnum):
    """``info`` is history, ``warning`` wants to be looked at, ``critical`` wants a person now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """From 0."""
        return list(Severity).index(self)


_BY_KIND: dict[str, Severity] = {
    **dict.fromkeys(
        (
            "incident_opened",
            "model_suspended",
            "rolled_back",
            "records_lost",
            "break_glass_opened",
            "break_glass_signed",
            "approval_revoked",
        ),
        Severity.CRITICAL,
    ),
    **dict.fromkeys(
        (
            "finding_opened",
            "rollout_aborted",
            "version_refused",
            "training_failed",
            "approval_requested",
            "approval_timed_out",
            "renewal_refused",
            "retirement_announced",
            "policy_proposed",
            "load_refused",
            "records_dropped",
            "command_refused",
            "access_refused",
        ),
        Severity.WARNING,
    ),
}
_BY_ACTION = {Action.CALL_A_PERSON: Severity.CRITICAL, Action.NOTHING: Severity.INFO}


def severity_of(event: Any) -> Severity:
    """Of a verdict as its action says; of a retraining that failed a warning; else as the kind says."""
    if event.kind == "verdict_reached":
        return _BY_ACTION.get(event.verdict.action, Severity.WARNING)
    if event.kind == "retraining_finished" and not event.succeeded:
        return Severity.WARNING
    return _BY_KIND.get(event.kind, Severity.INFO)
