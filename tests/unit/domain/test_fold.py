"""The life of a model, as its ledger tells it."""

from copy import deepcopy
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import IllegalMove, Refused, UnknownModel, UnknownVersion
from runtime.domain.fold import apply, fold
from runtime.domain.lifecycle import Status
from runtime.domain.routes import routes_after
from runtime.domain.state import FleetState
from runtime.domain.verdict import Action, Verdict
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    STEPS,
    History,
    a_finding,
    a_spec,
    aborted,
    advanced,
    applied,
    approval_given,
    approval_requested,
    approved,
    champion,
    declared,
    digest,
    evaluated,
    granted,
    measured,
    promoted,
    refused,
    registered,
    revoked,
    rolled_back,
    servable,
    started,
)


def reached(finding: str, action: Action, model: str = MODEL) -> e.VerdictReached:
    verdict = Verdict(action=action, reason="so")
    return e.VerdictReached(finding=finding, model=model, verdict=verdict, policy=digest("p"), as_of=MONDAY)


def retraining(batch: str, *models: str) -> e.RetrainingStarted:
    return e.RetrainingStarted(batch=batch, spec="flights", models=models or (MODEL,), as_of=MONDAY, reason="due")


def finished(batch: str, *, succeeded: bool = True) -> e.RetrainingFinished:
    return e.RetrainingFinished(batch=batch, succeeded=succeeded, reason="")


def refusal_of(history: History, event: e.Event, by: str = "service:governor") -> str:
    """Why the event is refused; the state must be as it was."""
    before = deepcopy(history.state)
    with pytest.raises(Refused) as caught:
        history.record(event, by)
    assert history.state == before
    return str(caught.value)


def test_the_state_is_the_fold_of_the_entries() -> None:
    history = History.of(*champion(1), *servable(2), started(2), measured(2), advanced(2, 1), promoted(2))
    assert fold(history.entries) == history.state
    half = len(history.entries) // 2
    assert fold(history.entries[half:], fold(history.entries[:half])) == history.state


def test_a_version_goes_through_all_stages_to_champion() -> None:
    history = History.of(*champion(1), registered(2))
    seen = [history.version(2).status]
    for event in (
        evaluated(2),
        approval_requested(2),
        approved(2),
        granted(2),
        started(2),
        measured(2),
        advanced(2),
        promoted(2),
    ):
        history.record(event)
        seen.append(history.version(2).status)
    assert list(dict.fromkeys(seen)) == [
        Status.REGISTERED,
        Status.EVALUATED,
        Status.AWAITING_APPROVAL,
        Status.APPROVED,
        Status.SHADOW,
        Status.CANARY,
        Status.CHAMPION,
    ]
    assert history.version(1).status is Status.SUPERSEDED
    assert (history.model.champion, history.model.former, history.model.rollout) == (2, (1,), None)


def test_a_rollback_brings_a_former_champion_back_and_forgets_those_after_it() -> None:
    history = History.of(*champion(1), *champion(2), *champion(3), rolled_back(3, 1))
    assert [history.version(number).status for number in (1, 2, 3)] == [
        Status.CHAMPION,
        Status.SUPERSEDED,
        Status.ROLLED_BACK,
    ]
    assert (history.model.champion, history.model.former) == (1, ())


@pytest.mark.parametrize("steps", [STEPS, FULL])
def test_a_rollback_ends_the_running_rollout_with_it(steps: tuple[e.Step, ...]) -> None:
    history = History.of(*champion(1), *champion(2), *servable(3), started(3, steps), rolled_back(2, 1))
    assert history.model.rollout is None
    assert history.version(3).status is Status.ROLLED_BACK


@pytest.mark.parametrize(
    ("version", "to", "reason"),
    [
        (1, 2, "version 1 is not the champion; version 2 is"),
        (2, 2, "former champions are [1]"),
        (2, 3, "former champions are [1]"),
    ],
)
def test_a_rollback_goes_from_the_champion_to_a_former_one(version: int, to: int, reason: str) -> None:
    history = History.of(*champion(1), *champion(2), registered(3))
    assert reason in refusal_of(history, rolled_back(version, to))


def test_nothing_is_rolled_back_to_a_version_without_a_grant() -> None:
    history = History.of(*champion(1), *champion(2), revoked(1))
    assert "holds no grant" in refusal_of(history, rolled_back(2, 1))


