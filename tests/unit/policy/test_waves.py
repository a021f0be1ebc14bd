"""A batch of challengers in waves: the first few go alone, and a wave that goes badly is the last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.errors import Refused
from runtime.domain.grant import SignedGrant
from runtime.domain.lifecycle import Status
from runtime.policy.plan import plan
from tests.unit.domain.lives import (
    FULL,
    MONDAY,
    STEPS,
    History,
    a_comparison,
    a_grant,
    a_spec,
    applied,
    approved,
    evaluated,
    granted,
    registered,
)

NAMES = tuple(f"flight-time-{letter}{letter}" for letter in "ABCDEFGHIJ")
WAVES = {"shares": ["10%", "50%", "100%"], "stop_at": "20%"}


def ready(name: str, version: int, batch: str) -> Iterable[e.Event]:
    """What happens until a version of this model may be rolled out."""
    grant = a_grant(version).model_copy(update={"model": name, "grant_id": f"{name}-{version}"})
    yield registered(version, name).model_copy(update={"batch": batch})
    yield evaluated(version, model=name)
    yield approved(version).model_copy(update={"model": name})
    yield granted(version).model_copy(
        update={"model": name, "signed": SignedGrant(grant=grant, key_id="k", signature="s")}
    )


def a_fleet(stop_at: str = "20%") -> History:
    """Ten models with a champion each, and a challenger of one batch."""
    history = History().after(applied(a_spec(waves=WAVES | {"stop_at": stop_at})))
    for name in NAMES:
        history.after(e.ModelDeclared(model=name, spec="flights", partition={"carrier": name[-2:]}))
        history.after(*ready(name, 1, "first"))
    settle(history)
    for name in NAMES:
        assert history.state.model(name).champion == 1
    history.after(e.RetrainingStarted(batch="second", spec="flights", models=NAMES, as_of=MONDAY, reason=""))
    for name in NAMES:
        history.after(*ready(name, 2, "second"))
    return history.after(e.RetrainingFinished(batch="second", succeeded=True, reason=""))


def settle(history: History) -> list[e.Event]:
    """The operator's moves until nothing is left to do."""
    made: list[e.Event] = []
    while moves := plan(history.state).moves:
        for move in moves:
            history.record(move.event)
            made.append(move.event)
    return made


def rolling(history: History) -> list[str]:
    return [model.name for model in history.state.models.values() if model.rollout is not None]


def measure(history: History, name: str, challenger: float = 9.0) -> None:
    running = history.state.model(name).rollout
    assert running is not None
    history.after(
        e.RolloutMeasured(
            model=name,
            version=2,
            step=running.step,
            comparison=a_comparison(challenger),
            as_of=MONDAY + timedelta(days=1),
        )
    )


def finish(history: History, names: Iterable[str], challenger: float = 9.0) -> list[e.Event]:
    """All steps of these models' rollouts, each judged so."""
    made = []
    for _ in STEPS:
        for name in names:
            if history.state.model(name).rollout is not None:
                measure(history, name, challenger)
        made += settle(history)
    return made


def test_first_versions_wait_for_no_wave() -> None:
    history = History().after(applied(a_spec(waves=WAVES)))
    for name in NAMES:
        history.after(e.ModelDeclared(model=name, spec="flights", partition={"carrier": name[-2:]}))
        history.after(*ready(name, 1, "first"))
    started = [event for event in settle(history) if isinstance(event, e.RolloutStarted)]
    assert {event.model for event in started} == set(NAMES)
    assert {event.steps for event in started} == {FULL}


def test_waves_go_one_after_another_and_reach_all_in_the_end() -> None:
    history = a_fleet()
    reached = []
    for _ in range(3):
        settle(history)
        now = rolling(history)
        reached.append(len(now))
        finish(history, now[:-1])
        if len(reached) < 3 and len(now) > 1:
            assert len(rolling(history)) == 1, "no model of the next wave starts while one of this is under way"
        finish(history, now[-1:])
    assert reached == [1, 4, 5]
    assert {model.champion for model in history.state.models.values()} == {2}


def test_a_bad_wave_is_the_last_and_an_entry_says_why() -> None:
    history = a_fleet()
    settle(history)
    made = finish(history, rolling(history), challenger=99.0)
    (stopped,) = [event for event in made if isinstance(event, e.WavesStopped)]
    assert (stopped.wave, stopped.of, len(stopped.fallen)) == (1, 1, 1)
    assert stopped.reason == "1 of 1 challengers of wave 1 of 3 were ended, where 20% is allowed"
    assert rolling(history) == []
    assert plan(history.state).settled
    waiting = [name for name in NAMES if history.state.model(name).version(2).status is Status.APPROVED]
    assert len(waiting) == 9


def test_people_may_let_the_waves_go_on_and_are_not_asked_again() -> None:
    history = a_fleet()
    settle(history)
    finish(history, rolling(history), challenger=99.0)
    with pytest.raises(Refused, match="not stopped"):
        history.record(e.WavesResumed(spec="flights", batch="first", reason="x"))
    history.record(e.WavesResumed(spec="flights", batch="second", reason="a feed was late that day"), "user:ada")
    made = settle(history)
    assert len(rolling(history)) == 4
    assert not [event for event in made if isinstance(event, e.WavesStopped)]


def test_as_many_bad_ones_as_are_allowed_stop_nothing() -> None:
    history = a_fleet(stop_at="25%")
    settle(history)
    finish(history, rolling(history))
    settle(history)
    second = rolling(history)
    finish(history, second[:1], challenger=99.0)
    finish(history, second[1:])
    assert len(rolling(history)) == 5


def test_a_challenger_that_its_gates_refused_holds_nobody_up() -> None:
    history = a_fleet()
    settle(history)
    (first,) = rolling(history)
    others = [name for name in NAMES if name != first]
    history.after(e.ModelSuspended(model=others[0], reason="a strike"))
    finish(history, [first])
    for _ in range(2):
        settle(history)
        finish(history, rolling(history))
    assert {history.state.model(name).champion for name in NAMES if name != others[0]} == {2}
