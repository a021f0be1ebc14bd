"""A ledger as a pack tells it: the entries of the model, and where it stood as the period began, ended, and now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.proof.pack.entries import Collected, Told
from runtime.proof.pack.form import Period
from runtime.proof.pack.standing import LIVE, Standing, standing_before


@dataclass(frozen=True, slots=True)
class Ledger:
    """What all files are derived from; nothing here is of the writer's word."""

    entries: Collected
    declared: Told
    at_from: Standing
    at_to: Standing
    now: Standing

    @classmethod
    def of(cls, entries: Collected) -> Ledger | None:
        """None where the model was not declared before the period's end."""
        period = entries.period
        declared = [each for each in entries.of("model_declared", until=period.until) if is_of(each, period.model)]
        if not declared:
            return None
        moments = (period.since, period.until, "")
        return cls(entries, declared[-1], *(standing_before(entries.told, period.model, each) for each in moments))

    @property
    def period(self) -> Period:
        """What is asked for."""
        return self.entries.period

    @property
    def spec(self) -> Told | None:
        """The spec that was in force as the period ended."""
        name = self.declared.event["spec"]
        found = [each for each in self.until_end("spec_applied") if each.event["name"] == name]
        return found[-1] if found else None

    def until_end(self, *kinds: str) -> list[Told]:
        """Entries of these kinds before the period's end."""
        return self.entries.of(*kinds, until=self.period.until)

    def mine(self, *kinds: str) -> list[Told]:
        """The model's entries of these kinds in the period."""
        return [each for each in self.entries.in_period(*kinds) if is_of(each, self.period.model)]

    def of_version(self, version: int, *kinds: str) -> list[Told]:
        """A version's entries of these kinds before the period's end."""
        return [each for each in self.until_end(*kinds) if each.event.get("version") == version]

    def last(self, version: int | None, *kinds: str) -> Told | None:
        """The newest of a version's entries of these kinds before the period's end."""
        found = [] if version is None else self.of_version(version, *kinds)
        return found[-1] if found else None

    @property
    def versions(self) -> list[int]:
        """Versions that something happened to in the period, and those that were live as it began."""
        live = {number for number, status in self.at_from.statuses.items() if status in LIVE}
        inside = (each for each in self.entries.told if self.period.holds(each.time))
        named = {each.event.get("version") for each in inside if is_of(each, self.period.model)}
        return sorted(number for number in self.at_to.statuses if number in live | named)


def is_of(told: Told, model: str) -> bool:
    """Whether an entry names the model and no other."""
    return bool(told.event.get("model") == model)


def documents(told: list[Told]) -> list[dict[str, Any]]:
    """As the files tell them."""
    return [each.document() for each in told]
