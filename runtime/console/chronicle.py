"""Walks a ledger once: folds the state, and notes what the state forgets (moments, causes, order)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import singledispatchmethod
from typing import Any

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import Refused
from runtime.domain.fold import apply
from runtime.domain.model_state import ModelState
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState


@dataclass(frozen=True, slots=True)
class Promotion:
    """``champion`` moved to this version at a moment of the data."""

    version: int
    at: datetime


@dataclass(slots=True)
class Chronicle:
    """What happened, as far as a report needs it. ``causes`` and ``failures`` are by (model, batch)."""

    state: FleetState = field(default_factory=FleetState)
    segments: list[e.SegmentSealed] = field(default_factory=list)
    promotions: dict[str, list[Promotion]] = field(default_factory=dict)
    causes: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Chronicle:
        """Raises ``Refused`` for a ledger that contradicts itself."""
        chronicle = cls()
        for entry in entries:
            chronicle._before(entry.event)
            apply(chronicle.state, entry)
            chronicle._after(entry.event)
        return chronicle

    def spec(self, name: str | None) -> Spec:
        """The spec of that name; without a name the only one.

        Raises ``Refused`` when there is none or more than one: errors of different targets have no common mean.
        """
        known = sorted(self.state.specs)
        if name is None and len(known) != 1:
            raise Refused("a report", f"name one spec of {known}" if known else "no spec was applied in this ledger")
        return self.state.spec(known[0] if name is None else name)

    def models(self, spec: str) -> list[ModelState]:
        """The models of a spec, by name."""
        return sorted((m for m in self.state.models.values() if m.spec == spec), key=lambda model: model.name)

    @singledispatchmethod
    def _before(self, event: Any) -> None:
        """Looks at the state that an event is about to change."""

    @_before.register
    def _(self, event: e.RetrainingStarted) -> None:
        for name in event.models:
            self.causes[name, event.batch] = self._why_due(name) or event.reason

    def _why_due(self, name: str) -> str | None:
        """The reason of the verdict that made a model due; ``None`` when it was retrained without one."""
        model = self.state.models.get(name)
        finding = self.state.findings.get(model.due) if model is not None and model.due is not None else None
        return finding.verdict.reason if finding is not None and finding.verdict is not None else None

    @singledispatchmethod
    def _after(self, event: Any) -> None:
        """Notes an event that the state took in."""

    @_after.register
    def _(self, event: e.SegmentSealed) -> None:
        self.segments.append(event)

    @_after.register
    def _(self, event: e.TrainingFailed) -> None:
        self.failures[event.model, event.batch] = event.reason

    @_after.register
    def _(self, event: e.VersionPromoted) -> None:
        # A promotion that does not say when it was: not before the ticks that were closed, nor before its training.
        trained_until = self.state.models[event.model].versions[event.version].registered.as_of
        at = event.as_of or max(self.state.ticks_until, trained_until)
        self.promotions.setdefault(event.model, []).append(Promotion(event.version, at))
