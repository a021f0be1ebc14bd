"""Who may do what: API keys without anything of their secrets, and roles that were given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runtime.domain.base import rfc3339
from runtime.domain.state import FleetState, TokenState


def token_document(token: TokenState, now: datetime) -> dict[str, Any]:
    """A key: whose it is, what it is good for, and whether it is."""
    key = token.key
    state = "live" if key.is_live(now) else "revoked" if key.revoked else "expired"
    shown = key.model_dump(mode="json", exclude={"secret", "revoked"})
    return {**shown, "state": state, "by": token.by, "at": rfc3339(token.at), "reason": token.reason}


def tokens(state: FleetState, now: datetime) -> list[dict[str, Any]]:
    """All keys, oldest first."""
    return [token_document(token, now) for token in state.tokens.values()]


def roles(state: FleetState) -> list[dict[str, Any]]:
    """Who was given which roles, by principal."""
    given = sorted(state.roles.items())
    return [{"principal": principal, "roles": [role.value for role in held]} for principal, held in given if held]
