"""Whether the people that an approval asks for can be found: ever, and as the ledger knows them today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from runtime.domain.people import People, TimeOut
from runtime.domain.spec import Spec
from runtime.domain.state import TokenState
from runtime.domain.tokens import GIVEN, Role

Holders = Mapping[str, frozenset[str]]
"""People by the role they hold."""


def holders_of(roles: Mapping[str, tuple[Role, ...]], tokens: Iterable[TokenState], now: datetime) -> Holders:
    """People by role, as far as the ledger knows them: by roles that were given, and by keys that let them in."""
    held: dict[str, set[str]] = {}
    for person, given in roles.items():
        for role in given:
            held.setdefault(role, set()).add(person)
    for token in tokens:
        if token.key.is_live(now):
            for role in token.key.roles:
                held.setdefault(role, set()).add(token.key.principal)
    return {role: frozenset(people) for role, people in held.items()}


def never(spec: Spec) -> Iterator[str]:
    """Why people could never approve versions of this spec, whatever roles they are given; nothing if they can."""
    given = sorted(role.value for role in GIVEN)
    people = spec.approval.people(spec.risk_tier)
    for asked in (people, people.escalated() if people.then is TimeOut.ESCALATE else None):
        for seat in () if asked is None else asked.seats:
            if seat.role not in given:
                yield f"approvers of the role {seat.role!r} can never be found; roles are {', '.join(given)}"


def short_of_people(spec: Spec, holders: Holders, applicant: str) -> Iterator[str]:
    """What keeps people from approving as things stand: too few hold the roles, or only those who register do.

    ``holders`` are people by role, as far as the ledger knows them; ``applicant`` is who applies the spec, and may
    register versions. Somebody who holds two roles takes one seat.
    """
    people = spec.approval.people(spec.risk_tier)
    for role, short in _short(people, holders).items():
        able = ", ".join(sorted(_able(people, holders, role))) or "nobody"
        yield f"{short} more of the role {role} must be found: it is held by {able}"
    others = {role: held - {applicant} for role, held in holders.items()}
    if not _short(people, holders) and (apart := _short(people, others)):
        roles = " and ".join(apart)
        yield f"what {applicant} registers can be approved by too few others of the role {roles}"


def _short(people: People, holders: Holders) -> dict[str, int]:
    """How many people a seat lacks if everybody takes the seat that fits best (a matching, grown seat by seat)."""
    places = [seat.role for seat in people.seats for _ in range(seat.approvers)]
    taken: dict[str, int] = {}
    short: Counter[str] = Counter()
    for place, role in enumerate(places):
        if not _seated(place, places, people, holders, taken, set()):
            short[role] += 1
    return dict(short)


def _seated(
    place: int,
    places: list[str],
    people: People,
    holders: Holders,
    taken: dict[str, int],
    asked: set[str],
) -> bool:
    """Whether somebody can take the place, others moving up where they can (augmenting paths)."""
    for person in sorted(_able(people, holders, places[place]) - asked):
        asked.add(person)
        if person not in taken or _seated(taken[person], places, people, holders, taken, asked):
            taken[person] = place
            return True
    return False


def _able(people: People, holders: Holders, role: str) -> frozenset[str]:
    held = holders.get(role, frozenset())
    return held if people.among is None else held & frozenset(people.among)
