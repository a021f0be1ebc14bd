"""Every retraining of every model, and how it ended: read from the folded state, not remembered beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runtime.console.chronicle import Chronicle
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import VersionState
from runtime.domain.reports import Comparison
from runtime.domain.state import BatchState


class Ending(StrEnum):
    """How a retraining of one model ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "promoted, then rolled back"
    REFUSED = "refused at the gates"
    REJECTED = "rejected by a person"
    ABORTED = "aborted in production"
    FAILED = "training failed"
    UNDECIDED = "not decided"

    @property
    def accepted(self) -> bool:
        """The version became champion."""
        return self in {Ending.PROMOTED, Ending.ROLLED_BACK}

    @property
    def refused(self) -> bool:
        """No version of it became champion, nor will."""
        return not self.accepted and self is not Ending.UNDECIDED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model in one retraining batch: why it was retrained, and how it ended and why.

    ``version`` is absent when none came of it; ``comparison`` is the gates' with the champion of that time.
    """

    model: str
    as_of: datetime
    cause: str
    ending: Ending
    reason: str
    version: int | None = None
    comparison: Comparison | None = None


def attempts(chronicle: Chronicle, spec: str) -> tuple[Attempt, ...]:
    """The spec's attempts, by batch in the order of the ledger, then by model."""
    batches = sorted((b for b in chronicle.state.batches.values() if b.spec == spec), key=lambda batch: batch.seq)
    return tuple(_attempt(chronicle, batch, name) for batch in batches for name in sorted(batch.models))


def _attempt(chronicle: Chronicle, batch: BatchState, name: str) -> Attempt:
    cause = chronicle.causes[name, batch.batch]
    made = [v for v in chronicle.state.models[name].versions.values() if v.registered.batch == batch.batch]
    if not made:
        return Attempt(name, batch.as_of, cause, *_without_version(chronicle, batch, name))
    version = max(made, key=lambda each: each.number)
    promoted = any(each.version == version.number for each in chronicle.promotions.get(name, ()))
    ending = _ending(version, promoted=promoted)
    reason = "" if ending is Ending.UNDECIDED else version.reason
    compared = None if version.report is None else version.report.comparison
    return Attempt(name, batch.as_of, cause, ending, reason, version.number, compared)


def _without_version(chronicle: Chronicle, batch: BatchState, name: str) -> tuple[Ending, str]:
    failure = chronicle.failures.get((name, batch.batch))
    if failure is not None:
        return Ending.FAILED, failure
    if batch.finished:
        return Ending.FAILED, batch.reason or "the batch ended without a version"
    return Ending.UNDECIDED, ""


def _ending(version: VersionState, *, promoted: bool) -> Ending:
    if version.status is Status.ROLLED_BACK:
        return Ending.ROLLED_BACK if promoted else Ending.ABORTED
    if version.status is Status.REFUSED:
        # Gates that passed leave only a person to say no.
        passed = version.report is not None and version.report.passed
        return Ending.REJECTED if passed else Ending.REFUSED
    return Ending.PROMOTED if promoted else Ending.UNDECIDED
