"""An identity provider of a few lines: it has keys, shows them as a JSON Web Key Set, and signs what it is told to."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from runtime.serving.authentication.jwks import KeySet
from runtime.serving.authentication.oidc import Tokens
from runtime.serving.authentication.provider import Provider

ISSUER, AUDIENCE, NOW = "https://login.example.com/", "fleetward", 1_800_000_000.0


@cache
def rsa_key(number: int) -> RSAPrivateKey:
    """The same key for the same number, made once a run."""
    del number
    return new_rsa_key(65537, 2048)


@cache
def ec_key() -> EllipticCurvePrivateKey:
    return new_ec_key(SECP256R1())


def provider(**changes: Any) -> Provider:
    rules = [
        {"claim": "groups", "value": "planning", "roles": ["client"], "models": ["flight-*"], "per_second": 50},
        {"claim": "realm_access.roles", "value": "lead", "roles": ["approver", "client"], "models": ["*"]},
        {"claim": "scope", "value": "audit", "roles": ["auditor"]},
    ]
    return Provider.model_validate(
        {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "keys.json", "algorithms": ["RS256", "ES256"], "rules": rules}
        | changes
    )


@dataclass
class Issuer:
    """Keys by their ids, and how often somebody asked for them."""

    keys: dict[str, Any] = field(default_factory=lambda: {"one": rsa_key(1)})
    asked: int = 0
    away: bool = False

    def jwks(self, _source: str = "") -> bytes:
        self.asked += 1
        if self.away:
            raise OSError("away")
        return json.dumps({"keys": [_jwk(kid, key) for kid, key in self.keys.items()]}).encode()

    def tokens(self, clock: Any = lambda: 0.0, **changes: Any) -> Tokens:
        keys = KeySet("keys.json", clock, self.jwks)
        keys.refresh()
        self.asked = 0
        return Tokens(provider(**changes), keys)

    def token(self, kid: str | None = "one", algorithm: str = "RS256", key: Any = None, **claims: Any) -> str:
        content = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 300, "groups": ["planning"]} | claims
        content = {name: value for name, value in content.items() if value is not None}
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(content, key or self.keys[kid or "one"], algorithm, headers=headers)


def public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _jwk(kid: str, key: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