@pytest.mark.parametrize("steps", [STEPS, FULL])
def test_an_aborted_rollout_leaves_the_champion_and_snoozes(steps: tuple[e.Step, ...]) -> None:
    history = History.of(*champion(1))
    history.after(e.TicksClosed(until=MONDAY, ticks=1, decisions=0, outcomes=0))
    history.after(*servable(2), started(2, steps), aborted(2))
    assert (history.model.champion, history.model.rollout) == (1, None)
    assert history.version(2).status is Status.ROLLED_BACK
    assert history.model.snoozed_until == MONDAY + timedelta(days=28)


def test_a_version_that_is_refused_at_its_last_step_is_rolled_out_no_more() -> None:
    history = History.of(*champion(1), *servable(2), started(2, FULL), refused(2))
    assert (history.version(2).status, history.model.rollout) == (Status.REFUSED, None)


def test_a_suspended_model_is_routed_nowhere_until_it_is_resumed() -> None:
    history = History.of(*champion(1))
    (before,) = routes_after(history.state, "default", 0, 0).routes
    history.after(e.ModelSuspended(model=MODEL, reason="wrong data"))
    (during,) = routes_after(history.state, "default", 0, 0).routes
    history.after(e.ModelResumed(model=MODEL, reason="data mended"))
    (after,) = routes_after(history.state, "default", 0, 0).routes
    assert (during.champion, during.reason) == (None, "it is suspended")
    assert after == before
    assert before.champion is not None
    assert "it is not suspended" in refusal_of(history, e.ModelResumed(model=MODEL, reason="again"))


def test_a_retired_model_is_changed_by_nothing_any_more() -> None:
    retired = e.ModelRetired(model=MODEL, reason="no more flights")
    history = History.of(*champion(1), registered(2), evaluated(2), refused(2), registered(3), retired)
    statuses = [history.version(number).status for number in (1, 2, 3)]
    assert statuses == [Status.RETIRED, Status.REFUSED, Status.RETIRED]
    for event in (retired, registered(4), rolled_back(1, 1), e.ModelSuspended(model=MODEL, reason="")):
        assert "the model is retired" in refusal_of(history, event)


def test_version_numbers_only_grow_by_one() -> None:
    history = History.of(registered(1))
    assert "the next version number is 2" in refusal_of(history, registered(1))
    assert "the next version number is 2" in refusal_of(history, registered(3))


def test_nothing_is_granted_or_rolled_out_without_an_approval() -> None:
    history = History.of(registered(1), evaluated(1))
    assert "it is not approved" in refusal_of(history, granted(1))
    assert "it is evaluated and holds no grant" in refusal_of(history, started(1))
    history.after(approved(1))
    assert "it is approved and holds no grant" in refusal_of(history, started(1))
    assert "it holds no grant" in refusal_of(history, promoted(1))


def test_an_approver_counts_once_and_only_while_people_are_asked() -> None:
    history = History.of(registered(1), evaluated(1))
    assert "it is evaluated" in refusal_of(history, approval_given(1), "user:ada")
    history.after(approval_requested(1, approvers=2)).after(approval_given(1), by="user:ada")
    assert history.version(1).approvers == ("user:ada",)
    assert "user:ada approved it already" in refusal_of(history, approval_given(1), "user:ada")


def test_one_rollout_runs_at_a_time_and_only_forward() -> None:
    history = History.of(*champion(1), *servable(2), *servable(3), started(2))
    assert "version 2 is being rolled out" in refusal_of(history, started(3))
    assert "no such rollout is running" in refusal_of(history, advanced(3))
    assert "it is at 0 of 3" in refusal_of(history, advanced(2, step=0))
    assert "it is at 0 of 3" in refusal_of(history, advanced(2, step=3))
    assert "the rollout is at step 0" in refusal_of(history, measured(2, step=1))


def test_a_step_is_judged_by_its_own_measure() -> None:
    history = History.of(*champion(1), *servable(2), started(2), measured(2))
    rollout = history.model.rollout
    assert rollout is not None
    assert rollout.measured is not None
    rollout = history.after(advanced(2)).model.rollout
    assert rollout is not None
    assert rollout.measured is None


def test_a_retraining_runs_once_a_model_and_ends_once() -> None:
    history = History.of(*champion(1), a_finding(), reached("finding-1", Action.RETRAIN))
    assert (history.model.due, history.model.due_since) == ("finding-1", MONDAY)
    history.after(retraining("b1"))
    assert (history.model.due, history.model.batch, history.model.retrainings) == (None, "b1", 1)
    assert f"{MODEL} is in batch b1" in refusal_of(history, retraining("b2"))
    history.after(finished("b1"))
    assert history.model.batch is None
    assert "no such batch is running" in refusal_of(history, finished("b1"))


