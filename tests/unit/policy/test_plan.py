"""The operator's moves: the difference between what the ledger says should be and what is."""

from datetime import timedelta

from runtime.domain import events as e
from runtime.domain.verdict import Action, Verdict
from runtime.policy.plan import OPERATOR, plan
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    STEPS,
    History,
    a_finding,
    advanced,
    champion,
    digest,
    measured,
    servable,
    started,
)


def moves(history: History) -> list[e.Event]:
    drafts = plan(history.state).moves
    assert {draft.principal for draft in drafts} <= {OPERATOR}
    return [draft.event for draft in drafts]


def retrain_reached() -> e.VerdictReached:
    verdict = Verdict(action=Action.RETRAIN, reason="so")
    return e.VerdictReached(finding="finding-1", model=MODEL, verdict=verdict, policy=digest("p"), as_of=MONDAY)


def test_nothing_is_left_to_do_for_a_champion() -> None:
    assert plan(History.of(*champion()).state).settled


def test_a_first_version_is_rolled_out_in_full_at_once() -> None:
    history = History.of(*servable())
    assert moves(history) == [started(1, FULL)]
    (move,) = moves(history.after(started(1, FULL)))
    assert isinstance(move, e.VersionPromoted)
    assert plan(history.after(move).state).settled


def test_a_challenger_starts_in_the_shadow_and_the_newest_goes_first() -> None:
    history = History.of(*champion(), *servable(2), *servable(3))
    assert moves(history) == [started(3, STEPS)]


def test_a_step_is_left_when_it_was_judged_good_and_not_before() -> None:
    history = History.of(*champion(), *servable(2), started(2))
    assert plan(history.state).settled
    (move,) = moves(history.after(measured(2)))
    assert isinstance(move, e.RolloutAdvanced)
    assert move.step == 1


def test_the_step_before_the_full_one_promotes_with_the_moment_of_its_evidence() -> None:
    history = History.of(*champion(), *servable(2), started(2), measured(2), advanced(2, 1), measured(2, step=1))
    (move,) = moves(history)
    assert isinstance(move, e.VersionPromoted)
    assert move.as_of == MONDAY + timedelta(days=1)


def test_a_challenger_above_the_guardrail_is_aborted() -> None:
    (move,) = moves(History.of(*champion(), *servable(2), started(2), measured(2, challenger=12.0)))
    assert isinstance(move, e.RolloutAborted)
    assert "above the guardrail" in move.reason


def test_a_suspended_or_retired_model_is_left_as_it_is() -> None:
    history = History.of(*champion(), *servable(2), e.ModelSuspended(model=MODEL, reason=""))
    assert plan(history.state).settled
    history.after(e.ModelResumed(model=MODEL, reason=""))
    assert not plan(history.state).settled
    assert plan(history.after(e.ModelRetired(model=MODEL, reason="")).state).settled


def test_a_model_that_is_due_is_retrained_when_its_window_opens_and_its_job_runs_until_it_is_told_off() -> None:
    history = History.of(*champion(), a_finding(), retrain_reached())
    assert plan(history.state).settled, "no tick was closed yet"
    history.after(e.TicksClosed(until=MONDAY, ticks=1, decisions=0, outcomes=0))
    (move,) = moves(history)
    assert isinstance(move, e.RetrainingStarted)
    assert (move.models, move.as_of) == ((MODEL,), MONDAY)
    (job,) = plan(history.after(move).state).jobs
    assert job.batch == move.batch
    assert not plan(history.state).settled
    history.after(e.RetrainingFinished(batch=move.batch, succeeded=True, reason=""))
    assert plan(history.state).settled


def test_a_plan_made_again_has_the_same_moves_with_the_same_keys() -> None:
    events = (*champion(), *servable(2), started(2), measured(2))
    assert plan(History.of(*events).state) == plan(History.of(*events).state)


def test_each_move_has_a_key_of_its_own() -> None:
    history = History.of(*champion(), *servable(2))
    keys = []
    for event in (started(2), measured(2), advanced(2), measured(2, step=1)):
        keys += [draft.event_id for draft in plan(history.state).moves]
        history.after(event)
    keys += [draft.event_id for draft in plan(history.state).moves]
    assert len(set(keys)) == 3
