"""Where a finding stands now: what people said, and what has become of its version since."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from runtime.domain.events import FindingKind
from runtime.domain.findings import FINAL, Answer
from runtime.domain.model_state import FindingState, IncidentState, ModelState
from runtime.domain.verdict import Action


class Standing(StrEnum):
    """In one word; ``open`` and ``acknowledged`` ask for somebody."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"
    BENIGN = "benign"
    """The policy found nothing to do."""
    LAID_TO_INCIDENT = "laid to incident"
    """The incident is what is to be answered."""
    SUPERSEDED = "superseded"
    """Another version answers now, or none."""


WAITING = frozenset({Standing.OPEN, Standing.ACKNOWLEDGED})


def standing(finding: FindingState | IncidentState, model: ModelState | None, now: datetime) -> Standing:
    """Where a finding of this model, or an incident of none, stands at a moment of data time."""
    answered = finding.answered
    if answered is not None and answered.answer in FINAL:
        return Standing(answered.answer.value)
    is_former = (
        isinstance(finding, FindingState)
        and model is not None
        and finding.opened.about is not FindingKind.GOVERNANCE  # a duty outlives the version it began with
        and (model.retired or model.champion != finding.opened.version)
    )
    if is_former:
        return Standing.SUPERSEDED
    if answered is not None and answered.answer is Answer.SNOOZED:
        return Standing.SNOOZED if answered.until is not None and now < answered.until else Standing.OPEN
    if answered is not None:
        return Standing.ACKNOWLEDGED
    if isinstance(finding, FindingState):
        if finding.incident is not None:
            return Standing.LAID_TO_INCIDENT
        if finding.verdict is not None and finding.verdict.action is Action.NOTHING:
            return Standing.BENIGN
    return Standing.OPEN
