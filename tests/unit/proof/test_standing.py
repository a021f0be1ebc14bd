"""Where a pack says a model stood is where the fold says it stood, at every moment of every life."""

from __future__ import annotations

import pytest

from runtime.domain import events as e
from runtime.proof.pack.entries import Told
from runtime.proof.pack.standing import standing_before
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    History,
    aborted,
    advanced,
    approval_given,
    approval_requested,
    approved,
    champion,
    evaluated,
    granted,
    promoted,
    refused,
    registered,
    renewal_requested,
    rolled_back,
    servable,
    started,
)

_SUSPENDED = e.ModelSuspended(model=MODEL, reason="smoke")
_RESUMED = e.ModelResumed(model=MODEL, reason="no fire")
_RETIRED = e.ModelRetired(model=MODEL, reason="over")
_ASKED = (registered(2), evaluated(2), approval_requested(2), approval_given(2), approved(2), granted(2))

LIVES: dict[str, tuple[e.Event, ...]] = {
    "declared and no more": (),
    "through all steps": (*servable(1), started(1), advanced(1, 1), advanced(1, 2), promoted(1)),
    "superseded": (*champion(1), *_ASKED, started(2), advanced(2, 1), advanced(2, 2), promoted(2)),
    "refused by its gates": (registered(1), evaluated(1, passed=False), refused(1)),
    "refused before its last step": (*champion(1), *servable(2), started(2, FULL), refused(2)),
    "aborted": (*champion(1), *servable(2), started(2), aborted(2)),
    "rolled back": (*champion(1), *champion(2), rolled_back(2, 1)),
    "rolled back in the middle of a rollout": (
        *(*champion(1), *champion(2), *servable(3), started(3), advanced(3, 1)),
        rolled_back(2, 1),
    ),
    "approved again": (*champion(1), renewal_requested(1), approval_given(1), approved(1), granted(1)),
    "suspended and resumed": (*champion(1), _SUSPENDED, _RESUMED),
    "retired": (*champion(1), *champion(2), *servable(3), started(3), _SUSPENDED, _RETIRED),
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_standing_and_fold_agree_after_every_entry(life: tuple[e.Event, ...]) -> None:
    history = History.of()
    for event in (None, *life):
        if event is not None:
            history.record(event)
        told = [
            Told(entry.seq, entry.as_document()["time"], entry.principal, entry.as_document()["event"])
            for entry in history.entries
        ]
        found = standing_before(told, MODEL)
        model = history.model
        assert (found.champion, found.suspended, found.retired) == (model.champion, model.suspended, model.retired)
        assert found.statuses == {number: version.status.value for number, version in model.versions.items()}


def test_a_moment_is_before_the_entry_of_that_time() -> None:
    history = History.of(*champion(1))
    documents = [entry.as_document() for entry in history.entries]
    told = [Told(each["seq"], each["time"], each["principal"], each["event"]) for each in documents]
    assert standing_before(told, MODEL, told[-1].time).champion is None
    assert standing_before(told, MODEL).champion == 1
    assert standing_before(told, MODEL, told[0].time).word == "not declared"
