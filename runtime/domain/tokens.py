"""Entries about who may ask and who may act: API keys, roles, and requests that were turned away.

A key is ``id.secret``. The ledger knows its id, what it is good for, and an HMAC of its secret under a pepper that
stands apart from the ledger (``runtime.serving.authentication``): neither the ledger nor a copy of it lets anybody in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from runtime.domain.base import Document, Moment
from runtime.domain.ids import ModelName

TokenId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{12,32}$")]
"""The public half of an API key."""

SecretDigest = Annotated[str, StringConstraints(pattern=r"^hmac-sha256:[0-9a-f]{64}$")]
"""HMAC-SHA256 of a key's secret under the pepper: ``hmac-sha256:`` and 64 hex digits."""

ModelPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*?-]{1,128}$")]
"""A model's name, in which ``*`` stands for any characters and ``?`` for one."""

Person = Annotated[str, StringConstraints(pattern=r"^user:[\x21-\x7e]{1,250}$")]
"""``user:`` and a name, or ``user:`` and issuer and subject of an identity provider."""


class Role(StrEnum):
    """What a principal may do. The last three are the cluster's own and nobody is given them."""

    DEVELOPER = "developer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    CLIENT = "client"
    TESTER = "tester"
    ADMIN = "admin"
    GOVERNOR = "governor"
    MONITOR = "monitor"
    REPLICA = "replica"


OWN = frozenset({Role.GOVERNOR, Role.MONITOR, Role.REPLICA})
GIVEN = frozenset(Role) - OWN
"""Roles that a person or a client can hold."""


def _may_be_given(role: Role) -> Role:
    if role in OWN:
        raise ValueError(f"expected one of {', '.join(sorted(GIVEN))}; {role} is the cluster's own")
    return role


GivenRole = Annotated[Role, AfterValidator(_may_be_given)]

Mode = Literal["required", "none"]
"""Whether who asks and who acts must prove who they are."""


class AuthenticationSet(Document):
    """From now on principals are authenticated (``required``), or believed as they are named (``none``)."""

    kind: Literal["authentication_set"] = "authentication_set"
    mode: Mode


class TokenCreated(Document):
    """An API key, good for these roles, and as a client for models whose name fits one of the patterns.

    ``per_second`` bounds its requests at each replica; without it there is no bound.
    """

    kind: Literal["token_created"] = "token_created"
    token: TokenId
    name: Annotated[str, StringConstraints(pattern=r"^[\w.@-]{1,100}$")]
    roles: tuple[GivenRole, ...] = Field(min_length=1)
    models: tuple[ModelPattern, ...] = ()
    per_second: float | None = Field(default=None, gt=0, le=1e6)
    expires: Moment
    secret: SecretDigest


class TokenRevoked(Document):
    """An API key is worth nothing from now on."""

    kind: Literal["token_revoked"] = "token_revoked"
    token: TokenId
    reason: str


class RoleGiven(Document):
    """A person holds a role from now on, by whatever key or identity provider they prove who they are."""

    kind: Literal["role_given"] = "role_given"
    principal: Person
    role: GivenRole
    reason: str


class RoleTaken(Document):
    """A person no longer holds a role that was given; the roles of their keys stay with the keys."""

    kind: Literal["role_taken"] = "role_taken"
    principal: Person
    role: GivenRole
    reason: str


class AccessRefused(Document):
    """Requests that a replica turned away, counted: who asked (empty when nobody proved to be anybody), and why."""

    kind: Literal["access_refused"] = "access_refused"
    replica: str
    caller: str
    model: ModelName | None = None
    reason: str
    requests: int = Field(ge=1)
    first_time: Moment
    last_time: Moment


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who a command proved to come from, and the roles of the credential; ``is_own`` is the cluster's own secret."""

    principal: str
    roles: frozenset[Role]
    is_own: bool = False


OWN_SECRET = Authenticated("", frozenset(), is_own=True)
GOVERNOR_ITSELF = Authenticated("service:governor", frozenset(), is_own=True)
"""What the governor decides by itself: no credential makes this."""


class Key(Document):
    """What a replica must know of an API key to tell who asks with it."""

    token: TokenId
    name: str
    roles: tuple[Role, ...]
    models: tuple[ModelPattern, ...]
    per_second: float | None = None
    expires: Moment
    secret: SecretDigest
    revoked: bool = False

    @property
    def principal(self) -> str:
        """Who acts with it."""
        return f"user:{self.name}"

    def is_live(self, now: datetime) -> bool:
        """Whether it lets anybody in."""
        return not self.revoked and now < self.expires


@lru_cache(maxsize=16384)
def fits(model: str, patterns: tuple[str, ...]) -> bool:
    """Whether a model's name fits one of the patterns; none fits no model."""
    return _compiled(patterns).match(model) is not None


@lru_cache(maxsize=4096)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