def test_a_training_that_failed_snoozes_its_model_and_wakes_no_longer_sleeper() -> None:
    failed = e.TrainingFailed(model=MODEL, batch="b1", reason="no rows")
    history = History.of(*champion(1), retraining("b1"), failed)
    assert history.model.snoozed_until == MONDAY + timedelta(days=28)
    later = registered(2, as_of=MONDAY + timedelta(days=7))
    history = History.of(*champion(1), retraining("b1"), later, evaluated(2), refused(2), failed)
    assert history.model.snoozed_until == MONDAY + timedelta(days=35)


def test_a_finding_is_answered_once() -> None:
    history = History.of(*champion(1), a_finding(), reached("finding-1", Action.NOTHING))
    assert history.model.due is None
    assert "no such finding is open" in refusal_of(history, reached("finding-1", Action.RETRAIN))
    assert "no such finding is open" in refusal_of(history, reached("finding-2", Action.RETRAIN))


def test_a_spec_must_be_what_its_digest_says_and_be_valid() -> None:
    history = History()
    spec = a_spec()
    wrong = e.SpecApplied(name="flights", digest=digest("other"), spec=spec.as_document())
    assert f"its content hashes to {spec.digest}" in refusal_of(history, wrong)
    nonsense = e.SpecApplied(name="flights", digest=spec.digest, spec={"kind": "fleet"})
    assert "it is not a valid spec: Field required" in refusal_of(history, nonsense)
    assert "no such spec was applied" in refusal_of(history, declared())


def test_a_model_belongs_to_one_partition_of_one_spec() -> None:
    history = History.of().after(declared())
    other = e.ModelDeclared(model=MODEL, spec="flights", partition={"carrier": "AA"})
    assert "it is declared already by spec flights" in refusal_of(history, other)


def test_a_skipped_partition_is_remembered_until_it_becomes_a_model() -> None:
    history = History().after(applied(a_spec()))
    history.after(e.PartitionSkipped(spec="flights", partition={"carrier": "UA"}, reason="12 rows"))
    assert history.state.skipped == {("flights", ("UA",)): "12 rows"}
    assert history.after(declared()).state.skipped == {}


def test_a_watermark_never_goes_back() -> None:
    history = History().after(e.WatermarkAdvanced(until=MONDAY))
    assert "it stands at" in refusal_of(history, e.WatermarkAdvanced(until=MONDAY - timedelta(days=1)))


def test_records_are_counted_lost_or_found() -> None:
    def sealed(content: e.SegmentContent, records: int) -> e.SegmentSealed:
        return e.SegmentSealed(
            content=content,
            digest=digest("segment"),
            record_root="00",
            records=records,
            replica="r",
            epoch="e",
            first_number=1,
            last_number=records,
            first_time=MONDAY,
            last_time=MONDAY,
        )

    history = History().after(sealed(e.SegmentContent.DECISIONS, 5), sealed(e.SegmentContent.OUTCOMES, 3))
    history.after(e.RecordsLost(replica="r", epoch="e", first_number=6, last_number=9, reason="disk"))
    decisions = e.SegmentContent.DECISIONS
    history.after(e.RecordsDropped(content=decisions, model=MODEL, replica="r", epoch="e", file=0, records=7))
    totals = history.state.totals
    assert (totals.segments, totals.decisions, totals.outcomes, totals.lost) == (2, 5, 3, 4)
    assert totals.dropped == 7


def test_governors_come_one_after_another() -> None:
    history = History().after(e.GovernorStarted(epoch=1, key_id="k", public_key="p"))
    assert "the next epoch is 2" in refusal_of(history, e.GovernorStarted(epoch=1, key_id="k", public_key="p"))


def test_an_entry_out_of_turn_is_refused() -> None:
    entry = Entry(5, "id", MONDAY, "service:operator", e.WatermarkAdvanced(until=MONDAY))
    with pytest.raises(Refused, match="the next entry is 0"):
        apply(FleetState(), entry)


def test_unknown_names_are_said_to_be_unknown() -> None:
    with pytest.raises(UnknownModel):
        History().record(registered(1))
    with pytest.raises(UnknownVersion):
        History.of().record(evaluated(1))
    with pytest.raises(IllegalMove):
        History.of(registered(1), evaluated(1)).record(evaluated(1))
