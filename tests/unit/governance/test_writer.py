"""The one writer: what is refused is history and changes nothing else; what is repeated is recorded once."""

import math
from copy import deepcopy
from datetime import timedelta

import pytest

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.errors import Forbidden, IdempotencyConflict, IllegalMove, Refused, UnknownModel
from runtime.domain.lifecycle import Status
from runtime.domain.reports import EvaluationReport
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.errors import LedgerUnavailable
from runtime.ledger.signing import sign_grant
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    a_finding,
    a_spec,
    applied,
    approval_given,
    approval_requested,
    declared,
    digest,
    evaluated,
    promoted,
    registered,
    started,
)
from tests.unit.governance.desk import Desk, refusal

ADA, BOB, JOB = "user:ada", "user:bob", "job:train"
OPERATOR, MONITOR = "service:operator", "service:monitor"


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """A desk with one declared model of low risk."""
    desk.record(applied(a_spec()))
    desk.record(declared())
    return desk


def test_a_command_is_answered_with_the_place_of_each_of_its_entries(desk: Desk) -> None:
    answers = desk.give(Draft(applied(a_spec()), JOB, "a"), Draft(declared(), JOB, "b"))
    assert answers == [Receipt("a", 0, repeated=False), Receipt("b", 1, repeated=False)]
    assert desk.kinds() == ["spec_applied", "model_declared"]


def test_what_follows_by_policy_stands_in_the_same_commit(fleet: Desk) -> None:
    fleet.record(registered())
    fleet.now += timedelta(days=1)
    fleet.record(evaluated())
    assert fleet.kinds(since=3) == ["version_evaluated", "version_approved", "grant_issued"]
    assert {entry.time for entry in fleet.log.entries(3)} == {fleet.now}
    assert [entry.principal for entry in fleet.log.entries(3)] == [JOB, "service:governor", "service:governor"]
    version = fleet.writer.state.model(MODEL).version(1)
    assert version.signed is not None
    assert version.signed.grant.valid_from == fleet.now


def test_a_version_lives_through_the_writer_from_registration_to_champion(fleet: Desk) -> None:
    for event, by in (
        (registered(), JOB),
        (evaluated(), JOB),
        (started(steps=a_spec().rollout[-1:]), OPERATOR),
        (promoted(), OPERATOR),
    ):
        assert isinstance(fleet.record(event, by), Receipt)
    assert fleet.writer.state.model(MODEL).version(1).status is Status.CHAMPION


def test_a_draft_that_comes_again_is_recorded_once(fleet: Desk) -> None:
    draft = Draft(registered(), JOB, "key")
    (first,) = fleet.give(draft)
    fleet.now += timedelta(hours=1)
    (again,) = fleet.give(draft)
    both = fleet.give(Draft(evaluated(), JOB, "once"), Draft(evaluated(), JOB, "once"))
    assert (first, again) == (Receipt("key", 2, repeated=False), Receipt("key", 2, repeated=True))
    assert both == [Receipt("once", 3, repeated=False), Receipt("once", 3, repeated=True)]
    assert fleet.kinds().count("version_registered") == 1


def test_what_cannot_be_written_is_refused_beside_what_can(fleet: Desk) -> None:
    good, bad = Draft(registered(), JOB, "good"), Draft(registered(), JOB, "\x00")
    first, refused = fleet.give(good, bad)
    assert first == Receipt("good", 2, repeated=False)
    assert isinstance(refused, Refused)
    assert fleet.give(good, good) == [Receipt("good", 2, repeated=True)] * 2
    assert fleet.kinds(since=2) == ["version_registered", "command_refused"]


@pytest.mark.parametrize(
    "other", [Draft(registered(as_of=MONDAY + timedelta(days=1)), JOB, "key"), Draft(registered(), ADA, "key")]
)
def test_a_key_that_comes_again_with_another_body_is_refused(fleet: Desk, other: Draft) -> None:
    fleet.give(Draft(registered(), JOB, "key"))
    (answer,) = fleet.give(other)
    assert isinstance(answer, IdempotencyConflict)
    assert answer.reason == "entry 2 has that id and another body"
    assert fleet.kinds(since=3) == ["command_refused"]


@pytest.mark.parametrize(
    ("event", "by", "error", "reason"),
    [
        (registered(1), "service:monitor", Forbidden, "it needs the role developer; held: ['monitor']"),
        (registered(7), JOB, Refused, "the next version number is 1"),
        (registered(1, model="nobody"), JOB, UnknownModel, "no model is named 'nobody'"),
        (started(), OPERATOR, Exception, f"model '{MODEL}' has no version 1 here"),
        (
            e.SpecApplied(name="other", digest=digest("x"), spec={"kind": "fleet"}),
            JOB,
            Refused,
            "it is not a valid spec: Field required",
        ),
        (
            e.VersionEvaluated(model=MODEL, version=1, report=EvaluationReport(metrics={"mae": math.nan}, rows=1)),
            JOB,
            Refused,
            "it cannot be written: nan is not representable in JCS",
        ),
        (
            e.TicksClosed(until=MONDAY, ticks=2**60, decisions=0, outcomes=0),
            MONITOR,
            Refused,
            f"it cannot be written: {2**60} exceeds safe integer domain for JSON floats",
        ),
    ],
    ids=["role", "illegal", "unknown model", "unknown version", "invalid spec", "NaN", "too large"],
)
def test_a_refused_command_is_an_entry_and_changes_nothing_else(
    fleet: Desk, event: e.Event, by: str, error: type[Exception], reason: str
) -> None:
    before = deepcopy(fleet.writer.state)
    answer = fleet.record(event, by)
    assert isinstance(answer, error)
    assert fleet.last() == e.CommandRefused(
        command=event.kind, model=getattr(event, "model", None), reason=f"{by}: {reason}"
    )
    after = fleet.writer.state
    assert (after.size, after.totals.refused_commands) == (before.size + 1, 1)
    assert (after.models, after.specs, after.findings) == (before.models, before.specs, before.findings)


