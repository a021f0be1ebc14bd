"""From what the ledger says and what Serve has, the next steps; who dies between two of them comes to the same end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.pools import PoolOptions, dedicated
from runtime.policy.pools import Application, Deploy, Found, PoolPlan, Remove, arriving, options_of, plan_pools, wanted
from tests.unit.domain.lives import MODEL, MONDAY, History, a_spec, applied, champion, servable
from tests.unit.domain.test_pools import granted_in

OWN = dedicated(MODEL)
USUAL = PoolOptions.model_validate({"replicas": 2})
RANGE = PoolOptions.model_validate({"replicas": "1-4", "cpus": 0.5})
QUIET = timedelta(seconds=15)
LONG_AGO = MONDAY - timedelta(hours=1)
NOW = MONDAY
DEDICATED = applied(a_spec(serving={"dedicated": True}))


def there(pool: str, options: PoolOptions | None = None, *, is_open: bool = True) -> Found:
    """An application that is up and has been for long."""
    said = options or (USUAL if pool == "default" else PoolOptions())
    return Found(Application(pool, said, is_open), is_up=True, follows=True, since=LONG_AGO)


def plan(history: History, *found: Found) -> PoolPlan:
    return plan_pools(history.state, {each.application.pool: each for each in found}, USUAL, NOW, QUIET)


def to_its_own() -> History:
    return History.of(*champion(), DEDICATED, granted_in(OWN))


def in_its_own() -> History:
    history = to_its_own().after(e.ModelMoved(model=MODEL, pool=OWN, reason=""))
    return history.after(e.GrantRevoked(model=MODEL, version=1, grant_id="grant-1", reason=""))


def back() -> History:
    again = granted_in("default")
    return in_its_own().after(applied(a_spec())).after(again)


def moves(planned: PoolPlan) -> list[str]:
    return [draft.event.pool for draft in planned.moves if isinstance(draft.event, e.ModelMoved)]


def test_the_default_pool_is_always_there_and_open_at_once() -> None:
    assert plan(History.of()).steps == (Deploy(Application("default", USUAL, is_open=True)),)
    assert plan(History.of(), there("default")).settled


def test_a_pool_that_no_model_needs_is_not_brought_up() -> None:
    fast = applied(a_spec(serving={"pool": "fast"}))
    assert wanted(History.of(fast).state) == {"default"}
    assert wanted(History.of(fast, *servable()).state) == {"default", "fast"}


def test_an_application_comes_up_closed_and_is_opened_when_its_replicas_follow() -> None:
    history, default = to_its_own(), there("default")
    closed = there(OWN, is_open=False)
    assert plan(history, default).steps == (Deploy(Application(OWN, PoolOptions(), is_open=False)),)
    assert plan(history, default, replace(closed, is_up=False)) == PoolPlan(waits=True)
    assert plan(history, default, replace(closed, follows=False)) == PoolPlan(waits=True)
    assert plan(history, default, closed).steps == (Deploy(Application(OWN, PoolOptions(), is_open=True)),)


def test_a_model_moves_only_when_the_new_application_has_answered_for_a_while() -> None:
    history, default = to_its_own(), there("default")
    opened = replace(there(OWN), since=NOW - QUIET + timedelta(seconds=1))
    assert plan(history, default, opened) == PoolPlan(waits=True)
    assert moves(plan(history, default, replace(opened, since=NOW - QUIET))) == [OWN]
    assert moves(plan(history, default, replace(there(OWN), follows=False))) == []
    assert plan(in_its_own(), default, there(OWN)).settled


def test_it_leaves_an_application_of_its_own_by_closing_it_first() -> None:
    history, default = back(), there("default")
    assert plan(history, replace(default, follows=False), there(OWN)) == PoolPlan(waits=True)
    closing = Deploy(Application(OWN, PoolOptions(), is_open=False))
    assert plan(history, default, there(OWN)) == PoolPlan((closing,), waits=True)
    closed = there(OWN, is_open=False)
    assert plan(history, default, replace(closed, since=NOW)) == PoolPlan(waits=True)
    assert plan(history, default, closed) == PoolPlan((Remove(OWN),), waits=True)
    assert plan(history, default, replace(closed, is_leaving=True)) == PoolPlan(waits=True)
    assert moves(plan(history, default)) == ["default"]


def test_what_is_being_left_gets_no_new_options() -> None:
    history = History.of(*champion(), applied(a_spec(serving={"dedicated": {"cpus": 2}})), granted_in(OWN))
    history.after(e.ModelMoved(model=MODEL, pool=OWN, reason="")).after(applied(a_spec())).after(granted_in("default"))
    own = there(OWN, PoolOptions(cpus=2))
    assert plan(history, replace(there("default"), follows=False), own) == PoolPlan(waits=True)


@pytest.mark.parametrize(
    "event",
    [e.ModelRetired(model=MODEL, reason=""), e.ModelSuspended(model=MODEL, reason="")],
    ids=lambda each: each.kind,
)
def test_an_application_of_a_model_that_nobody_may_ask_is_closed_and_removed(event: e.Event) -> None:
    history = in_its_own().after(event)
    closing = Deploy(Application(OWN, PoolOptions(), is_open=False))
    assert plan(history, there("default"), there(OWN)).steps == (closing,)
    assert plan(history, there("default"), there(OWN, is_open=False)).steps == (Remove(OWN),)
    assert plan(history, there("default")).settled


def test_a_suspended_model_moves_without_waiting_for_replicas() -> None:
    history = to_its_own().after(e.ModelSuspended(model=MODEL, reason=""))
    assert moves(plan(history, there("default"))) == [OWN]


def test_other_options_change_the_application_as_it_is() -> None:
    history = History.of(e.PoolConfigured(pool="default", options=RANGE))
    assert plan(history, there("default")).steps == (Deploy(Application("default", RANGE, is_open=True)),)
    assert plan(history, there("default", RANGE)).settled


def test_how_to_follow_the_load_says_nothing_of_a_fixed_number() -> None:
    fixed = PoolOptions.model_validate({"replicas": 2, "target_ongoing": 9, "upscale_delay": "1s"})
    history = History.of(e.PoolConfigured(pool="default", options=fixed))
    assert options_of(history.state, "default", USUAL) == USUAL
    assert plan(history, there("default")).settled


def test_an_application_that_cannot_come_up_is_not_waited_for() -> None:
    history = History.of(DEDICATED, *servable()[:-1], granted_in(OWN))
    coming = replace(there(OWN, is_open=False), is_up=False)
    assert not plan(history, there("default"), coming).settled
    assert plan(history, there("default"), replace(coming, failed="its constructor raised")).settled


def test_models_that_arrive_are_those_with_a_champion_that_may_answer_there() -> None:
    assert arriving(to_its_own().state) == {OWN: [MODEL]}
    assert arriving(in_its_own().state) == {}


def test_each_step_leads_to_the_next_until_nothing_is_left_whatever_was_lost_between() -> None:
    """Serve played by hand: every step is carried out, every second one is computed twice, as after a death."""
    found: dict[str, Found] = {"default": there("default")}
    for begin, end in ((to_its_own, {"default", OWN}), (back, {"default"})):
        history = begin()
        for _ in range(12):
            planned = plan(history, *found.values())
            assert plan(history, *found.values()) == planned
            for step in planned.steps:
                _carry_out(step, found)
            for draft in planned.moves:
                history.after(draft.event)
        assert plan(history, *found.values()).settled
        assert set(found) == end


def _carry_out(step: Deploy | Remove, found: dict[str, Found]) -> None:
    if isinstance(step, Remove):
        del found[step.pool]
    else:
        found[step.application.pool] = replace(there(step.application.pool), application=step.application)
