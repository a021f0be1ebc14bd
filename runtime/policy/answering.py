"""Findings about how a model is answered for: rights that end, requests nobody decides, reviews, owners, broken glass.

They are alarms like those of its data, with failed checks for evidence; a person is called, and answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.ids import derived_id


def finding_id(model: str, check: Check, *about: object) -> str:
    """The same for the same cause, so that one cause is told once."""
    return derived_id("finding", model, check.value, *about)


def governance_finding(
    model: str, version: int, now: datetime, breaches: Sequence[Breach], *about: object
) -> e.FindingOpened:
    """The finding of these breaches, which are of one check."""
    worst = breaches[0]
    # Of a check without a number of its own there is nothing to be many times of.
    evidence = math.log(worst.value / worst.limit) if worst.value > 0 and worst.limit > 0 else 0.0
    return e.FindingOpened(
        finding=finding_id(model, worst.check, *about),
        model=model,
        version=version,
        about=e.FindingKind.GOVERNANCE,
        as_of=now,
        since=now,
        log_evidence=evidence,
        log_threshold=0.0,
        features=(),
        breaches=tuple(breaches),
    )
