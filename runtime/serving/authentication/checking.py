"""How a process of the cluster checks who asks: what it is told of the settings, and the gate that this makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.domain.tokens import Mode
from runtime.serving.authentication.gate import Gate, Open, Required
from runtime.serving.authentication.oidc import tokens_of
from runtime.serving.authentication.pepper import NewKey, Pepper
from runtime.serving.authentication.provider import Provider, provider_of
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Checking:
    """Whether whoever asks must prove who they are, and how a process checks it; plain values, since they travel."""

    mode: Mode = "required"
    pepper: str = ""
    """The file with which API keys are checked, on each machine that runs such a process."""
    provider: Provider | None = None

    @classmethod
    def of(cls, settings: Settings) -> Checking:
        """As the settings say. Raises ``SettingsError`` for a provider that cannot be read."""
        return cls(settings.authentication, str(settings.pepper), provider_of(settings))

    def gate(self) -> Gate:
        """What every request meets first. Raises ``KeyUnusable`` when there is no pepper to check keys with."""
        if self.mode == "none":
            return Open()
        return Required(Pepper.load(Path(self.pepper)), tokens_of(self.provider))

    def new_key(self) -> NewKey:
        """A key for somebody, checked as all others are once the ledger knows it. Raises ``KeyUnusable``."""
        return Pepper.load(Path(self.pepper)).new_key()

    def own_key(self) -> str | None:
        """With what the process proves to be the cluster's own."""
        return Pepper.load(Path(self.pepper)).own_key() if self.mode == "required" else None
