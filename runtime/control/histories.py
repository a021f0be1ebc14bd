"""What happened to each model, by model: an index of the ledger's entries of some kinds, kept up to date as it grows.

It holds numbers of entries and the little that a line over time needs; the entries themselves stand in the ledger.
Built at the first question by one reading of the ledger's entries of these kinds.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.entry import Entry
from runtime.ledger.log import LogReader

KINDS = frozenset(
    {
        "model_declared",
        "model_suspended",
        "model_resumed",
        "model_retired",
        "retraining_started",
        "training_failed",
        "version_registered",
        "version_evaluated",
        "version_refused",
        "version_approved",
        "rollout_started",
        "rollout_measured",
        "rollout_advanced",
        "rollout_aborted",
        "version_promoted",
        "rolled_back",
        "finding_answered",
    }
)


class Histories:
    """Safe to use from many threads; ``log`` gives the ledger's entries and raises ``LedgerUnavailable``."""

    def __init__(self, log: Callable[[], LogReader]) -> None:
        self._log = log
        self._turn = threading.Lock()
        self._size = 0
        self._told: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def of(self, model: str) -> list[dict[str, Any]]:
        """What happened to the model, oldest first, findings apart: those are told by the state."""
        with self._turn:
            for entry in self._log().entries(self._size, kinds=KINDS):
                for name in _names(entry):
                    self._told[name].append(_told(entry))
                self._size = entry.seq + 1
            return list(self._told.get(model, ()))


def _names(entry: Entry) -> Iterator[str]:
    event = entry.event
    if isinstance(event, e.RetrainingStarted):
        yield from event.models
    elif (name := getattr(event, "model", None)) is not None:
        yield name


def _told(entry: Entry) -> dict[str, Any]:
    event = entry.event
    told: dict[str, Any] = {"seq": entry.seq, "kind": entry.kind, "time": rfc3339(entry.time), "by": entry.principal}
    for name in ("version", "to", "step", "reason", "finding"):
        value = getattr(event, name, None)
        if value is not None:
            told[name] = value
    moment = getattr(event, "as_of", None)
    if moment is not None:
        told["as_of"] = rfc3339(moment)
    if isinstance(event, e.VersionEvaluated):
        told |= {"metrics": dict(event.report.metrics), "passed": event.report.passed}
    if isinstance(event, e.RolloutMeasured):
        told["comparison"] = event.comparison.as_document()
    return told
