"""Where a model and its versions stood after some of its entries: what the fold says, told from the entries alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runtime.proof.pack.entries import Told

LIVE = frozenset({"approved", "shadow", "canary", "champion"})
"""Statuses of a version that answers, or is about to."""

_STATUS_AFTER = {
    "version_registered": "registered",
    "version_evaluated": "evaluated",
    "version_refused": "refused",
    "approval_requested": "awaiting_approval",
    "version_approved": "approved",
}
_RENEWED = LIVE | {"superseded"}
"""Statuses that asking and approving again leave as they are."""
_ENDED = frozenset({"refused", "rolled_back", "retired"})


@dataclass(slots=True)
class Standing:
    """A model at one moment."""

    declared: bool = False
    champion: int | None = None
    suspended: bool = False
    retired: bool = False
    statuses: dict[int, str] = field(default_factory=dict)
    _steps: list[dict[str, Any]] = field(default_factory=list)
    _challenger: int | None = None

    @property
    def word(self) -> str:
        """In one word: does it answer?"""
        if not self.declared:
            return "not declared"
        if self.retired:
            return "retired"
        if self.suspended:
            return "suspended"
        return "no champion" if self.champion is None else "serving"

    def take(self, event: dict[str, Any]) -> None:
        """The next of the model's entries."""
        kind = event["kind"]
        if kind in _STATUS_AFTER:
            self._stand(kind, event["version"])
        elif kind == "model_declared":
            self.declared = True
        elif kind in {"model_suspended", "model_resumed"}:
            self.suspended = kind == "model_suspended"
        elif kind == "model_retired":
            self._retire()
        elif kind in {"rollout_started", "rollout_advanced"}:
            self._step(event)
        elif kind in {"rollout_aborted", "version_promoted", "rolled_back"}:
            self._move(event)

    def _stand(self, kind: str, version: int) -> None:
        """Asked about and approved again, a version that may serve stays what it is."""
        if kind == "version_refused" or self.statuses.get(version) not in _RENEWED:
            self.statuses[version] = _STATUS_AFTER[kind]

    def _step(self, event: dict[str, Any]) -> None:
        self._steps = event.get("steps", self._steps)
        self._challenger = event["version"]
        stage = self._steps[event.get("step", 0)]["stage"]
        if stage != "full":
            self.statuses[event["version"]] = stage

    def _move(self, event: dict[str, Any]) -> None:
        kind, version = event["kind"], event["version"]
        if kind == "version_promoted":
            if self.champion is not None:
                self.statuses[self.champion] = "superseded"
            self.champion = version
            self.statuses[version] = "champion"
        else:
            self.statuses[version] = "rolled_back"
        if kind == "rolled_back":
            if self._challenger is not None:
                self.statuses[self._challenger] = "rolled_back"
            self.champion = event["to"]
            self.statuses[event["to"]] = "champion"
        self._challenger = None

    def _retire(self) -> None:
        self.retired, self.champion, self._challenger = True, None, None
        kept = {number: status for number, status in self.statuses.items() if status in _ENDED}
        self.statuses = dict.fromkeys(self.statuses, "retired") | kept


def standing_before(told: Iterable[Told], model: str, time: str = "") -> Standing:
    """Where the model stood just before ``time``; with no time, at the end."""
    found = Standing()
    for each in told:
        if each.event.get("model") == model and (not time or each.time < time):
            found.take(each.event)
    return found
