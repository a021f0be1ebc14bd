"""JSON Web Tokens of one identity provider (RFC 7519, with what RFC 8725 asks): whose they are and what they give.

Pinned are the algorithm, by the setting and again by the key; issuer and audience; and that ``exp``, ``iss``, ``aud``
and ``sub`` are there. Times are compared with our own clock, give or take the leeway.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from runtime.serving.authentication.errors import Unauthenticated
from runtime.serving.authentication.identity import Identity
from runtime.serving.authentication.jwks import KeySet
from runtime.serving.authentication.provider import Provider

BELIEVED_S = 60.0
"""How long a token that was checked is not checked again: so long a key that the provider withdrew may still count."""
_LONGEST = 8192
_CALLER = re.compile(r"[\x21-\x7e]{1,245}")
_OPTIONS: Any = {
    "require": ["exp", "iss", "aud", "sub"],
    "verify_exp": False,  # here, by a clock that tests can set
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}


class UnknownSigner(Unauthenticated):
    """The token names a key that is not among the provider's, as far as they are known here."""


class Tokens:
    """Checks tokens against the provider's keys."""

    def __init__(self, provider: Provider, keys: KeySet) -> None:
        self.keys = keys
        self._provider = provider
        self._leeway = provider.leeway.total_seconds()

    def identity(self, text: str, now: float) -> Identity:
        """Whose token this is. Raises ``Unauthenticated``, or ``UnknownSigner`` when asking the provider may help."""
        if len(text) > _LONGEST:
            raise Unauthenticated(f"a token of {len(text)} characters; expected at most {_LONGEST}")
        claims = self._claims(text)
        expires = self._check_times(claims, now)
        caller = f"{claims['iss']}|{claims['sub']}"
        if _CALLER.fullmatch(caller) is None:
            raise Unauthenticated("its issuer and subject are not 1 to 245 visible ASCII characters")
        rules = [rule for rule in self._provider.rules if rule.fits(claims)]
        bounds = [rule.per_second for rule in rules]
        return Identity(
            caller=caller,
            principal=f"user:{caller}",
            roles=frozenset(role for rule in rules for role in rule.roles),
            models=tuple(dict.fromkeys(pattern for rule in rules for pattern in rule.models)),
            per_second=None if None in bounds else max((bound for bound in bounds if bound is not None), default=None),
            expires=min(expires, now + BELIEVED_S),
        )

    def _claims(self, text: str) -> dict[str, Any]:
        """The claims, if the signature is good and they are meant for us."""
        try:
            header = jwt.get_unverified_header(text)
        except PyJWTError as error:
            raise Unauthenticated("neither an API key nor a token") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._provider.algorithms:
            raise Unauthenticated(f"its algorithm is not one of {', '.join(self._provider.algorithms)}")
        if not isinstance(kid, str):
            raise Unauthenticated("it does not name its key (kid)")
        key = self.keys.find(kid)
        if key is None:
            raise UnknownSigner("it is signed with a key that the provider does not show")
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=list(self._provider.algorithms),
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                options=_OPTIONS,
            )
        except PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {type(error).__name__}") from error
        return claims

    def _check_times(self, claims: dict[str, Any], now: float) -> float:
        """When it ends. Raises when it has, or has not begun."""
        expires = _number(claims, "exp") + self._leeway
        if now >= expires:
            raise Unauthenticated("the token has expired")
        for name in ("nbf", "iat"):
            if name in claims and now < _number(claims, name) - self._leeway:
                raise Unauthenticated("the token is not valid yet")
        return expires


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated(f"its {name} is no time")
    return float(value)


def tokens_of(provider: Provider | None) -> Tokens | None:
    """With the provider's keys, read when they are first needed; None where there is no provider."""
    return None if provider is None else Tokens(provider, KeySet(provider.jwks, time.monotonic))
