"""Who may record what: duties are separated, and who registered a version may not approve it."""

import pytest

from runtime.domain import events as e
from runtime.domain.errors import Forbidden
from runtime.domain.tokens import (
    GIVEN,
    OWN_SECRET,
    Authenticated,
    AuthenticationSet,
    Role,
    RoleGiven,
    RoleTaken,
    TokenRevoked,
)
from runtime.policy.access import _ALLOWED, check, roles_of
from tests.unit.domain.lives import (
    KINDS,
    MODEL,
    MONDAY,
    History,
    a_finding,
    a_spec,
    applied,
    approval_given,
    approval_requested,
    approved,
    evaluated,
    granted,
    measured,
    promoted,
    refused,
    registered,
    rolled_back,
    started,
)

ADA, BOB, JOB, REPLAY = "user:ada", "user:bob", "job:train", "job:replay"
GOVERNOR, OPERATOR, MONITOR, REPLICA = (
    f"service:{name}" for name in ("governor", "operator", "monitor", "replica:pool#1")
)


def may(event: e.Event, principal: str, history: History | None = None) -> bool:
    try:
        check((history or asked()).state, event, principal)
    except Forbidden:
        return False
    return True


def asked(by: str = ADA) -> History:
    """A version that ``by`` registered, and that waits for two approvals."""
    return History.of().after(registered(), by=by).after(evaluated(), approval_requested(approvers=2))


@pytest.mark.parametrize(
    ("principal", "roles"),
    [
        (ADA, {*GIVEN}),
        (JOB, {Role.DEVELOPER}),
        (REPLAY, {Role.OPERATOR}),
        (GOVERNOR, {Role.GOVERNOR}),
        (OPERATOR, {Role.OPERATOR}),
        (MONITOR, {Role.MONITOR}),
        (REPLICA, {Role.REPLICA}),
        ("ada", set()),
        ("", set()),
        ("service:", set()),
        ("service:console", set()),
    ],
)
def test_a_principal_holds_the_roles_of_its_prefix_and_no_others(principal: str, roles: set[Role]) -> None:
    assert roles_of(principal) == roles