def test_a_refusal_is_recorded_once_however_often_it_is_asked_for(fleet: Desk) -> None:
    draft = Draft(registered(7), JOB, "key")
    answers = [*fleet.give(draft), *fleet.give(draft), *fleet.give(draft, draft)]
    assert {refusal(answer) for answer in answers} == {"the next version number is 1"}
    assert fleet.kinds().count("command_refused") == 1


def test_a_refused_draft_may_come_again_when_it_is_legal(fleet: Desk) -> None:
    draft = Draft(evaluated(), JOB, "key")
    fleet.give(draft)
    fleet.record(registered())
    assert fleet.give(draft) == [Receipt("key", 4, repeated=False)]


def test_text_that_no_file_can_hold_is_refused_like_anything_else(fleet: Desk) -> None:
    answer = fleet.record(e.ModelSuspended(model=MODEL, reason="\ud800"), ADA)
    assert refusal(answer).startswith("it cannot be written: ")
    assert fleet.kinds(since=2) == ["command_refused"]
    (answer,) = fleet.give(Draft(registered(), "job:\ud800", "\ud800"))
    assert refusal(answer).startswith("it cannot be written: ")
    assert isinstance(fleet.record(registered()), Receipt)


def test_a_bad_command_leaves_its_neighbours_in_the_commit_alone(fleet: Desk) -> None:
    nan = EvaluationReport(metrics={"mae": math.nan}, rows=1)
    answers = fleet.writer.commit(
        [
            [Draft(registered(1), JOB, "a")],
            [Draft(registered(7), JOB, "b"), Draft(registered(2), JOB, "c")],
            [Draft(e.VersionEvaluated(model=MODEL, version=1, report=nan), JOB, "d")],
            [Draft(e.SpecApplied(name="x", digest=digest("x"), spec={}), JOB, "e")],
            [],
            [Draft(evaluated(1), JOB, "f")],
        ]
    )
    ok = [[isinstance(answer, Receipt) for answer in command] for command in answers]
    assert ok == [[True], [False, True], [False], [False], [], [True]]
    model = fleet.writer.state.model(MODEL)
    assert [version.status for version in model.versions.values()] == [Status.APPROVED, Status.REGISTERED]


def test_who_registered_a_version_does_not_approve_it_and_others_do(desk: Desk) -> None:
    approval = {"otherwise": {"approvers": 2}}
    desk.record(applied(a_spec(risk_tier="high", approval=approval)))
    desk.record(declared())
    desk.record(registered(), ADA)
    desk.record(evaluated())
    assert desk.last() == approval_requested(approvers=2).model_copy(
        update={
            "reason": "all 1 gates passed; not automatic, since the policy has no automatic approval",
            "policy": a_spec(risk_tier="high", approval=approval).policy_digest,
        }
    )
    assert refusal(desk.record(approval_given(), ADA)) == "who registered a version may not approve it"
    assert isinstance(desk.record(approval_given(), JOB), Forbidden)
    assert isinstance(desk.record(approval_given(), BOB), Receipt)
    assert "user:bob approved it already" in refusal(desk.record(approval_given(), BOB))
    size = desk.log.size
    assert isinstance(desk.record(approval_given(), "user:carol"), Receipt)
    assert desk.kinds(since=size) == ["approval_given", "version_approved", "grant_issued"]
    assert isinstance(desk.record(approval_given(), "user:dan"), Refused)


def test_a_finding_gets_its_verdict_in_the_same_commit(fleet: Desk) -> None:
    fleet.record(a_finding(), MONITOR)
    assert fleet.kinds(since=2) == ["finding_opened", "verdict_reached"]
    assert fleet.writer.state.model(MODEL).due == "finding-1"


def test_a_commit_that_the_disk_refuses_leaves_the_state_as_it_was(
    fleet: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deepcopy(fleet.writer.state)

    def full(*arguments: object, **more: object) -> None:
        raise LedgerUnavailable(fleet.url, "no space left on device")

    draft = Draft(registered(), JOB, "key")
    with monkeypatch.context() as patch:
        patch.setattr(fleet.log, "append", full)
        with pytest.raises(LedgerUnavailable):
            fleet.give(draft)
    assert fleet.writer.state == before
    assert fleet.give(draft) == [Receipt("key", 2, repeated=False)]


def test_a_writer_that_starts_again_has_the_same_state_and_knows_the_same_keys(fleet: Desk) -> None:
    fleet.give(Draft(registered(), JOB, "key"))
    fleet.record(evaluated())
    again = Writer(fleet.log, lambda grant: sign_grant(grant, fleet.key))
    assert again.state == fleet.writer.state
    assert again.commit([[Draft(registered(), JOB, "key")]]) == [[Receipt("key", 2, repeated=True)]]


def test_an_illegal_move_is_told_with_the_legal_ones(fleet: Desk) -> None:
    fleet.record(registered())
    fleet.record(evaluated())
    answer = fleet.record(evaluated())
    assert isinstance(answer, IllegalMove)
    assert "it is approved; legal moves are: canary, promote" in answer.reason
