"""A command as the API takes it: a path, a body, and the event that it asks the ledger for.

What a command wants may hang on what is so (the champion to go back to, the number of the next hold); then it is found
out when the command comes. Whether it may be is never decided here, but by the governor, who records it or refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints, ValidationError

from runtime.control.standing import Standing
from runtime.domain.base import Document
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError, SchemaMismatch
from runtime.domain.events import Event
from runtime.governance.writer import Answer
from runtime.serving.authentication.pepper import NewKey

Commands = Callable[[Sequence[Draft], str | None], Awaitable[Sequence[Answer]]]
"""Hands drafts to the governor with the credential of who wants them; its receipts, or the errors that refused them.

Safe to repeat. Raises ``GovernorAway``.
"""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=r"\S")]
"""Why; it stands in the ledger."""


class GovernorAway(FleetwardError):
    """The governor did not answer in time. What it was asked may have happened: the same command may be sent again."""

    status: ClassVar[int] = 503

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"the governor did not answer within {self.seconds:g} s; whether it recorded the command is not known: "
            "send it again with the same Idempotency-Key"
        )


@dataclass(frozen=True, slots=True)
class Acting:
    """What commands need: the governor, a maker of API keys, and what a shared pool of which nothing was said has."""

    commands: Commands
    new_key: Callable[[], NewKey]
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Given:
    """A command that came: what stood in its path, its body, and what it may look at."""

    places: Mapping[str, Any]
    body: Any
    standing: Standing
    acting: Acting

    def fields(self) -> dict[str, Any]:
        """What it says, by the names that events have for it."""
        return {**self.places, **{name: getattr(self.body, name) for name in self.body.model_fields_set}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The event that a command asks for, None where it is so already; ``shown`` is told to its caller alone."""

    event: Event | None
    shown: Mapping[str, Any] = field(default_factory=dict)


def said_alike(given: Given, event: Event) -> bool:
    """Whether the event has what the command says, as far as it has fields of these names."""
    recorded = event.model_dump()
    return all(recorded[name] == value for name, value in given.fields().items() if name in recorded)


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table: ``wants`` raises what keeps the command from being one (``Refused``, unknown names)."""

    path: str
    name: str
    """What it is called in the description, and by clients."""
    summary: str
    body: type[Document]
    wants: Callable[[Given], Wanted]
    same: Callable[[Given, Event], bool] = said_alike
    """Whether an event that was recorded is what this command asked for, before."""


def of(kind: Callable[..., Event]) -> Callable[[Given], Wanted]:
    """Commands that say all that their event says."""
    return lambda given: Wanted(built(kind, {**given.body.model_dump(exclude_none=True), **given.places}))


def built(kind: Callable[..., Event], values: Mapping[str, Any]) -> Event:
    """The event with these values. Raises ``SchemaMismatch``."""
    validate: Callable[[Any], Event] = getattr(kind, "model_validate")  # noqa: B009 - events are a union, not a class
    try:
        return validate(dict(values))
    except ValidationError as error:
        raise misfit(error) from error


def misfit(error: ValidationError, where: str = "body") -> SchemaMismatch:
    """What is wrong with a value, in one line: the first of it."""
    found = error.errors()[0]
    at = ".".join([where, *map(str, found["loc"])])
    return SchemaMismatch(at, repr(found.get("input"))[:80], str(found["msg"]))
