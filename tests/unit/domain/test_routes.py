"""A route says who answers; without a champion that may serve it says why nobody does."""

import pytest

from runtime.domain import events as e
from runtime.domain.routes import Route, routes_after
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    History,
    a_spec,
    advanced,
    applied,
    champion,
    declared,
    measured,
    promoted,
    revoked,
    servable,
    started,
)


def route(history: History) -> Route:
    (found,) = routes_after(history.state, "default", 0, flush=0).routes
    return found


def versions(found: Route) -> tuple[int | None, int | None]:
    first, second = (None if side is None else side.signed.grant.version for side in (found.champion, found.challenger))
    return first, second


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((), "no version of it has been promoted yet"),
        (servable(), "no version of it has been promoted yet"),
        ((*champion(), e.ModelSuspended(model=MODEL, reason="")), "it is suspended"),
        ((*champion(), e.ModelRetired(model=MODEL, reason="")), "it is retired"),
        ((*champion(), revoked()), "its champion holds no live grant"),
    ],
)
def test_a_model_that_nobody_may_answer_for_says_why(events: tuple[e.Event, ...], reason: str) -> None:
    found = route(History.of(*events))
    assert found == Route(model=MODEL, reason=reason, retired=reason == "it is retired")


def test_a_challenger_stands_beside_the_champion_while_it_is_rolled_out() -> None:
    history = History.of(*champion(), *servable(2))
    assert versions(route(history)) == (1, None)
    found = route(history.after(started(2)))
    assert (versions(found), found.stage, found.share) == ((1, 2), e.Stage.SHADOW, 0.0)
    found = route(history.after(measured(2), advanced(2, 1)))
    assert (versions(found), found.stage, found.share) == ((1, 2), e.Stage.CANARY, 0.1)
    assert versions(route(history.after(promoted(2)))) == (2, None)


def test_the_full_step_changes_no_route_before_the_promotion() -> None:
    history = History.of(*champion(), *servable(2))
    before = route(history)
    assert route(history.after(started(2, FULL))) == before


def test_a_new_capture_policy_reaches_replicas_with_the_spec_that_brings_it() -> None:
    history = History.of(*champion())
    size = history.state.size
    history.after(applied(a_spec()))
    assert routes_after(history.state, "default", size, flush=0).routes == (), "nothing about serving has changed"
    history.after(applied(a_spec(capture={"policy": "strict"})))
    (found,) = routes_after(history.state, "default", size + 1, flush=0).routes
    assert (found.model, found.capture.policy, versions(found)) == (MODEL, "strict", (1, None))
    assert routes_after(history.state, "default", size + 2, flush=0).routes == ()


def test_only_changed_routes_of_the_pool_are_handed_out() -> None:
    history = History.of(*champion())
    size = history.state.size
    assert routes_after(history.state, "default", size, flush=3).routes == ()
    history.after(declared("flight-time-AA"))
    answer = routes_after(history.state, "default", size, flush=3)
    assert ([each.model for each in answer.routes], answer.size, answer.flush) == (["flight-time-AA"], size + 1, 3)
    assert routes_after(history.state, "other", 0, flush=0).routes == ()
    history.after(applied(a_spec(serving={"pool": "other"})))
    assert len(routes_after(history.state, "other", 0, flush=0).routes) == 2
