"""With what a process of this installation proves who it is: the cluster's own key, or a person's credential."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.domain.tokens import GIVEN, TokenCreated
from runtime.serving.authentication.credential import read_credential
from runtime.serving.authentication.pepper import NewKey, Pepper
from runtime.settings import Settings

FIRST_ADMIN_FOR = timedelta(days=365)


def credential_of(principal: str, settings: Settings) -> str | None:
    """What proves to be this principal: the cluster's own key for services and jobs, the settings' file for people.

    None where nothing need be proved, or nothing is there to prove it. Raises ``KeyUnusable``.
    """
    if settings.authentication == "none":
        return None
    if principal.startswith("user:"):
        return read_credential(settings.credential)
    return Pepper.load(settings.pepper).own_key() if settings.pepper.exists() else None


def first_admin(settings: Settings) -> tuple[TokenCreated, NewKey]:
    """A key of all roles for who brings a new ledger up."""
    key = Pepper.load_or_create(settings.pepper).new_key()
    name = settings.principal.removeprefix("user:")
    event = TokenCreated(
        token=key.token,
        name=name,
        roles=tuple(sorted(GIVEN)),
        models=("*",),
        expires=datetime.now(UTC) + FIRST_ADMIN_FOR,
        secret=key.secret,
    )
    return event, key
