"""Who must agree to a version, on what evidence and by when: the terms of an approval, as a spec writes them.

A request for approval repeats them, so that what was asked for is read from the ledger alone, whatever the spec says
by then. Roles stay text here: a ledger may hold terms that no present role fits, and must still be read
(``runtime.policy.approval`` refuses such terms when a spec is applied).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.terms import Duration
from runtime.domain.tokens import Person


class Seat(Document):
    """So many people of one role."""

    approvers: int = Field(default=1, ge=1)
    role: str = "approver"


class Evidence(Document):
    """What a consent rests on.

    ``gates`` are names of gates that must have been judged. ``card``: whoever agrees names the digest of the version's
    model card. ``reason``: characters that their reason must have.
    """

    gates: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    card: Literal[True] | None = None
    reason: int | None = Field(default=None, ge=1, le=4000)


class TimeOut(StrEnum):
    """What becomes of a request that nobody decided in time."""

    REFUSE = "refuse"
    ESCALATE = "escalate"
    STAY = "stay"


class People(Document):
    """So many people of a role, and of others (``also``), must agree; everybody takes one seat at most.

    ``among``: only these people. ``within``: how long the request stands, and ``then`` what becomes of it:
    ``refuse`` (unless said), ``escalate`` to the people of ``escalate_to``, who begin anew, or ``stay`` and call a
    person.
    """

    approvers: int = Field(default=1, ge=1)
    role: str = "approver"
    also: Annotated[tuple[Seat, ...], Field(min_length=1)] | None = None
    among: Annotated[tuple[Person, ...], Field(min_length=1)] | None = None
    evidence: Evidence | None = None
    within: Duration | None = None
    then: TimeOut | None = None
    escalate_to: Seat | None = None

    @property
    def seats(self) -> tuple[Seat, ...]:
        """All of them, one a role."""
        return (Seat(approvers=self.approvers, role=self.role), *(self.also or ()))

    @property
    def number(self) -> int:
        """How many people it takes."""
        return sum(seat.approvers for seat in self.seats)

    @property
    def is_plain(self) -> bool:
        """Whether it says no more than a number and a role."""
        return self == People(approvers=self.approvers, role=self.role)

    def escalated(self) -> People:
        """Who is asked when nobody decided: they see the same evidence, and nobody decides after them."""
        seat = self.escalate_to or Seat()
        return People(approvers=seat.approvers, role=seat.role, evidence=self.evidence)

    @model_validator(mode="after")
    def _seats_are_distinct(self) -> Self:
        roles = [seat.role for seat in self.seats]
        if len(set(roles)) != len(roles):
            raise misfit("also", ", ".join(roles), "each role once, with the number of its people")
        named = self.among or ()
        if len(set(named)) != len(named):
            raise misfit("among", ", ".join(named), "each person once")
        if self.among is not None and len(named) < self.number:
            raise misfit("among", f"{len(named)} people", f"at least {self.number}, as many as must agree")
        return self

    @model_validator(mode="after")
    def _the_end_is_whole(self) -> Self:
        if self.within is not None and not self.within:
            raise misfit("within", "no time at all", "how long a request stands, such as 14d")
        if self.then is not None and self.within is None:
            raise misfit("within", "nothing", f"how long a request stands before it is to {self.then.value}")
        if (self.then is TimeOut.ESCALATE) != (self.escalate_to is not None):
            found = "nothing" if self.escalate_to is None else self.escalate_to.role
            raise misfit("escalate_to", found, "the people who are asked next, with then: escalate and with no other")
        return self


class BreakGlass(Document):
    """How long a version may serve on two people's word."""

    at_most: Annotated[Duration, Field(gt=timedelta(0))]


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's yes: in which role, when, and on what conditions."""

    by: str
    role: str
    at: datetime
    conditions: tuple[str, ...] = ()
