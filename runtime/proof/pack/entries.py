"""Which entries of a ledger concern one model, kept as the JSON they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from runtime.ledger.walk import Leaf
from runtime.proof.pack.form import Period

_OF_THE_FLEET = frozenset({"spec_applied", "dataset_prepared", "governor_started", "records_lost"})
"""Kinds that name no model; what of them concerns it is told by what does."""


class Told(NamedTuple):
    """An entry: its number, its time, who recorded it, and its event."""

    seq: int
    time: str
    by: str
    event: dict[str, Any]

    @property
    def kind(self) -> str:
        """The event's type."""
        return str(self.event["kind"])

    def document(self) -> dict[str, Any]:
        """As a pack's files tell it."""
        said = {name: value for name, value in self.event.items() if name != "model"}
        return {"entry": self.seq, "time": self.time, "by": self.by, **said}


@dataclass(slots=True)
class Collected:
    """Takes a ledger's entries in order; ``told`` are those that may concern the model.

    ``gone`` are the digests of all deleted bodies: of those that may have held the model's records, and of others'.
    """

    period: Period
    told: list[Told] = field(default_factory=list)
    size: int = 0
    first_time: str = ""
    last_time: str = ""
    gone: dict[str, Literal["deleted", "of_others"]] = field(default_factory=dict)
    _batches: set[str] = field(default_factory=set)
    _holds: set[int] = field(default_factory=set)

    def take(self, seq: int, leaf: Leaf) -> None:
        """The next entry."""
        document = leaf.document
        event: dict[str, Any] = document["event"]
        self.size, self.first_time, self.last_time = seq + 1, self.first_time or document["time"], document["time"]
        if self._concerns(event):
            self.told.append(Told(seq, document["time"], document["principal"], event))

    def of(self, *kinds: str, since: str = "", until: str = "") -> list[Told]:
        """Entries of these kinds with ``since <= time < until``."""
        return [
            each for each in self.told if each.kind in kinds and since <= each.time and (not until or each.time < until)
        ]

    def in_period(self, *kinds: str) -> list[Told]:
        """Entries of these kinds in the period."""
        return self.of(*kinds, since=self.period.since, until=self.period.until)

    def _concerns(self, event: dict[str, Any]) -> bool:
        kind, model = event["kind"], self.period.model
        mine = event.get("model") == model or model in event.get("models", ())
        mine = mine or any(part["model"] == model for part in event.get("parts", ()))
        if kind == "retraining_started" and mine:
            self._batches.add(event["batch"])
        if kind == "legal_hold_placed" and mine:
            self._holds.add(event["hold"])
        if kind == "bodies_deleted":
            self.gone |= dict.fromkeys(event["digests"], "deleted" if mine else "of_others")
        if kind == "segment_sealed":
            return bool(event["content"] == "decisions") and self._overlaps(event)
        return (
            mine
            or kind in _OF_THE_FLEET
            or (kind == "retraining_finished" and event["batch"] in self._batches)
            or (kind == "legal_hold_released" and event["hold"] in self._holds)
        )

    def _overlaps(self, segment: dict[str, Any]) -> bool:
        return bool(segment["first_time"] < self.period.until and segment["last_time"] >= self.period.since)
