"""Tokens of an identity provider: every way to a token that is not its own, not for us, or not now, is refused."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.tokens import Role
from runtime.serving.authentication.errors import Unauthenticated
from runtime.serving.authentication.jwks import ASKED_EVERY_S, OLD_AFTER_S, KeySet
from runtime.serving.authentication.oidc import BELIEVED_S, UnknownSigner
from tests.unit.serving.authentication.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    Issuer,
    ec_key,
    provider,
    public_pem,
    rsa_key,
    unsigned,
)

CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 300, "groups": ["planning"]}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def refusal(issuer: Issuer, text: str, **changes: Any) -> str:
    with pytest.raises(Unauthenticated) as caught:
        issuer.tokens(**changes).identity(text, NOW)
    return caught.value.reason


def test_a_good_token_is_its_issuer_and_subject_with_what_its_claims_give(issuer: Issuer) -> None:
    identity = issuer.tokens().identity(issuer.token(), NOW)
    assert identity.caller == f"{ISSUER}|ada"
    assert identity.principal == f"user:{ISSUER}|ada"
    assert identity.roles == {Role.CLIENT}
    assert identity.models == ("flight-*",)
    assert identity.per_second == 50


def test_every_rule_that_fits_adds_what_it_gives(issuer: Issuer) -> None:
    text = issuer.token(realm_access={"roles": ["lead"]}, scope="openid audit")
    identity = issuer.tokens().identity(text, NOW)
    assert identity.roles == {Role.CLIENT, Role.APPROVER, Role.AUDITOR}
    assert identity.models == ("flight-*", "*")
    assert identity.per_second is None, "one of them sets no bound"


def test_claims_that_fit_no_rule_give_nothing(issuer: Issuer) -> None:
    identity = issuer.tokens().identity(issuer.token(groups="plan", scope="auditor"), NOW)
    assert (identity.roles, identity.models) == (frozenset(), ())


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "", None, ["RS256"]])
def test_an_algorithm_that_was_not_pinned_is_refused(issuer: Issuer, algorithm: object) -> None:
    text = unsigned(CLAIMS, {"alg": algorithm, "kid": "one", "typ": "JWT"})
    assert "algorithm is not one of" in refusal(issuer, text) or "neither an API key" in refusal(issuer, text)


def test_the_public_key_used_as_a_secret_signs_nothing(issuer: Issuer) -> None:
    unsigned_text = unsigned(CLAIMS, {"alg": "HS256", "kid": "one"}).rsplit(".", 1)[0]
    forged = hmac.digest(public_pem(rsa_key(1)), unsigned_text.encode(), hashlib.sha256)
    assert "algorithm is not one of" in refusal(issuer, unsigned(CLAIMS, {"alg": "HS256", "kid": "one"}, forged))


def test_a_key_is_used_with_its_own_algorithm_only(issuer: Issuer) -> None:
    issuer.keys["ec"] = ec_key()
    assert issuer.tokens().identity(issuer.token("ec", "ES256"), NOW).roles == {Role.CLIENT}
    assert "InvalidAlgorithmError" in refusal(issuer, issuer.token("one", "ES256", ec_key()))


def test_a_signature_of_another_key_is_refused(issuer: Issuer) -> None:
    assert "InvalidSignatureError" in refusal(issuer, issuer.token(key=rsa_key(2)))


def test_changed_claims_are_refused(issuer: Issuer) -> None:
    header, _, signature = issuer.token().split(".")
    other = issuer.token(sub="root").split(".")[1]
    assert "InvalidSignatureError" in refusal(issuer, f"{header}.{other}.{signature}")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "billing"}, "InvalidAudienceError"),
        ({"aud": ["billing", "crm"]}, "InvalidAudienceError"),
        ({"iss": "https://login.example.org/"}, "InvalidIssuerError"),
        ({"exp": None}, "MissingRequiredClaimError"),
        ({"aud": None}, "MissingRequiredClaimError"),
        ({"iss": None}, "MissingRequiredClaimError"),
        ({"sub": None}, "MissingRequiredClaimError"),
        ({"exp": NOW - 31}, "has expired"),
        ({"exp": NOW - 30}, "has expired"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"iat": NOW + 31}, "not valid yet"),
        ({"exp": "soon"}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"nbf": [1]}, "nbf is no time"),
        ({"sub": "two words"}, "visible ASCII"),
        ({"sub": "x" * 250}, "visible ASCII"),
    ],
)
def test_a_token_not_for_us_or_not_now_is_refused(issuer: Issuer, claims: dict[str, Any], words: str) -> None:
    assert words in refusal(issuer, issuer.token(**claims))


@pytest.mark.parametrize("claims", [{"exp": NOW - 29}, {"nbf": NOW + 29}, {"iat": NOW + 29}, {"aud": [AUDIENCE, "b"]}])
def test_clocks_may_differ_by_the_leeway(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert issuer.tokens().identity(issuer.token(**claims), NOW).caller.endswith("|ada")


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "\u00e9.\u00e9.\u00e9", "." * 100, "e30.e30.", "x" * 9000])
def test_what_is_no_token_is_refused(issuer: Issuer, text: str) -> None:
    assert refusal(issuer, text)


def test_a_token_that_names_no_key_is_refused(issuer: Issuer) -> None:
    assert "does not name its key" in refusal(issuer, issuer.token(kid=None))


def test_a_checked_token_is_checked_again_after_a_minute_or_when_it_ends(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    assert tokens.identity(issuer.token(), NOW).expires == NOW + BELIEVED_S
    assert tokens.identity(issuer.token(exp=NOW + 5), NOW).expires == NOW + 35


def test_a_key_that_the_provider_withdrew_signs_nothing_more(issuer: Issuer) -> None:
    text, tokens = issuer.token(), issuer.tokens()
    issuer.keys = {"two": rsa_key(2)}
    tokens.keys.refresh()
    with pytest.raises(UnknownSigner):
        tokens.identity(text, NOW)
    assert tokens.identity(issuer.token("two"), NOW).caller.endswith("|ada")


def test_the_provider_is_asked_at_most_once_in_a_while(issuer: Issuer) -> None:
    now = 0.0
    keys = KeySet("keys.json", lambda: now, issuer.jwks)
    assert keys.is_old()
    assert [keys.may_ask() for _ in range(1000)].count(True) == 1
    keys.refresh()
    now = ASKED_EVERY_S
    assert keys.may_ask()
    assert not keys.is_old()
    now = OLD_AFTER_S
    assert keys.is_old()


def test_while_the_provider_is_away_its_known_keys_go_on(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    issuer.away = True
    tokens.keys.refresh()
    assert tokens.identity(issuer.token(), NOW).roles == {Role.CLIENT}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"keys": 1}', b'{"keys": [1, {"kid": "x"}]}', b"\xff"])
def test_a_key_set_that_is_none_leaves_no_key_or_the_old_ones(content: bytes) -> None:
    keys = KeySet("keys.json", lambda: 0.0, lambda _: content)
    keys.refresh()
    assert keys.find("x") is None


def test_a_secret_key_in_the_set_is_passed_over() -> None:
    keys = KeySet(
        "k", lambda: 0.0, lambda _: b'{"keys": [{"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"}]}'
    )
    keys.refresh()
    assert keys.find("s") is None


def test_keys_are_read_from_a_file_without_a_network(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(issuer.jwks())
    for source in (str(path), path.as_uri()):
        keys = KeySet(source, lambda: 0.0)
        keys.refresh()
        assert keys.find("one") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"jwks": "http://login.example.com/keys"},
        {"jwks": "ftp://login.example.com/keys"},
        {"leeway": "6m"},
        {"audience": ""},
        {"rules": []},
        {"rules": [{"claim": "g", "value": "v", "roles": ["governor"]}]},
        {"rules": [{"claim": "g", "value": "v", "roles": []}]},
    ],
)
def test_an_unsafe_provider_is_refused_when_it_is_read(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        provider(**changes)
