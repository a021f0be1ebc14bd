"""What a page is made with: who looks, the API as they may ask it, the query; and what a page is."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from runtime.console.web.api import Api
from runtime.domain.tokens import Role
from runtime.policy.access import may_record

_NUMBER = re.compile(r"^[0-9]{1,15}$")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks. ``logged_in`` is false where authentication is off: then everybody may do everything."""

    principal: str
    roles: frozenset[Role]
    logged_in: bool

    def may(self, *events: type[Any]) -> bool:
        """Whether their roles allow to record such an event; the governor decides, this only hides buttons."""
        return any(may_record(self.roles, event) for event in events)

    def holds(self, *roles: Role) -> bool:
        """Whether they hold one of these roles."""
        return not self.roles.isdisjoint(roles)

    @property
    def shown(self) -> str:
        """Their name."""
        return self.principal.removeprefix("user:")

    @property
    def roles_in_words(self) -> str:
        """``approver, auditor``."""
        return ", ".join(sorted(role.value for role in self.roles)) or "no role"


@dataclass(frozen=True, slots=True)
class Desk:
    """One question for a page."""

    request: Request
    api: Api
    visitor: Visitor
    base: str
    """The path below which the console lies, without a slash at its end."""

    def asked(self, name: str, default: str = "") -> str:
        """A field of the query, cut where nobody means it."""
        return self.request.query_params.get(name, default).strip()[:_LONGEST]

    def number(self, name: str) -> int | None:
        """The same as a number; None where it is none."""
        text = self.asked(name)
        return int(text) if _NUMBER.match(text) else None

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def with_query(self, **changed: object) -> str:
        """The page's query with some fields changed; empty ones are left out."""
        fields: dict[str, object] = {**self.request.query_params, **changed}
        fields.pop("done", None)
        kept = {name: value for name, value in fields.items() if value not in (None, "")}
        return f"?{urlencode(kept)}" if kept else "?"


@dataclass(frozen=True, slots=True)
class Page:
    """A template with its values; ``size`` is how many entries it tells of."""

    template: str
    title: str
    section: str
    values: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None


MakePage = Callable[[Desk], Awaitable[Page]]
Fields = Mapping[str, str]
Act = Callable[[Desk, Fields], Awaitable["Acted"]]


@dataclass(frozen=True, slots=True)
class Acted:
    """What a form did: the entry that it made, and where to look now (below the console)."""

    entry: int | None
    then: str
    shown: Page | None = None
    """In place of going there, for what is shown once only."""
