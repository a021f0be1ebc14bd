"""Laws of approval: however people, roles and time interleave, only those who may decide do, and in time.

A small fleet whose ledger asks for proof: people agree, lose and get roles, break the glass, revoke and renew, while
the operator asks for what time brought about. Commands come alone or many at once.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain import tokens as t
from runtime.domain.entry import Draft, Entry
from runtime.domain.ids import new_id
from runtime.domain.people import People, Seat, TimeOut
from runtime.domain.tokens import OWN_SECRET, Authenticated, Role
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import sign_grant
from runtime.policy.deadlines import due
from runtime.policy.plan import plan
from tests.laws.test_policy_governance import KEY
from tests.unit.domain.lives import MODEL, MONDAY, a_spec, applied, declared, evaluated, registered

PEOPLE = ("user:ada", "user:bob", "user:cy", "user:dora")
REGISTRAR = "user:dora"
ROLES = (Role.APPROVER, Role.OPERATOR)
TERMS = (
    People(),
    People(approvers=2),
    People(also=(Seat(role="operator"),), within=timedelta(hours=3)),
    People(approvers=2, within=timedelta(hours=2), then=TimeOut.STAY),
    People(approvers=2, within=timedelta(hours=2), then=TimeOut.ESCALATE, escalate_to=Seat(role="operator")),
    People(approvers=2, among=("user:ada", "user:bob", "user:dora")),
)


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, Any]:
    """What somebody does; who may not is refused by the governor."""
    who, role, version = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(ROLES)), draw(st.integers(1, 2))
    of: dict[str, Any] = {"model": MODEL, "version": version}
    return draw(
        st.sampled_from(
            [
                (who, e.ApprovalGiven(**of, reason="fine", role=role)),
                (who, e.ApprovalGiven(**of, reason="fine", role=role)),
                (who, e.ApprovalGiven(**of, reason="fine")),
                ("user:root", t.RoleGiven(principal=who, role=role, reason="")),
                ("user:root", t.RoleTaken(principal=who, role=role, reason="")),
                (who, e.BreakGlassOpened(**of, valid_seconds=3600, reason="outage")),
                (who, e.BreakGlassSigned(**of, reason="seen it")),
                (who, e.ApprovalRevoked(**of, reason="recalled")),
                (who, e.RenewalAsked(**of, reason="longer")),
                (who, e.VersionRefused(**of, reason="no")),
                ("time", timedelta(minutes=draw(st.sampled_from([1, 61, 200])))),
            ]
        )
    )


def proven(who: str, event: Any) -> Draft:
    if who == "user:root":
        return Draft(event, who, new_id(), Authenticated(who, frozenset({Role.ADMIN})))
    return Draft(event, who, new_id(), Authenticated(who, frozenset()))


class Fleet:
    """A writer whose clock the test moves, and the operator beside it."""

    def __init__(self, log: Log, people: People) -> None:
        self.now = MONDAY
        self.writer = Writer(log, lambda grant: sign_grant(grant, KEY))
        self.log = log
        spec = a_spec(risk_tier="high", approval={"otherwise": people.as_document(), "break_glass": {"at_most": "2h"}})
        self.give([Draft(t.AuthenticationSet(mode="required"), "service:governor", new_id(), t.GOVERNOR_ITSELF)])
        made = (applied(spec), declared(), registered(1), evaluated(1), registered(2), evaluated(2))
        proof = Authenticated(REGISTRAR, frozenset({Role.DEVELOPER}))
        self.give([Draft(event, REGISTRAR, new_id(), proof) for event in made])
        self.give([proven("user:root", t.RoleGiven(principal=who, role=ROLES[0], reason="")) for who in PEOPLE])

    def give(self, drafts: list[Draft]) -> list[Any]:
        (answers,) = self.writer.commit([drafts])
        return answers

    def operate(self) -> None:
        for _ in range(20):
            moves = [*plan(self.writer.state).moves, *due(self.writer.state, self.now)]
            if not moves:
                return
            answers = self.give([draft.proven(OWN_SECRET) for draft in moves])
            assert all(isinstance(answer, Receipt) for answer in answers), answers
        raise AssertionError("the operator does not come to rest")


@contextmanager
def a_fleet(people: People) -> Iterator[Fleet]:
    clock: list[Fleet] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Log.open(f"sqlite:///{folder}/ledger.sqlite", lambda: clock[0].now if clock else MONDAY) as log,
    ):
        fleet = Fleet(log, people)
        clock.append(fleet)
        yield fleet


def check_approvals(entries: list[Entry]) -> None:
    """Read from the entries alone: who held what when somebody was approved, who was asked, and until when."""
    held: dict[str, set[str]] = {}
    asked: dict[int, e.ApprovalRequested] = {}
    agreed: dict[int, dict[str, str]] = {}
    opened: dict[int, str] = {}
    signed: dict[int, tuple[str, str]] = {}
    for entry in entries:
        event, version = entry.event, getattr(entry.event, "version", 0)
        if isinstance(event, t.RoleGiven):
            held.setdefault(event.principal, set()).add(event.role)
        elif isinstance(event, t.RoleTaken):
            held[event.principal].remove(event.role)
        elif isinstance(event, e.ApprovalRequested):
            asked[version], agreed[version] = event, {}
        elif isinstance(event, e.ApprovalGiven):
            people, until = asked[version].people, asked[version].until
            assert until is None or entry.time < until or people.then is TimeOut.STAY
            assert entry.principal != REGISTRAR
            assert (event.role or people.role) in held[entry.principal]
            agreed[version][entry.principal] = event.role or people.role
        elif isinstance(event, e.BreakGlassOpened):
            opened[version] = entry.principal
        elif isinstance(event, e.BreakGlassSigned):
            signed[version] = (opened[version], entry.principal)
            assert len({*signed[version], REGISTRAR}) == 3
        elif isinstance(event, e.VersionApproved) and event.break_glass:
            assert event.approved_by == signed[version]
            assert event.valid_until == entry.time + timedelta(hours=1)
        elif isinstance(event, e.VersionApproved):
            given = agreed[version]
            assert len(set(event.approved_by)) == len(event.approved_by)
            seats = Counter(given[who] for who in event.approved_by if given[who] in held[who])
            people = asked[version].people
            assert sum(seats.values()) == len(event.approved_by), "who lost the role counts no more"
            assert all(seats[seat.role] >= seat.approvers for seat in people.seats)
            assert people.among is None or {*event.approved_by} <= {*people.among}


def check_grants(entries: list[Entry]) -> None:
    """What may serve was approved, and is held no more once that was revoked."""
    approved: set[int] = set()
    granted: dict[int, set[str]] = {}
    for entry in entries:
        event, version = entry.event, getattr(entry.event, "version", 0)
        if isinstance(event, e.VersionApproved):
            approved.add(version)
        elif isinstance(event, e.ApprovalRevoked):
            approved.discard(version)
        elif isinstance(event, e.GrantIssued):
            assert version in approved
            granted.setdefault(version, set()).add(event.signed.grant.grant_id)
        elif isinstance(event, e.VersionPromoted):
            assert version in approved


@settings(max_examples=40)
@given(
    people=st.sampled_from(TERMS),
    rounds=st.lists(st.lists(commands(), min_size=1, max_size=6), max_size=10),
    together=st.booleans(),
)
def test_only_those_decide_who_may_and_in_time(
    people: People, rounds: list[list[tuple[str, Any]]], together: bool
) -> None:
    with a_fleet(people) as fleet:
        for each in rounds:
            fleet.now += sum((what for who, what in each if who == "time"), timedelta(0))
            drafts = [proven(who, what) for who, what in each if who != "time"]
            batches = [drafts] if together else [[draft] for draft in drafts]
            before = fleet.writer.state.totals.refused_commands
            answers = [answer for batch in batches for answer in fleet.give(batch)]
            refused = sum(not isinstance(answer, Receipt) for answer in answers)
            assert fleet.writer.state.totals.refused_commands == before + refused, "every refusal is an entry"
            fleet.operate()
        entries = list(fleet.log.entries())
    check_approvals(entries)
    check_grants(entries)
