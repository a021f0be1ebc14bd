"""What a reading command may ask of state, where state is entries that are folded when it is first asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from jobs.cli import output

if TYPE_CHECKING:
    from runtime.domain.entry import Entry
    from runtime.domain.model_state import FindingState, IncidentState, ModelState
    from runtime.domain.policies import PolicyState
    from runtime.domain.spec import Spec
    from runtime.domain.state import BatchState, FleetState, Totals
    from runtime.policy.pools import PoolView


class FoldedState(ABC):
    """The part of ``reading.Reader`` that needs no more than entries."""

    @abstractmethod
    def _entries_to_fold(self) -> Iterable[Entry]:
        """All entries of the state, from the first on."""

    def totals(self) -> Totals:
        return self._state.totals

    def models(self) -> list[ModelState]:
        return sorted(self._state.models.values(), key=lambda model: model.name)

    def model(self, name: str) -> ModelState:
        return self._state.model(name)

    def specs(self) -> dict[str, Spec]:
        return self._state.specs

    def findings(self) -> list[FindingState]:
        return list(self._state.findings.values())

    def finding(self, name: str) -> FindingState | IncidentState:
        return self._state.finding(name)

    def incidents(self) -> list[IncidentState]:
        return list(self._state.incidents.values())

    def pools(self) -> list[PoolView]:
        from runtime.policy.pools import views

        return views(self._state)

    def policies(self) -> list[PolicyState]:
        return list(self._state.policies.values())

    def batch(self, batch: str) -> BatchState | None:
        return self._state.batches.get(batch)

    @cached_property
    def _state(self) -> FleetState:
        from runtime.domain.fold import fold

        with output.working("folding the ledger"):
            return fold(self._entries_to_fold())
