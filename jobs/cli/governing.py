"""Commands about whether, and how long, a model may serve: renew, revoke, break the glass, review, retire.

Each records one event as a person; ``renew`` asks, and consents where people are asked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.acting import acting_as, recorded, say_recorded
from jobs.cli.options import Model, Principal, Reason, Version

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.events import Event


class Found(StrEnum):
    """What a review says."""

    FIT = "fit"
    WITH_CONDITIONS = "with-conditions"
    UNFIT = "unfit"


_Which = Annotated[
    int | None, typer.Argument(metavar="[VERSION]", min=1, help="The version's number. [default: the champion]")
]
_For = Annotated[
    str | None, typer.Option("--for", metavar="DURATION", help="How long it is to serve, such as 2h. [default: 1h]")
]
_Sign = Annotated[bool, typer.Option("--sign", help="Agree to what another person began.")]
_Found = Annotated[Found, typer.Option("--found", help="What you found.")]
_Notice = Annotated[
    str, typer.Option("--notice", metavar="DURATION", help="How long it goes on; 0d retires it at once.")
]
_Successor = Annotated[str | None, typer.Option("--successor", metavar="MODEL", help="What answers after it.")]
_Cancel = Annotated[bool, typer.Option("--cancel", help="It is not to be retired after all.")]


def renew(name: Model, reason: Reason, version: _Which = None, as_: Principal = None) -> None:
    """Let a version serve for longer: by policy, or by people, of whom you are the first to agree."""
    from runtime.domain.events import ApprovalGiven, RenewalAsked

    settings = acting_as(as_)
    from jobs.cli.governed import Governed

    governed = Governed.connected(settings)
    number = _number(governed, name, version)
    if governed.model(name).version(number).request is None:
        say_recorded(governed, RenewalAsked(model=name, version=number, reason=reason), settings)
    if governed.model(name).version(number).request is None:
        output.note("its policy lets it serve for longer; nobody was asked")
        return
    say_recorded(governed, ApprovalGiven(model=name, version=number, reason=reason), settings)


def revoke(name: Model, version: Version, reason: Reason, as_: Principal = None) -> None:
    """Stop a version at once: it serves no more until people approve it again."""
    from runtime.domain.events import ApprovalRevoked

    recorded(lambda _: ApprovalRevoked(model=name, version=version, reason=reason), as_)


def break_glass(
    name: Model,
    version: Version,
    reason: Reason,
    valid_for: _For = None,
    sign: _Sign = False,  # noqa: FBT002
    as_: Principal = None,
) -> None:
    """In an emergency, let a version serve for a short while without its approval; two people must say so."""
    from runtime.domain.events import BreakGlassOpened, BreakGlassSigned

    if sign and valid_for is not None:
        raise typer.BadParameter("how long is said by who begins, not by who signs", param_hint="--for")
    event: Event
    if sign:
        event = BreakGlassSigned(model=name, version=version, reason=reason)
    else:
        span = _duration(valid_for or "1h")
        if not timedelta(minutes=1) <= span <= timedelta(days=30):
            raise typer.BadParameter(f"{valid_for} is not between a minute and 30 days", param_hint="--for")
        seconds = int(span.total_seconds())
        event = BreakGlassOpened(model=name, version=version, reason=reason, valid_seconds=seconds)
    recorded(lambda _: event, as_)
    if not sign:
        output.note("it serves once another person signs, within an hour: fleetward break-glass ... --sign")


def review(name: Model, found: _Found, reason: Reason, version: _Which = None, as_: Principal = None) -> None:
    """Say, as somebody who did not make it, whether a model is fit for its use."""
    from runtime.domain.events import Fitness, ModelReviewed

    said = Fitness(found.value.replace("-", "_"))
    recorded(
        lambda governed: ModelReviewed(model=name, version=_number(governed, name, version), found=said, reason=reason),
        as_,
    )


def retire(
    name: Model,
    reason: Reason,
    notice: _Notice = "30d",
    successor: _Successor = None,
    cancel: _Cancel = False,  # noqa: FBT002
    as_: Principal = None,
) -> None:
    """Retire a model after a notice: until then each answer tells its callers, from then on they are told 410."""
    from runtime.domain.events import ModelRetired, RetirementAnnounced, RetirementCancelled

    event: Event
    if cancel:
        event = RetirementCancelled(model=name, reason=reason)
    elif not (span := _duration(notice)):
        event = ModelRetired(model=name, reason=reason, successor=successor)
    else:
        until = (datetime.now(UTC) + span).replace(microsecond=0)
        event = RetirementAnnounced(model=name, until=until, reason=reason, successor=successor)
    recorded(lambda _: event, as_)


def _number(governed: Governed, name: str, version: int | None) -> int:
    """The version that is meant; the champion where none is said."""
    from runtime.domain.errors import Refused

    champion = governed.model(name).champion
    number = champion if version is None else version
    if number is None:
        raise Refused(f"choice of a version of {name}", "it has no champion; name a version")
    return number


def _duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from runtime.domain.terms import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration; expected one such as 2h or 30d") from None
