"""Commands that change something: each records one event as a person, and says where it stands in the ledger.

A refusal is the governor's, with its reason; nothing is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli import output
from jobs.cli.options import Model, Principal, Reason, Version

if TYPE_CHECKING:
    from jobs.cli.governed import Governed
    from runtime.domain.events import Event
    from runtime.domain.spec import Spec
    from runtime.settings import Settings

_Consent = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
_Seat = Annotated[
    str | None,
    typer.Option("--role", help="In which role, where several are asked. [default: the first that is asked]"),
]
_Card = Annotated[bool, typer.Option("--card", help="The model card was read; its digest goes into the ledger.")]
_Conditions = Annotated[
    list[str] | None, typer.Option("--condition", metavar="TEXT", help="What its use is bound to; may be repeated.")
]
_To = Annotated[int | None, typer.Option("--to", metavar="VERSION", min=1, help="[default: the champion before]")]
_File = Annotated[
    Path, typer.Option("--file", "-f", metavar="SPEC.yaml", exists=True, dir_okay=False, help="The spec file.")
]


def approve(
    name: Model,
    version: Version,
    reason: _Consent = "looked at and agreed",
    role: _Seat = None,
    card: _Card = False,  # noqa: FBT002
    condition: _Conditions = None,
    as_: Principal = None,
) -> None:
    """Consent to a version that waits for approval, or to one that is to serve for longer."""
    from runtime.domain.events import ApprovalGiven

    recorded(
        lambda governed: ApprovalGiven(
            model=name,
            version=version,
            reason=reason,
            role=role,
            card=governed.model(name).version(version).registered.card if card else None,
            conditions=tuple(condition) if condition else None,
        ),
        as_,
    )


def reject(name: Model, version: Version, reason: Reason, as_: Principal = None) -> None:
    """Refuse a version for good; of one that serves, refuse that it does so for longer."""
    from runtime.domain.events import RenewalRefused, VersionRefused

    def refusal(governed: Governed) -> Event:
        request = governed.model(name).version(version).request
        if request is not None and request.renewal:
            return RenewalRefused(model=name, version=version, reason=reason)
        return VersionRefused(model=name, version=version, reason=reason)

    recorded(refusal, as_)


def suspend(name: Model, reason: Reason, as_: Principal = None) -> None:
    """Stop serving a model until it is resumed."""
    from runtime.domain.events import ModelSuspended

    _record(ModelSuspended(model=name, reason=reason), as_)


def resume(name: Model, reason: Reason, as_: Principal = None) -> None:
    """Serve a suspended model again."""
    from runtime.domain.events import ModelResumed

    _record(ModelResumed(model=name, reason=reason), as_)


def rollback(name: Model, reason: Reason, to: _To = None, as_: Principal = None) -> None:
    """Make a former champion the champion again."""
    from runtime.domain.errors import Refused
    from runtime.domain.events import RolledBack

    settings = acting_as(as_)
    governed = _governed(settings)
    model = governed.model(name)
    if model.champion is None:
        raise Refused(f"roll back {name}", "it has no champion")
    back = to if to is not None else next(reversed(model.former), None)
    if back is None:
        raise Refused(f"roll back {name}", f"version {model.champion} is its first champion; there is none before")
    event = RolledBack(model=name, version=model.champion, to=back, reason=reason)
    say_recorded(governed, event, settings)


def apply(file: _File, as_: Principal = None) -> None:
    """Apply a spec: from now on its policies hold; prepare and train make its models."""
    from runtime.domain.events import SpecApplied
    from runtime.domain.load import load_spec

    settings = acting_as(as_)
    spec = load_spec(file)
    governed = _governed(settings)

    from runtime.pipeline.search import check_search  # after joining: the pipeline may import Ray

    check_search(spec)
    present = governed.specs().get(spec.name)
    if present is not None and present.digest == spec.digest:
        output.lines([f"{spec.name}: {spec.digest} is applied already; nothing changed"])
        return
    say_recorded(governed, SpecApplied(name=spec.name, digest=spec.digest, spec=spec.as_document()), settings)
    for lack in _lacking(governed, spec, settings):
        output.note(f"as things stand nobody can approve its versions: {lack}")


def _lacking(governed: Governed, spec: Spec, settings: Settings) -> list[str]:
    """What keeps people from approving, as far as the ledger knows them. An identity provider may know more."""
    from datetime import UTC, datetime

    from runtime.policy.seating import holders_of, short_of_people

    if settings.authentication == "none" or settings.oidc:
        return []
    holders = holders_of(governed.roles(), governed.tokens(), datetime.now(UTC))
    return list(short_of_people(spec, holders, settings.principal))


def acting_as(principal: str | None) -> Settings:
    """The settings, with who acts. It is set in the environment, from which jobs read it too."""
    from runtime.settings import Settings

    if principal is not None:
        os.environ["FLEETWARD_PRINCIPAL"] = principal
    return Settings.from_environment()


def recorded(
    event_of: Callable[[Governed], Event], principal: str | None, say: Callable[[str], None] = typer.echo
) -> None:
    """Records the event that the governed state asks for; prints its entry."""
    settings = acting_as(principal)
    governed = _governed(settings)
    say_recorded(governed, event_of(governed), settings, say)


def _record(event: Event, principal: str | None) -> None:
    recorded(lambda _: event, principal)


def say_recorded(governed: Governed, event: Event, settings: Settings, say: Callable[[str], None] = typer.echo) -> None:
    """Records the event; prints its entry."""
    from runtime.console.sentences import sentence
    from runtime.domain.entry import Draft

    receipt = governed.record(Draft.fresh(event, settings.principal))
    for entry in governed.entries(receipt.seq, 1):
        say(f"entry {receipt.seq}: {sentence(entry)}")


def _governed(settings: Settings) -> Governed:
    from jobs.cli.governed import Governed

    return Governed.connected(settings)
