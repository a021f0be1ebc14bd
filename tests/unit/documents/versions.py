"""Versions that documents are written about: one that the ledger tells all of, beside what its package adds."""

from __future__ import annotations

from typing import Any

from runtime.documents.told import Told
from runtime.domain.model_state import FindingState
from runtime.domain.spec import Spec
from runtime.domain.verdict import Action, Verdict
from tests.unit.domain.lives import History, a_finding, a_spec, champion, digest


def a_package(spec: Spec) -> dict[str, Any]:
    """The parts of a package's manifest that documents look at (``runtime/pipeline/package.py``)."""
    data = {"source": "examples.flights.data:load", "content": digest("content"), "parquet": digest("parquet")}
    return {"spec": {"name": spec.name, "digest": spec.digest}, "data": data}


def told(*, number: int = 1, packaged: bool = True, findings: tuple[FindingState, ...] = (), **said: Any) -> Told:
    """The last of so many champions, whose owner says this of it."""
    spec = a_spec(**said)
    history = History.of(*(each for one in range(1, number + 1) for each in champion(one)), spec=spec)
    model = history.model
    return Told(spec, model, model.versions[number], findings, a_package(spec) if packaged else None)


def found(reason: str) -> FindingState:
    """A finding that the policy answered."""
    verdict = Verdict(action=Action.RETRAIN, reason=reason)
    return FindingState(a_finding(), 17, verdict)
