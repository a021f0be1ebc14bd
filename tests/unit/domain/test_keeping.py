"""Legal holds and deleted bodies in the fold: a hold blocks deletion whoever asks for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runtime.domain.errors import Refused, UnknownModel
from runtime.domain.keeping import BodiesDeleted, LegalHoldPlaced, LegalHoldReleased
from tests.unit.domain.lives import MODEL, MONDAY, History, declared, digest

OTHER = "flight-time-AA"


def held(number: int = 1, model: str = MODEL) -> LegalHoldPlaced:
    return LegalHoldPlaced(hold=number, model=model, reason="case 12-345")


def released(number: int = 1) -> LegalHoldReleased:
    return LegalHoldReleased(hold=number, reason="case closed")


def deleted(*models: str) -> BodiesDeleted:
    return BodiesDeleted(
        digests=(digest("segment"),), models=models, records=46, before=MONDAY - timedelta(days=181), reason="old"
    )


def test_bodies_of_a_held_model_are_not_deleted() -> None:
    history = History.of(declared(OTHER), held())
    for models in ((MODEL,), (OTHER, MODEL)):
        with pytest.raises(Refused, match=f"{MODEL} is under legal hold 1"):
            history.after(deleted(*models))
    assert history.after(deleted(OTHER)).state.totals.deleted == 46


def test_a_model_is_held_until_its_last_hold_is_released() -> None:
    history = History.of(held(1), held(2), released(1))
    with pytest.raises(Refused, match="under legal hold 2"):
        history.after(deleted(MODEL))
    assert history.after(released(2), deleted(MODEL)).state.totals.deleted == 46


def test_a_hold_says_who_placed_it_and_why_it_ended() -> None:
    history = History.of()
    history.record(held(), by="user:ada")
    history.record(released(), by="user:bob")
    (hold,) = history.state.holds.values()
    assert (hold.by, hold.model, hold.reason, hold.released) == ("user:ada", MODEL, "case 12-345", "case closed")


def test_numbers_of_holds_only_grow() -> None:
    history = History.of(held(), released())
    for number in (1, 3):
        with pytest.raises(Refused, match="the next hold is number 2"):
            history.after(held(number))


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_not_held_is_not_released(number: int) -> None:
    with pytest.raises(Refused, match="no such hold is in force"):
        History.of(held(), released()).after(released(number))


@pytest.mark.parametrize("event", [held(model="nobody"), deleted("nobody")])
def test_an_unknown_model_is_neither_held_nor_deleted(event: LegalHoldPlaced | BodiesDeleted) -> None:
    with pytest.raises(UnknownModel):
        History.of().after(event)
