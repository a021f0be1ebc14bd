"""Erasure of a data subject in the fold: ordered before done, and never over a legal hold."""

from __future__ import annotations

import pytest

from runtime.domain.erasure import ErasurePart, SubjectErased, SubjectErasureOrdered
from runtime.domain.errors import Refused, UnknownModel
from runtime.domain.keeping import LegalHoldPlaced, LegalHoldReleased
from runtime.domain.routes import routes_after
from tests.unit.domain.lives import MODEL, History, declared

OTHER = "flight-time-AA"
NAMES = {MODEL: "a" * 64, OTHER: "b" * 64}


def ordered(*models: str) -> SubjectErasureOrdered:
    parts = tuple(ErasurePart(model=model, pseudonym=NAMES.get(model, "c" * 64), records=3) for model in models)
    return SubjectErasureOrdered(parts=parts, reason="request 7 of 2026")


def erased(model: str = MODEL, pseudonym: str = "") -> SubjectErased:
    return SubjectErased(model=model, pseudonym=pseudonym or NAMES[model], records=3, reason="request 7 of 2026")


def held(number: int = 1, model: str = MODEL) -> LegalHoldPlaced:
    return LegalHoldPlaced(hold=number, model=model, reason="case 12-345")


def test_an_erasure_says_who_ordered_it_and_which_entry_ends_it() -> None:
    history = History.of(declared(OTHER))
    order = history.record(ordered(MODEL, OTHER), by="user:ada")
    done = history.record(erased(), by="user:bob")
    mine, other = (history.state.erasures[NAMES[model]] for model in (MODEL, OTHER))
    assert (mine.by, mine.reason, mine.ordered, mine.erased) == ("user:ada", "request 7 of 2026", order.seq, done.seq)
    assert other.erased is None
    assert history.state.totals.erased == 3


def test_a_hold_on_one_of_its_models_refuses_all_of_an_erasure() -> None:
    history = History.of(declared(OTHER), held(), held(2))
    with pytest.raises(Refused, match=f"{MODEL} is under legal hold 1, 2"):
        history.after(ordered(OTHER, MODEL))
    assert history.state.erasures == {}
    history.after(
        ordered(OTHER), LegalHoldReleased(hold=1, reason="closed"), LegalHoldReleased(hold=2, reason="closed")
    )
    assert [*history.after(ordered(MODEL)).state.erasures] == [NAMES[OTHER], NAMES[MODEL]]


def test_a_hold_that_comes_after_the_order_does_not_stop_it() -> None:
    history = History.of(ordered(MODEL), held())
    assert history.after(erased()).state.totals.erased == 3


def test_nothing_is_erased_that_was_not_ordered_or_is_erased_already() -> None:
    history = History.of(declared(OTHER), ordered(MODEL))
    for event in (erased(OTHER), erased(OTHER, NAMES[MODEL])):
        with pytest.raises(Refused, match="no such erasure is ordered and not yet done"):
            history.after(event)
    with pytest.raises(Refused, match="no such erasure"):
        history.after(erased(), erased())


def test_a_pseudonym_is_ordered_once() -> None:
    for first, second in (((MODEL,), (MODEL,)), ((), (MODEL, MODEL))):
        history = History.of(*([ordered(*first)] if first else []))
        with pytest.raises(Refused, match="ordered that of the same pseudonym"):
            history.after(ordered(*second))


def test_an_unknown_model_has_no_subjects() -> None:
    with pytest.raises(UnknownModel):
        History.of().after(ordered("nobody"))


def test_replicas_are_told_the_pseudonyms_that_were_erased_after_what_they_know() -> None:
    history = History.of(declared(OTHER), ordered(MODEL, OTHER))
    first = history.record(erased())
    history.record(erased(OTHER))
    assert routes_after(history.state, "default", 0, 0).erased == (NAMES[MODEL], NAMES[OTHER])
    assert routes_after(history.state, "default", first.seq + 1, 0).erased == (NAMES[OTHER],)
    assert routes_after(history.state, "default", history.state.size, 0).erased == ()
