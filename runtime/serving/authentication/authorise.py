"""Who asks, and whether they may ask this of this model: what the HTTP face calls before any handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runtime.serving.authentication.errors import NotAllowed, OverQuota, Unauthenticated
from runtime.serving.authentication.gate import Gate, Open
from runtime.serving.authentication.identity import Identity
from runtime.serving.router import Action

OnDenied = Callable[[str, str | None, str], None]
"""Counts a request that was turned away: the caller (empty if nobody known), the model, and why."""

NOBODY: Final = Identity("", "", frozenset(), (), None, float("inf"))
"""Who asks for what is open to all: nobody needs to know."""


class GatedAuthority:
    """Admits by a gate, decides by what the identity holds, and counts what it turns away."""

    def __init__(self, gate: Gate, on_denied: OnDenied) -> None:
        self._gate, self._on_denied = gate, on_denied

    async def __call__(self, headers: Mapping[bytes, bytes], action: Action, model: str | None) -> Identity:
        """Raises ``Unauthenticated``, ``NotAllowed`` or ``OverQuota``: before anything is said of the model."""
        if action is Action.OPEN:
            return NOBODY
        try:
            who = await self._gate.admit(headers)
            if model is not None:
                if action is Action.READ:
                    who.check_reads(model)
                else:
                    who.check_asks(model)
        except (Unauthenticated, NotAllowed, OverQuota) as denied:
            self._on_denied(denied.caller, model, denied.reason)
            raise
        return who


def _uncounted(caller: str, model: str | None, reason: str) -> None:
    """An open gate turns nobody away."""


UNAUTHENTICATED: Final = GatedAuthority(Open(), _uncounted)
"""Believes the caller's own header, and lets everybody do everything."""
