"""How long a version may serve: renewed, revoked, let through by two people, retired; each refusal is an entry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runtime.control.views.models import approvals
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain.entry import Draft
from runtime.domain.errors import Forbidden
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import VersionState
from runtime.domain.routes import Route, routes_after
from runtime.governance.writer import Answer, Receipt
from runtime.policy.deadlines import due
from runtime.policy.triage import Standing, standing
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    STEPS,
    a_finding,
    a_spec,
    applied,
    approval_given,
    declared,
    evaluated,
    promoted,
    registered,
    rolled_back,
    started,
)
from tests.unit.governance.desk import Desk, refusal

ADA, BOB, CY, OPERATOR = "user:ada", "user:bob", "user:cy", "service:operator"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def opened(version: int = 1, seconds: int = 3600) -> e.BreakGlassOpened:
    return e.BreakGlassOpened(model=MODEL, version=version, valid_seconds=seconds, reason="outage")


def signed(version: int = 1) -> e.BreakGlassSigned:
    return e.BreakGlassSigned(model=MODEL, version=version, reason="seen it")


def asked(version: int = 1) -> e.RenewalAsked:
    return e.RenewalAsked(model=MODEL, version=version, reason="its right ends")


def revoked(version: int = 1) -> e.ApprovalRevoked:
    return e.ApprovalRevoked(model=MODEL, version=version, reason="recalled")


def made(desk: Desk, version: int = 1, by: str = "job:train") -> None:
    ok(desk.record(registered(version), by))
    ok(desk.record(evaluated(version), by))


def fleet(desk: Desk, **changes: Any) -> None:
    ok(desk.record(applied(a_spec(**changes))))
    ok(desk.record(declared()))


def served(desk: Desk, version: int = 1, **changes: Any) -> None:
    """A champion, approved by policy or, in a higher tier, by ada."""
    if version == 1:
        fleet(desk, **changes)
    made(desk, version)
    if of(desk, version).status is Status.AWAITING_APPROVAL:
        ok(desk.record(approval_given(version), ADA))
    ok(desk.record(started(version, FULL), OPERATOR))
    ok(desk.record(promoted(version), OPERATOR))


def ok(answer: Answer) -> Receipt:
    assert isinstance(answer, Receipt), answer
    return answer


def of(desk: Desk, version: int = 1) -> VersionState:
    return desk.writer.state.model(MODEL).version(version)


def route(desk: Desk) -> Route:
    (found,) = routes_after(desk.writer.state, "default", 0, 0).routes
    return found


def ticks(desk: Desk) -> list[Answer]:
    """What the operator asks for as of now."""
    drafts = due(desk.writer.state, desk.now)
    return desk.give(*drafts) if drafts else []


def findings(desk: Desk) -> list[tuple[str, Standing]]:
    model = desk.writer.state.model(MODEL)
    found = desk.writer.state.findings.values()
    return [((each.opened.breaches or ())[0].check.value, standing(each, model, MONDAY)) for each in found]


# --- renewal ---------------------------------------------------------------------------------------------


def test_a_champion_near_its_end_is_renewed_by_the_policy_that_approved_it(desk: Desk) -> None:
    served(desk)
    before = of(desk).signed
    assert before is not None
    desk.now = before.grant.valid_until - 15 * DAY
    assert ticks(desk) == []
    desk.now += DAY
    size = desk.log.size
    assert len(ticks(desk)) == 1
    assert desk.kinds(size) == ["renewal_asked", "version_approved", "grant_issued"]
    after = of(desk).signed
    assert after is not None
    assert after.grant.grant_id != before.grant.grant_id
    assert (after.grant.valid_from, after.grant.valid_until) == (desk.now, desk.now + 90 * DAY)
    assert of(desk).status is Status.CHAMPION
    assert route(desk).champion == route(desk).champion
    assert ticks(desk) == []


def test_people_are_asked_again_where_people_approved_and_the_finding_waits_for_them(desk: Desk) -> None:
    served(desk, risk_tier="high")
    desk.now += 80 * DAY
    size = desk.log.size
    ticks(desk)
    assert desk.kinds(size) == ["renewal_asked", "approval_requested", "finding_opened", "verdict_reached"]
    assert findings(desk) == [("grant", Standing.OPEN)]
    (waits,) = approvals(desk.writer.state)
    assert (waits["renewal"], waits["missing"]) == (True, {"approver": 1})
    assert ticks(desk) == []
    ok(desk.record(approval_given(), BOB))
    assert desk.kinds()[-3:] == ["approval_given", "version_approved", "grant_issued"]
    assert of(desk).approvers == (BOB,)
    assert (of(desk).status, of(desk).needed) == (Status.CHAMPION, 0)


def test_what_is_to_be_renewed_is_asked_for_once_and_by_people_too(desk: Desk) -> None:
    served(desk, risk_tier="high")
    ok(desk.record(asked(), BOB))
    assert refusal(desk.record(asked(), CY)) == "people are asked already"
    ok(desk.record(e.RenewalRefused(model=MODEL, version=1, reason="too old"), BOB))
    assert "nobody is asked" in refusal(desk.record(approval_given(), BOB))
    desk.now += 80 * DAY
    assert ticks(desk) == [], "what people would not renew is not asked for again"
    ok(desk.record(asked(), BOB))


def test_a_right_that_ended_is_renewed_too(desk: Desk) -> None:
    served(desk)
    desk.now += 100 * DAY
    ticks(desk)
    grant = of(desk).signed
    assert grant is not None
    assert grant.grant.valid_until == desk.now + 90 * DAY


@pytest.mark.parametrize("what", ["suspended", "due"])
def test_a_policy_renews_nothing_that_people_must_look_at(desk: Desk, what: str) -> None:
    served(desk)
    if what == "suspended":
        ok(desk.record(e.ModelSuspended(model=MODEL, reason="smoke"), OPERATOR))
    else:
        ok(desk.record(a_finding(), "service:monitor"))
    desk.now += 80 * DAY
    ticks(desk)
    assert of(desk).request is not None


def test_only_what_was_approved_is_renewed(desk: Desk) -> None:
    fleet(desk, risk_tier="high")
    made(desk)
    assert "it is awaiting_approval, not approved" in refusal(desk.record(asked(), BOB))


# --- revocation ------------------------------------------------------------------------------------------


def test_a_revoked_champion_is_routed_nowhere_and_comes_back_by_people_alone(desk: Desk) -> None:
    served(desk)
    size = desk.log.size
    ok(desk.record(revoked(), BOB))
    assert desk.kinds(size) == ["approval_revoked", "grant_revoked"]
    assert (route(desk).champion, route(desk).reason) == (None, "its champion holds no live grant")
    assert refusal(desk.record(revoked(), BOB)) == "it is revoked already"
    ok(desk.record(asked(), BOB))
    assert of(desk).request is not None, "no policy lets serve what people stopped"
    ok(desk.record(approval_given(), CY))
    assert route(desk).champion is not None


def test_a_revoked_challenger_ends_its_rollout(desk: Desk) -> None:
    served(desk)
    made(desk, 2)
    ok(desk.record(started(2, STEPS), OPERATOR))
    size = desk.log.size
    ok(desk.record(revoked(2), BOB))
    assert desk.kinds(size) == ["approval_revoked", "grant_revoked", "rollout_aborted"]
    assert route(desk).challenger is None
    assert desk.writer.state.model(MODEL).champion == 1


def test_a_former_champion_takes_over_from_one_that_was_revoked(desk: Desk) -> None:
    served(desk)
    served(desk, 2)
    ok(desk.record(revoked(2), BOB))
    ok(desk.record(rolled_back(2, 1), OPERATOR))
    found = route(desk).champion
    assert found is not None
    assert found.signed.grant.version == 1


# --- breaking the glass ----------------------------------------------------------------------------------


def test_two_people_let_a_version_serve_for_a_short_while_and_the_finding_stays_until_reviewed(desk: Desk) -> None:
    served(desk, risk_tier="high")
    made(desk, 2)
    ok(desk.record(opened(2), ADA))
    size = desk.log.size
    ok(desk.record(signed(2), BOB))
    assert desk.kinds(size) == [
        "break_glass_signed",
        "version_approved",
        "finding_opened",
        "grant_issued",
        "verdict_reached",
        "version_promoted",
    ]
    found = route(desk).champion
    assert found is not None
    assert (found.signed.grant.version, found.signed.grant.valid_until) == (2, desk.now + HOUR)
    assert of(desk, 2).request is not None, "the approval that its policy asks for is still asked for"
    ((name, _),) = [(each, None) for each in desk.writer.state.findings]
    assert findings(desk) == [("break_glass", Standing.OPEN)]

    def answered(answer: f.Answer, by: str) -> Answer:
        until = desk.now + DAY if answer is f.Answer.SNOOZED else None
        return desk.record(f.FindingAnswered(finding=name, model=MODEL, answer=answer, until=until, reason="r"), by)

    assert "stays open until it was reviewed" in refusal(answered(f.Answer.SNOOZED, CY))
    for taking_part in (ADA, BOB):
        assert "who broke the glass may not review it" in refusal(answered(f.Answer.RESOLVED, taking_part))
    ok(answered(f.Answer.ACKNOWLEDGED, CY))
    assert findings(desk) == [("break_glass", Standing.ACKNOWLEDGED)]
    ok(desk.record(e.ModelSuspended(model=MODEL, reason="smoke"), OPERATOR))
    ok(answered(f.Answer.RESOLVED, CY))
    assert findings(desk) == [("break_glass", Standing.RESOLVED)]


def test_a_full_approval_takes_the_place_of_a_broken_glass(desk: Desk) -> None:
    served(desk, risk_tier="high")
    made(desk, 2)
    ok(desk.record(opened(2), ADA))
    ok(desk.record(signed(2), BOB))
    ok(desk.record(approval_given(2), CY))
    grant = of(desk, 2).signed
    assert grant is not None
    assert grant.grant.valid_until == desk.now + 90 * DAY
    assert of(desk, 2).approval is not None
    assert of(desk, 2).request is None


def test_a_running_rollout_makes_room(desk: Desk) -> None:
    served(desk)
    for version in (2, 3):
        made(desk, version)
    ok(desk.record(started(2, STEPS), OPERATOR))
    ok(desk.record(opened(3), ADA))
    ok(desk.record(signed(3), BOB))
    model = desk.writer.state.model(MODEL)
    assert (model.champion, model.rollout, model.version(2).status) == (3, None, Status.ROLLED_BACK)


def test_a_version_under_rollout_is_promoted_at_once(desk: Desk) -> None:
    served(desk)
    made(desk, 2)
    ok(desk.record(started(2, STEPS), OPERATOR))
    ok(desk.record(opened(2), ADA))
    ok(desk.record(signed(2), BOB))
    model = desk.writer.state.model(MODEL)
    assert (model.champion, model.rollout) == (2, None)
    assert model.version(2).request is not None, "it is asked for in the usual way, too"


@pytest.mark.parametrize(
    ("who", "event", "reason"),
    [
        (ADA, signed(), "nobody wants it to serve at once"),
        ("user:dora", opened(), "who registered a version may not break the glass for it"),
        (OPERATOR, opened(), "people break the glass"),
        (ADA, opened(seconds=5 * 3600), "5:00:00 is longer than its spec allows, 4:00:00"),
        (ADA, opened(2), "has no version 2"),
    ],
)
def test_the_glass_holds_against(desk: Desk, who: str, event: e.Event, reason: str) -> None:
    fleet(desk, risk_tier="high")
    made(desk, by="user:dora")
    answer = desk.record(event, who)
    assert reason in str(answer)
    last = desk.last()
    assert isinstance(last, e.CommandRefused)
    assert last.command == event.kind


def test_the_second_person_is_another_one_and_comes_within_the_hour(desk: Desk) -> None:
    fleet(desk, risk_tier="high")
    made(desk)
    ok(desk.record(opened(), ADA))
    assert refusal(desk.record(signed(), ADA)) == "user:ada wants it: another person signs"
    desk.now += HOUR
    assert "more than an hour ago" in refusal(desk.record(signed(), BOB))
    ok(desk.record(opened(), ADA))
    ok(desk.record(signed(), BOB))
    assert "nobody wants it" in refusal(desk.record(signed(), BOB)), "one signature, one use"


def test_a_spec_that_forbids_it_is_not_to_be_moved(desk: Desk) -> None:
    fleet(desk, risk_tier="high", approval={"break_glass": "forbidden"})
    made(desk)
    answer = desk.record(opened(), ADA)
    assert isinstance(answer, Forbidden)
    assert "its spec forbids it" in answer.reason


def test_a_spec_that_forbids_it_by_the_time_of_the_signature_is_heard(desk: Desk) -> None:
    fleet(desk, risk_tier="high")
    made(desk)
    ok(desk.record(opened(), ADA))
    ok(desk.record(applied(a_spec(risk_tier="high", approval={"break_glass": {"at_most": "10m"}}))))
    assert "longer than its spec allows" in refusal(desk.record(signed(), BOB))


def test_what_its_gates_refused_is_never_let_through(desk: Desk) -> None:
    fleet(desk)
    ok(desk.record(registered()))
    assert "its gates must have passed" in refusal(desk.record(opened(), ADA))
    ok(desk.record(evaluated(passed=False)))
    assert "it is refused: its gates must have passed" in refusal(desk.record(opened(), ADA))


# --- time-outs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "kinds", "status"),
    [
        ({"within": "1d"}, ["version_refused"], Status.REFUSED),
        (
            {"within": "1d", "then": "escalate", "escalate_to": {"role": "admin"}},
            ["approval_requested"],
            Status.AWAITING_APPROVAL,
        ),
        ({"within": "1d", "then": "stay"}, ["finding_opened", "verdict_reached"], Status.AWAITING_APPROVAL),
    ],
    ids=["refuse", "escalate", "stay"],
)
def test_a_request_that_nobody_decides_ends_once(
    desk: Desk, people: dict[str, Any], kinds: list[str], status: Status
) -> None:
    fleet(desk, risk_tier="high", approval={"otherwise": people})
    made(desk)
    desk.now += DAY - timedelta(seconds=1)
    assert ticks(desk) == []
    early = due(desk.writer.state, desk.now + HOUR)  # an operator whose clock is an hour ahead
    assert "it stands until" in refusal(desk.give(*early)[0])
    desk.now += timedelta(seconds=1)
    size = desk.log.size
    ticks(desk)
    assert desk.kinds(size) == ["approval_timed_out", *kinds]
    assert of(desk).status is status
    assert ticks(desk) == []


def test_a_renewal_that_nobody_decides_lets_the_right_run_out(desk: Desk) -> None:
    served(desk, risk_tier="high", approval={"otherwise": {"within": "1d"}})
    desk.now += 80 * DAY
    ticks(desk)
    desk.now += DAY
    size = desk.log.size
    ticks(desk)
    assert desk.kinds(size) == ["approval_timed_out", "renewal_refused"]
    assert of(desk).status is Status.CHAMPION
    assert route(desk).champion is not None
    assert findings(desk) == [("grant", Standing.OPEN)]
    assert ticks(desk) == []


# --- retirement ------------------------------------------------------------------------------------------


def notice(days: int = 30) -> e.RetirementAnnounced:
    return e.RetirementAnnounced(model=MODEL, until=MONDAY + days * DAY, reason="route closed", successor="other")


def test_a_model_goes_on_until_the_end_that_its_callers_were_told(desk: Desk) -> None:
    served(desk)
    ok(desk.record(notice(), ADA))
    told = route(desk).sunset
    assert told is not None
    assert (told.since, told.until, told.successor) == (MONDAY, MONDAY + 30 * DAY, "other")
    assert route(desk).champion is not None
    desk.now += 30 * DAY - timedelta(seconds=1)
    assert ticks(desk) == []
    early = due(desk.writer.state, desk.now + HOUR)
    assert "its callers were told 2026-04-01 00:00:00" in refusal(desk.give(*early)[0])
    desk.now += timedelta(seconds=1)
    size = desk.log.size
    ticks(desk)
    assert desk.kinds(size) == ["model_retired", "grant_revoked"]
    assert (route(desk).retired, route(desk).champion, route(desk).sunset) == (True, None, told)
    last = next(iter(desk.log.entries(size))).event
    assert isinstance(last, e.ModelRetired)
    assert last.successor == "other"
    assert last.reason == "route closed (announced on 2026-03-02 by user:ada)"


def test_an_end_is_moved_by_another_notice_and_taken_back(desk: Desk) -> None:
    served(desk)
    assert refusal(desk.record(e.RetirementCancelled(model=MODEL, reason="r"), ADA)) == "it was not to be retired"
    assert "is over already" in refusal(desk.record(notice(0), ADA))
    ok(desk.record(notice(10), ADA))
    first = due(desk.writer.state, MONDAY + 20 * DAY)
    ok(desk.record(notice(40), ADA))
    desk.now += 20 * DAY
    assert "another end" in refusal(desk.give(*first)[0])
    ok(desk.record(e.RetirementCancelled(model=MODEL, reason="it stays"), ADA))
    assert route(desk).sunset is None
    desk.now += 30 * DAY
    assert [draft.event.kind for draft in due(desk.writer.state, desk.now)] == []


# --- reviews ---------------------------------------------------------------------------------------------


def reviewed(found: e.Fitness = e.Fitness.FIT) -> e.ModelReviewed:
    return e.ModelReviewed(model=MODEL, version=1, found=found, reason="looked at")


def test_a_review_that_is_overdue_is_told_once_until_it_is_made(desk: Desk) -> None:
    served(desk, review_every="30d")
    desk.now += 30 * DAY
    ticks(desk)
    assert findings(desk) == [("review", Standing.OPEN)]
    desk.now += DAY
    assert ticks(desk) == []
    ok(desk.record(reviewed(), ADA))
    assert ticks(desk) == []
    desk.now += 30 * DAY
    ticks(desk)
    assert len(findings(desk)) == 2


def test_who_made_it_does_not_review_it_and_unfit_calls_a_person(desk: Desk) -> None:
    fleet(desk)
    made(desk, by=ADA)
    assert "may not review it" in refusal(desk.record(reviewed(), ADA))
    ok(desk.record(reviewed(e.Fitness.UNFIT), BOB))
    assert findings(desk) == [("review", Standing.OPEN)]


def test_who_registered_a_version_does_not_route_it(desk: Desk) -> None:
    fleet(desk)
    made(desk, by=ADA)
    assert refusal(desk.record(started(1, FULL), ADA)) == "who registered a version may not route it"
    ok(desk.record(started(1, FULL), BOB))
    assert refusal(desk.record(promoted(), ADA)) == "who registered a version may not route it"


def test_a_person_opens_no_finding_about_data(desk: Desk) -> None:
    served(desk)
    assert "found by the monitor alone" in refusal(desk.record(a_finding(), ADA))


def test_two_people_who_agree_at_once_make_one_approval(desk: Desk) -> None:
    fleet(desk, risk_tier="high", approval={"otherwise": {"approvers": 2}})
    made(desk)
    size = desk.log.size
    first, second, third = desk.writer.commit([[Draft.fresh(approval_given(), who)] for who in (ADA, BOB, CY)])
    ok(first[0])
    ok(second[0])
    assert "it is approved, and nobody is asked" in refusal(third[0])
    assert desk.kinds(size) == [
        "approval_given",
        "approval_given",
        "version_approved",
        "grant_issued",
        "command_refused",
    ]
