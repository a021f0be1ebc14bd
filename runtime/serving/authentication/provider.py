"""The identity provider whose tokens are accepted, as FLEETWARD_OIDC's file names it (YAML, or JSON, which is YAML).

    issuer: https://login.example.com/
    audience: fleetward
    jwks: https://login.example.com/keys      # or a file, read again when a key is missing: no network is needed
    algorithms: [RS256]                       # exactly these; HS256 and none cannot be named
    leeway: 30s                               # how far clocks may differ
    rules:                                    # every rule that fits adds what it gives
      - {claim: groups, value: crew-planning, roles: [client], models: ["flight-time-*"], per_second: 50}
      - {claim: realm_access.roles, value: fleet-approver, roles: [approver]}

A claim that holds a list fits when it has the value, a ``scope`` when one of its words is it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, Field, ValidationError

from runtime.domain.base import Document
from runtime.domain.errors import SettingsError
from runtime.domain.terms import Duration
from runtime.domain.tokens import GivenRole, ModelPattern
from runtime.settings import Settings

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST_LEEWAY = timedelta(minutes=5)

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Of public keys only: with HS256 a token could be signed by whoever can read the key that checks it."""


def _source(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme in {"", "file"} or parts.scheme == "https":
        return text
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return text
    raise ValueError("expected a file or an https:// URL: who can change the keys on their way lets anybody in")


def _leeway(value: timedelta) -> timedelta:
    if value > _LONGEST_LEEWAY:
        raise ValueError("expected a leeway of at most 5m")
    return value


class Rule(Document):
    """What a claim of a value gives."""

    claim: str = Field(min_length=1)
    value: str
    roles: tuple[GivenRole, ...] = Field(min_length=1)
    models: tuple[ModelPattern, ...] = ()
    per_second: float | None = Field(default=None, gt=0, le=1e6)

    def fits(self, claims: dict[str, Any]) -> bool:
        """Whether the claims have the value."""
        found = _claim(claims, self.claim)
        if isinstance(found, list):
            return self.value in found
        if isinstance(found, str) and self.claim == "scope":
            return self.value in found.split()
        return isinstance(found, str) and found == self.value


class Provider(Document):
    """Whose tokens, for whom, signed how, and what their claims give."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks: Annotated[str, AfterValidator(_source)]
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256",), min_length=1)
    leeway: Annotated[Duration, AfterValidator(_leeway)] = timedelta(seconds=30)
    rules: tuple[Rule, ...] = Field(min_length=1)


def load_provider(path: Path) -> Provider:
    """The provider that a file names. Raises ``SettingsError`` with what is wrong and where."""
    try:
        return Provider.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise SettingsError("FLEETWARD_OIDC", str(path), f"a file that can be read ({error.strerror})") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "document"
        raise SettingsError("FLEETWARD_OIDC", str(path), f"another value of {where}: {problem['msg']}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError("FLEETWARD_OIDC", str(path), f"YAML ({' '.join(str(error).split())})") from error


def provider_of(settings: Settings) -> Provider | None:
    """The provider that the settings name, if any. Raises ``SettingsError``."""
    return load_provider(Path(settings.oidc)) if settings.oidc else None


def _claim(claims: dict[str, Any], name: str) -> Any:
    """The claim of this very name, else the one that its dotted parts lead to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
