"""How a gate answers: its value against its limit, in one sentence; what is not a finite number never passes."""

from __future__ import annotations

import math

from runtime.domain.limits import Limit
from runtime.domain.reports import GateResult


def result(name: str, passed: bool, value: float, limit: float, reason: str) -> GateResult:  # noqa: FBT001 - the result itself
    """Passed, unless the value is no finite number."""
    finite = math.isfinite(value)
    return GateResult(
        gate=name,
        passed=bool(passed and finite),
        value=float(value) if finite else None,
        limit=float(limit),
        reason=reason if finite else f"{reason} (not a finite number)",
    )


def at_most(name: str, value: float, limit: float, what: str) -> GateResult:
    """``what`` has ``{}`` where the value belongs."""
    passed = value <= limit
    reason = f"{what.replace('{}', f'{value:.6g}', 1)}, {'within' if passed else 'over'} the limit {limit:.6g}"
    return result(name, passed, value, limit, reason)


def within(name: str, limit: Limit, found: float, what: str) -> GateResult:
    """On the side of the metric's limit where it is good."""
    if not limit.metric.more_is_better:
        return at_most(name, found, limit.limit, what)
    passed = found >= limit.limit
    reason = f"{what.replace('{}', f'{found:.6g}', 1)}, {'within' if passed else 'under'} the limit {limit.limit:.6g}"
    return result(name, passed, found, limit.limit, reason)


def refused(name: str, reason: str, limit: float | None = None) -> GateResult:
    """There was nothing to measure, which never passes."""
    return GateResult(gate=name, passed=False, limit=limit, reason=reason)


def share(amount: float) -> str:
    """As a sentence has it, such as ``12.5%``."""
    return f"{100 * amount:.4g}%"
