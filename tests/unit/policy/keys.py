"""An API key of a person, as the ledger has it."""

from __future__ import annotations

from datetime import datetime, timedelta

from runtime.domain.tokens import Role, TokenCreated
from tests.unit.domain.lives import MONDAY


def a_key(letter: str, name: str, *, role: Role = Role.APPROVER, expires: datetime | None = None) -> TokenCreated:
    return TokenCreated(
        token=letter * 16,
        name=name,
        roles=(role,),
        models=("*",) if role is Role.CLIENT else (),
        expires=expires or MONDAY + timedelta(days=365),
        secret="hmac-sha256:" + "0" * 64,
    )
