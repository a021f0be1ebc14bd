"""Keys and roles in the fold: what was made, revoked, given and taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runtime.domain.errors import Refused
from runtime.domain.routes import routes_after
from runtime.domain.tokens import (
    AccessRefused,
    AuthenticationSet,
    Role,
    RoleGiven,
    RoleTaken,
    TokenCreated,
    TokenRevoked,
    fits,
)
from tests.unit.domain.lives import MODEL, MONDAY, History

TOKEN = "abcdefghij234567"


def created(token: str = TOKEN, **changes: Any) -> TokenCreated:
    given: dict[str, Any] = {"name": "crew", "roles": (Role.CLIENT,), "models": ("flight-*",)}
    given |= {"expires": MONDAY + timedelta(days=90), "secret": "hmac-sha256:" + "0" * 64}
    return TokenCreated(token=token, **(given | changes))


def test_a_key_is_live_until_it_expires_or_is_revoked() -> None:
    history = History.of(created())
    key = history.state.tokens[TOKEN].key
    assert key.is_live(MONDAY)
    assert not key.is_live(MONDAY + timedelta(days=90))
    assert key.principal == "user:crew"
    history.after(TokenRevoked(token=TOKEN, reason="leaked"))
    assert not history.state.tokens[TOKEN].key.is_live(MONDAY)
    assert history.state.tokens[TOKEN].reason == "leaked"


def test_a_key_is_made_once_and_revoked_once() -> None:
    history = History.of(created())
    with pytest.raises(Refused, match="there is a key of this id"):
        history.after(created())
    with pytest.raises(Refused, match="no such key is in force"):
        history.after(TokenRevoked(token="z" * 16, reason=""))
    with pytest.raises(Refused, match="no such key is in force"):
        history.after(TokenRevoked(token=TOKEN, reason=""), TokenRevoked(token=TOKEN, reason=""))
    with pytest.raises(Refused, match=r"expired .* already"):
        history.after(created("z" * 16, expires=MONDAY))


def test_replicas_learn_of_the_keys_that_changed_after_what_they_know() -> None:
    history = History.of(created())
    known = history.state.size
    assert [key.token for key in routes_after(history.state, "default", 0, 0).keys] == [TOKEN]
    assert routes_after(history.state, "default", known, 0).keys == ()
    history.after(created("z" * 16), TokenRevoked(token=TOKEN, reason=""))
    changed = {key.token: key.revoked for key in routes_after(history.state, "default", known, 0).keys}
    assert changed == {TOKEN: True, "z" * 16: False}


def test_roles_are_given_and_taken_once() -> None:
    given = RoleGiven(principal="user:bob", role=Role.APPROVER, reason="validator")
    taken = RoleTaken(principal="user:bob", role=Role.APPROVER, reason="left")
    history = History.of(given)
    assert history.state.roles == {"user:bob": (Role.APPROVER,)}
    with pytest.raises(Refused, match="held already"):
        history.after(given)
    history.after(taken)
    assert history.state.roles == {"user:bob": ()}
    with pytest.raises(Refused, match="was not given"):
        history.after(taken)


@pytest.mark.parametrize("principal", ["bob", "service:operator", "user:", "user:two words"])
def test_only_a_person_is_given_a_role(principal: str) -> None:
    with pytest.raises(ValueError, match="principal"):
        RoleGiven(principal=principal, role=Role.CLIENT, reason="")


@pytest.mark.parametrize("role", ["governor", "monitor", "replica", "root"])
def test_the_clusters_own_roles_are_given_to_nobody(role: str) -> None:
    with pytest.raises(ValueError, match="role"):
        RoleGiven.model_validate({"principal": "user:bob", "role": role, "reason": ""})
    with pytest.raises(ValueError, match="roles"):
        created(roles=(role,))


@pytest.mark.parametrize(
    "changes",
    [
        {"models": ("a/b",)},
        {"models": ("[ab]",)},
        {"models": ("",)},
        {"roles": ()},
        {"per_second": 0.0},
        {"per_second": float("inf")},
        {"secret": "plain"},
        {"name": "two words"},
        {"token": "SHORT"},
    ],
)
def test_a_key_that_is_none_cannot_be_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        created(**{"token": TOKEN} | changes)


def test_patterns_fit_whole_names() -> None:
    assert fits("flight-time-UA", ("flight-*",))
    assert fits("b", ("a", "?"))
    for model in ("a-flight-1", "Flight-1", "flight", "flight-1\n"):
        assert not fits(model, ("flight-?",))
    assert not fits("anything", ())


def test_what_replicas_turned_away_is_counted_and_authentication_changes_once() -> None:
    refused = AccessRefused(
        replica="r", caller="", model=MODEL, reason="no key", requests=7, first_time=MONDAY, last_time=MONDAY
    )
    history = History.of(refused, AuthenticationSet(mode="required"))
    assert (history.state.totals.refused_requests, history.state.authentication) == (7, "required")
    with pytest.raises(Refused, match="it is required already"):
        history.after(AuthenticationSet(mode="required"))
