"""Commands about who may ask and who may act: API keys, and roles of people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import output
from jobs.cli.acting import acting_as, recorded
from jobs.cli.failing import CommandFailed, FailingGroup
from jobs.cli.options import Format, Output, Principal, Reason

if TYPE_CHECKING:
    from datetime import timedelta

    from runtime.domain.tokens import Role

_PERSON = re.compile(r"user:[\x21-\x7e]{1,250}")

token_app = typer.Typer(cls=FailingGroup, no_args_is_help=True, help="API keys: who may ask which models.")
role_app = typer.Typer(cls=FailingGroup, no_args_is_help=True, help="Roles: who may do what.")


def _duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from runtime.domain.terms import Duration

    try:
        duration: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter("expected a duration such as 12h or 90d") from error
    return duration


def _role(text: str) -> Role:
    from runtime.domain.tokens import GIVEN, Role

    if text not in GIVEN:
        raise typer.BadParameter(f"{text!r} is no role; expected one of {', '.join(sorted(GIVEN))}")
    return Role(text)


def _person(text: str) -> str:
    if not _PERSON.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no person; expected user:NAME, or user:ISSUER|SUBJECT")
    return text


_Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; as user:NAME it stands in the ledger.")]
_Roles = Annotated[list[str], typer.Option("--role", help="What it is good for; may be given several times.")]
_Models = Annotated[
    list[str], typer.Option("--models", metavar="PATTERN", help="Models it may ask, such as 'flight-*'; several times.")
]
_Expires = Annotated[str, typer.Option("--expires", metavar="DURATION", help="How long it is good for.")]
_Quota = Annotated[
    float | None,
    typer.Option("--quota", metavar="N", min=0.001, help="Requests a second, at each replica. [default: no bound]"),
]
_To = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Write it there, mode 0600, as curl -H @FILE takes it, not to stdout."),
]
_Token = Annotated[str, typer.Argument(metavar="ID", help="The key's id: what stands before its dot.")]
_Person = Annotated[str, typer.Argument(metavar="user:NAME", callback=_person, help="Who.")]
_Role = Annotated[str, typer.Argument(metavar="ROLE", help="developer, operator, approver, auditor, client or admin.")]


@token_app.command("create")
def create(
    name: _Name,
    role: _Roles,
    models: _Models = [],  # noqa: B006 - typer reads it and makes its own
    expires: _Expires = "90d",
    quota: _Quota = None,
    to: _To = None,
    as_: Principal = None,
) -> None:
    """Make an API key. It is shown once, now; nothing can show it again."""
    from runtime.serving.authentication.credential import write_credential
    from runtime.serving.authentication.pepper import Pepper

    settings = acting_as(as_)
    roles, lasts = tuple(map(_role, role)), _duration(expires)
    if to is not None and to.exists():
        raise CommandFailed(f"{to} is there already; a key is never written over another")
    made = Pepper.load(settings.pepper).new_key()
    fields = {
        "token": made.token,
        "name": name,
        "roles": roles,
        "models": tuple(models),
        "per_second": quota,
        "expires": datetime.now(UTC) + lasts,
        "secret": made.secret,
    }
    recorded(lambda _: _created(fields), as_, say=output.note)
    if to is None:
        output.lines([made.text])
    else:
        write_credential(to, made.text)


def _created(fields: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from runtime.domain.tokens import TokenCreated

    try:
        return TokenCreated.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise CommandFailed(f"{where} {problem['input']!r} cannot be used: {problem['msg']}") from error


@token_app.command("revoke")
def revoke(token: _Token, reason: Reason, as_: Principal = None) -> None:
    """Make a key worth nothing, on all replicas within a second."""
    from runtime.domain.tokens import TokenRevoked

    recorded(lambda _: TokenRevoked(token=token, reason=reason), as_)


@token_app.command("list")
def list_tokens(output_: Output = Format.TABLE) -> None:
    """List the keys: whose they are, what they are good for, and until when. No secret is kept that could be shown."""
    from jobs.cli.governed import Governed
    from runtime.control.views.access import token_document

    documents = [token_document(token, datetime.now(UTC)) for token in Governed.connected(acting_as(None)).tokens()]
    if output_ is Format.JSON:
        output.as_json(documents)
        return
    output.table(
        ("ID", "NAME", "ROLES", "MODELS", "QUOTA", "EXPIRES", "STATE", "MADE BY"),
        [
            (
                each["token"],
                each["name"],
                ", ".join(each["roles"]),
                ", ".join(each["models"]),
                each["per_second"],
                each["expires"][:19],
                each["state"],
                each["by"],
            )
            for each in documents
        ],
        right=("QUOTA",),
        wrapped=("MODELS",),
    )


@role_app.command("give")
def give(person: _Person, role: _Role, reason: Reason, as_: Principal = None) -> None:
    """Give a person a role, whatever key or identity provider they prove who they are with."""
    from runtime.domain.tokens import RoleGiven

    checked = _role(role)
    recorded(lambda _: RoleGiven(principal=person, role=checked, reason=reason), as_)


@role_app.command("take")
def take(person: _Person, role: _Role, reason: Reason, as_: Principal = None) -> None:
    """Take a role that was given; the roles of a key stay with the key, which can be revoked."""
    from runtime.domain.tokens import RoleTaken

    checked = _role(role)
    recorded(lambda _: RoleTaken(principal=person, role=checked, reason=reason), as_)


@role_app.command("list")
def list_roles(output_: Output = Format.TABLE) -> None:
    """List who was given which roles."""
    from jobs.cli.governed import Governed

    held = Governed.connected(acting_as(None)).roles()
    given = {person: sorted(roles) for person, roles in held.items() if roles}
    if output_ is Format.JSON:
        output.as_json(given)
    else:
        output.table(("WHO", "ROLES"), [(person, ", ".join(roles)) for person, roles in given.items()])