@pytest.mark.parametrize(
    ("event", "allowed"),
    [
        (applied(a_spec()), {ADA, JOB}),
        (registered(2), {ADA, JOB}),
        (evaluated(), {ADA, JOB}),
        (approval_given(), {BOB}),
        (refused(), {ADA, BOB, GOVERNOR}),
        (approved(), {GOVERNOR}),
        (granted(), {GOVERNOR}),
        (started(), {BOB, REPLAY, OPERATOR}),  # ada registered the version
        (promoted(), {BOB, REPLAY, OPERATOR}),
        (rolled_back(), {ADA, REPLAY, OPERATOR}),
        (e.ModelSuspended(model=MODEL, reason=""), {ADA, REPLAY, OPERATOR}),
        (e.WatermarkAdvanced(until=MONDAY), {ADA, REPLAY, OPERATOR}),
        (a_finding(), {MONITOR}),
        (measured(), {MONITOR}),
        (e.LoadRefused(model=MODEL, version=1, replica="r", reason=""), {REPLICA}),
        (e.CommandRefused(command="c", reason=""), {GOVERNOR}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_event_is_recorded_by_its_role_alone(event: e.Event, allowed: set[str]) -> None:
    everybody = {ADA, JOB, REPLAY, GOVERNOR, OPERATOR, MONITOR, REPLICA, "nobody", ""}
    assert {principal for principal in everybody | allowed if may(event, principal)} >= allowed
    assert not {principal for principal in everybody - allowed - {ADA, BOB} if may(event, principal)}


def test_who_registered_a_version_may_not_approve_it() -> None:
    with pytest.raises(Forbidden, match="who registered a version may not approve it"):
        check(asked(by=ADA).state, approval_given(), ADA)
    assert may(approval_given(), BOB, asked(by=ADA))


@pytest.mark.parametrize("principal", [JOB, REPLAY, OPERATOR, MONITOR, REPLICA, GOVERNOR, ""])
def test_only_people_approve(principal: str) -> None:
    assert not may(approval_given(), principal, asked(by="job:other"))


def test_a_job_moves_no_traffic() -> None:
    for event in (started(), promoted(), rolled_back(), e.RolloutAdvanced(model=MODEL, version=1, step=1, reason="")):
        assert not may(event, JOB)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_somebodys_to_record(kind: type) -> None:
    assert any(kind in kinds for kinds in _ALLOWED.values())


def test_a_refusal_names_the_role_that_is_needed_and_those_held() -> None:
    with pytest.raises(Forbidden) as caught:
        check(asked().state, promoted(), JOB)
    assert str(caught.value) == (
        "version_promoted by job:train refused: it needs the role operator; held: ['developer']"
    )


# --- where authentication is required ----------------------------------------------------------------------


def proved(principal: str, *roles: Role) -> Authenticated:
    return Authenticated(principal, frozenset(roles))


def required() -> History:
    return asked().after(AuthenticationSet(mode="required"))


SUSPENDED = e.ModelSuspended(model=MODEL, reason="")


@pytest.mark.parametrize(
    ("principal", "proof", "why"),
    [
        (BOB, None, "expected a valid key or token"),
        (BOB, proved(ADA, *GIVEN), "the credential is that of user:ada"),
        (BOB, OWN_SECRET, "the credential is that of the cluster itself"),
        (BOB, proved(BOB, Role.CLIENT), "it needs the role operator"),
        (OPERATOR, None, "the cluster's own secret"),
        (OPERATOR, proved(OPERATOR, *GIVEN), "the cluster's own secret"),
        (REPLAY, proved(BOB, *GIVEN), "the cluster's own secret"),
        (GOVERNOR, OWN_SECRET, "the governor hands nothing in"),
    ],
)
def test_nobody_acts_in_a_name_that_they_did_not_prove(principal: str, proof: Authenticated | None, why: str) -> None:
    with pytest.raises(Forbidden, match=why):
        check(required().state, SUSPENDED, principal, proof)


def test_a_key_acts_with_its_roles_and_with_those_that_its_person_was_given() -> None:
    history = required()
    check(history.state, SUSPENDED, BOB, proved(BOB, Role.OPERATOR))
    with pytest.raises(Forbidden, match="held: \\['client'\\]"):
        check(history.state, approval_given(), BOB, proved(BOB, Role.CLIENT))
    history.after(RoleGiven(principal=BOB, role=Role.APPROVER, reason=""))
    check(history.state, approval_given(), BOB, proved(BOB, Role.CLIENT))
    history.after(RoleTaken(principal=BOB, role=Role.APPROVER, reason=""))
    with pytest.raises(Forbidden):
        check(history.state, approval_given(), BOB, proved(BOB, Role.CLIENT))


def test_a_person_with_every_role_still_does_not_approve_what_they_registered() -> None:
    with pytest.raises(Forbidden, match="who registered a version may not approve it"):
        check(required().state, approval_given(), ADA, proved(ADA, *GIVEN))


def test_services_and_jobs_act_by_the_clusters_own_secret() -> None:
    state = required().state
    for principal, event in ((OPERATOR, SUSPENDED), (MONITOR, a_finding()), (JOB, registered(2))):
        check(state, event, principal, OWN_SECRET)
    with pytest.raises(Forbidden, match="it needs the role"):
        check(state, SUSPENDED, JOB, OWN_SECRET)


@pytest.mark.parametrize("role", sorted(GIVEN - {Role.ADMIN}))
def test_only_an_admin_makes_keys_and_gives_roles(role: Role) -> None:
    events = (
        TokenRevoked(token="a" * 16, reason=""),
        RoleGiven(principal=BOB, role=Role.ADMIN, reason=""),
        RoleTaken(principal=BOB, role=Role.ADMIN, reason=""),
    )
    for event in events:
        check(required().state, event, BOB, proved(BOB, Role.ADMIN))
        with pytest.raises(Forbidden, match="it needs the role admin"):
            check(required().state, event, BOB, proved(BOB, role))
