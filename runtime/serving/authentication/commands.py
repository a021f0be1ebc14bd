"""Who a command of the control plane proves to come from: the same keys and tokens as a request's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from runtime.domain.state import TokenState
from runtime.domain.tokens import OWN_SECRET, Authenticated
from runtime.serving.authentication.errors import Unauthenticated
from runtime.serving.authentication.identity import Identity
from runtime.serving.authentication.keyring import KeyRing
from runtime.serving.authentication.oidc import Tokens, UnknownSigner
from runtime.serving.authentication.pepper import Pepper, token_of


class CommandGate:
    """Holds the pepper, and the provider's keys if there is one."""

    def __init__(self, pepper: Pepper, tokens: Tokens | None = None) -> None:
        self._pepper, self._tokens = pepper, tokens

    def is_own(self, credential: str) -> bool:
        """Whether it is the cluster's own key."""
        return self._pepper.is_own(credential)

    async def proof(self, credential: str | None, known: Mapping[str, TokenState], now: float) -> Authenticated | None:
        """Who it is; None for whoever proves nothing, which the policy then refuses and the ledger records."""
        if credential is None:
            return None
        if self._pepper.is_own(credential):
            return OWN_SECRET
        try:
            identity = await self._identity(credential, known, now)
        except Unauthenticated:
            return None
        return Authenticated(identity.principal, identity.roles)

    async def _identity(self, credential: str, known: Mapping[str, TokenState], now: float) -> Identity:
        token = token_of(credential)
        if token is not None or self._tokens is None:
            held = known.get(token or "")
            return KeyRing(self._pepper, {} if held is None else {held.key.token: held.key}).identity(credential, now)
        try:
            return self._tokens.identity(credential, now)
        except UnknownSigner:
            if not self._tokens.keys.may_ask():
                raise
            await asyncio.to_thread(self._tokens.keys.refresh)
            return self._tokens.identity(credential, now)
