"""Who asks, and what of the fleet they may see.

    fleet      developer, operator, approver, auditor, admin: models, findings, rollouts, pools, specs, holds
    entries    auditor: names, reasons and digests of everything that happened
    access     admin, auditor: API keys (never their secrets) and roles

A client with none of these roles sees the models that its key is good for and nothing else. Keys and roles are read
from the ledger at each request, so that a revoked key is out at once. What somebody may *do* is not decided here: the
governor does, for each command.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from runtime.control.standing import Standing
from runtime.domain.tokens import Role
from runtime.serving.authentication.errors import NotAllowed
from runtime.serving.authentication.gate import Gate
from runtime.serving.authentication.identity import Identity

FLEET = frozenset({Role.DEVELOPER, Role.OPERATOR, Role.APPROVER, Role.AUDITOR, Role.ADMIN})
ENTRIES = frozenset({Role.AUDITOR})
ACCESS = frozenset({Role.ADMIN, Role.AUDITOR})

_PERSON = "user:"
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, with all roles they hold now; ``credential`` is what proved it."""

    identity: Identity
    roles: frozenset[Role]
    credential: str | None

    @property
    def principal(self) -> str:
        """Who acts: always a person, however somebody names themselves where nobody is authenticated."""
        name = self.identity.principal
        return name if name.startswith(_PERSON) else _PERSON + name

    def check(self, needed: frozenset[Role]) -> None:
        """Raises ``NotAllowed`` for whoever holds none of these roles."""
        if not self.roles & needed:
            raise NotAllowed(self.identity.caller, f"it needs the role {' or '.join(sorted(needed))}")

    def check_model(self, model: str) -> None:
        """Raises ``NotAllowed`` for whoever may not know of this model; the same whether or not it exists."""
        if not self.sees(model):
            raise NotAllowed(self.identity.caller, f"model {model!r} is none of its models")

    def sees(self, model: str) -> bool:
        """Whether they may know of this model."""
        return bool(self.roles & FLEET) or self.identity.reads(model)


class Admission:
    """Lets requests in, by the keys and roles that the ledger has now."""

    def __init__(self, gate: Gate, standing: Standing) -> None:
        self._gate, self._standing = gate, standing
        self._following = threading.Lock()
        self._size = 0
        self._roles: Mapping[str, tuple[Role, ...]] = {}

    async def admit(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Raises ``Unauthenticated``, ``OverQuota``, ``LedgerUnavailable``."""
        await run_in_threadpool(self._follow)
        who = await self._gate.admit(headers)
        return Caller(who, who.roles.union(self._roles.get(who.principal, ())), _credential(headers))

    def _follow(self) -> None:
        with self._following:
            with self._standing.now() as state:
                keys, size = state.keys_since(self._size), state.size
                self._roles = dict(state.roles)
            self._gate.follow(keys)
            self._gate.tend()
            self._size = size


def _credential(headers: Mapping[bytes, bytes]) -> str | None:
    value = headers.get(b"authorization", b"").decode("latin-1")
    return value[len(_SCHEME) :].strip() if value[: len(_SCHEME)].lower() == _SCHEME else None
