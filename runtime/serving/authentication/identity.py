"""Somebody who proved who they are, and what they may ask."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.domain.tokens import Role, fits
from runtime.serving.authentication.errors import NotAllowed

_EVERYTHING = frozenset({Role.CLIENT, Role.TESTER, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: ``caller`` stands in decision records, ``principal`` in ledger entries."""

    caller: str
    principal: str
    roles: frozenset[Role]
    models: tuple[str, ...]
    per_second: float | None
    expires: float
    """Seconds since 1970 after which the proof is worth nothing."""

    def check_asks(self, model: str) -> None:
        """Raises ``NotAllowed`` when it may not have the model predict, or tell it outcomes."""
        if Role.CLIENT not in self.roles:
            raise NotAllowed(self.caller, "it needs the role client")
        if not fits(model, self.models):
            raise NotAllowed(self.caller, f"model {model!r} is none of its models")

    def check_tests(self) -> None:
        """Raises ``NotAllowed`` when it may not say which version answers; which models it may ask is not said here."""
        if Role.TESTER not in self.roles:
            raise NotAllowed(self.caller, "to say which version answers it needs the role tester")

    def check_reads(self, model: str) -> None:
        """Raises ``NotAllowed`` when it may not see what the model takes and whether it is ready."""
        if not self.reads(model):
            raise NotAllowed(self.caller, f"model {model!r} is none of its models")

    def check_sees(self, caller: str) -> None:
        """Raises ``NotAllowed`` when it may not see what was answered to the caller: only that one and auditors may."""
        if self.caller != caller and Role.AUDITOR not in self.roles:
            raise NotAllowed(self.caller, "somebody else asked for this decision; it needs the role auditor")

    def reads(self, model: str) -> bool:
        """Whether it may know of the model: a client of its own, an auditor of all."""
        return Role.AUDITOR in self.roles or (Role.CLIENT in self.roles and fits(model, self.models))


def anybody(caller: str) -> Identity:
    """Where nobody is authenticated: the name is believed, and everything may be asked."""
    return Identity(caller, caller, _EVERYTHING, ("*",), None, float("inf"))
