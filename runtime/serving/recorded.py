"""Decisions that were answered before, as a replica finds them again to explain them.

    id ─> governor: segments that may hold it ─> store: the records ─> whose question, which version

A replica loads what its routes grant and nothing else, to explain as to predict. So a decision is explained here while
the version that made it is served here; of any age, ``fleetward explain`` does it, which serves nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from runtime.domain.errors import FleetwardError
from runtime.domain.sealed import Sealed
from runtime.explaining.decision import ExplainedDecision, explain_decision
from runtime.explaining.finding import Answered, find
from runtime.flavors import Predictor
from runtime.storage.inputs import KeyOf
from runtime.storage.objects import ObjectStore

AskSealed = Callable[[str, str], Awaitable[Sealed]]
"""What the ledger knows of where this model's decision of this id lies. Raises ``LedgerAway``."""


class LedgerAway(FleetwardError):
    """The governor, which knows where decisions lie, does not answer now."""

    status = 503

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model!r}: nobody says where its decisions lie now: {self.reason}"


class AnotherVersion(FleetwardError):
    """The version that decided is not served here any more."""

    status = 409

    def __init__(self, decision_id: str, model: str, version: int) -> None:
        super().__init__(decision_id, model, version)
        self.decision_id, self.model, self.version = decision_id, model, version

    def __str__(self) -> str:
        return (
            f"decision {self.decision_id} was made by version {self.version} of model {self.model!r}, which is not "
            f"served here any more; `fleetward explain {self.decision_id}` explains it"
        )


class Recorded:
    """What is found and explained is so in a thread: both read the store."""

    def __init__(self, store: ObjectStore, sealed: AskSealed, key_of: KeyOf) -> None:
        self._store, self._sealed, self._key_of = store, sealed, key_of

    async def where(self, model: str, decision_id: str) -> Sealed:
        """The segments that may hold it. Raises ``LedgerAway``."""
        return await self._sealed(model, decision_id)

    def find(self, model: str, decision_id: str, sealed: Sealed) -> Answered:
        """For a thread. Raises ``NoSuchDecision``."""
        return find(decision_id, model, sealed, self._store)

    def explain(self, answered: Answered, predictor: Predictor, seed: int) -> ExplainedDecision:
        """For a thread. Raises as ``explain_decision``."""
        return explain_decision(answered.place, self._store, self._key_of, seed, predictor)
