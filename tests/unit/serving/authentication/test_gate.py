"""Requests at the gate, over the application itself: who is let in, who is turned away, and what each is told."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from runtime.domain.errors import SettingsError
from runtime.domain.ids import new_id
from runtime.domain.serving import TLS_FILE
from runtime.domain.tokens import AccessRefused, Key, Role
from runtime.serving import body
from runtime.serving.authentication import quota
from runtime.serving.authentication.authorise import GatedAuthority
from runtime.serving.authentication.denials import EVERY, KINDS, REST, Denials
from runtime.serving.authentication.errors import OverQuota
from runtime.serving.authentication.exposure import hand_to_haproxy, require_authentication, tls_options
from runtime.serving.authentication.gate import Required
from runtime.serving.authentication.jwks import ASKED_EVERY_S
from runtime.serving.authentication.pepper import NewKey, Pepper
from runtime.serving.authentication.quota import Buckets
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from runtime.settings import Settings
from tests.certificates import self_signed
from tests.unit.serving.authentication.issuer import NOW as ISSUED
from tests.unit.serving.authentication.issuer import Issuer, rsa_key
from tests.unit.serving.conftest import NOW, Client, Kept, Shop


@dataclass
class Door:
    """A gate with its clocks, the keys it was told of, and what it turned away."""

    pepper: Pepper
    issuer: Issuer = field(default_factory=Issuer)
    now: float = ISSUED
    elapsed: float = 1_000.0
    denied: list[tuple[str, str | None, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tokens = self.issuer.tokens(lambda: self.elapsed)
        self.gate = Required(self.pepper, tokens, clock=lambda: self.now, elapsed=lambda: self.elapsed)

    def key(self, made: NewKey | None = None, **changes: Any) -> NewKey:
        made = made or self.pepper.new_key()
        given: dict[str, Any] = {
            "roles": (Role.CLIENT,),
            "models": ("m",),
            "expires": NOW + timedelta(days=9999),
        } | changes
        self.gate.follow([Key(token=made.token, name="crew", secret=made.secret, **given)])
        return made


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(Pepper.load_or_create(tmp_path / "pepper"))


@pytest.fixture
def guarded(pool: Pool, kept: Kept, shop: Shop, door: Door) -> Iterator[Client]:
    async def on_shutdown() -> None:
        """Nothing to close."""

    service = Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0", within_seconds=0.2)
    authority = GatedAuthority(door.gate, lambda *denial: door.denied.append(denial))
    client = Client(Application(service, on_shutdown, authority))
    yield client
    client.close()


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


def test_a_caller_with_a_key_is_answered_and_stands_in_the_decision(guarded: Client, door: Door, kept: Kept) -> None:
    key = door.key()
    response = guarded.infer(headers={**bearer(key.text), "fleetward-caller": "somebody-else"})
    assert response.status_code == 200, response.text
    outcome = orjson.dumps({"outcomes": [{"decision_id": new_id(), "actual": 1.0}]})
    guarded.send("POST", "/v2/models/m/outcomes", content=outcome, headers=bearer(key.text))
    assert [kept.decisions[0].caller, kept.truths[0].caller] == [key.token, key.token]


def test_a_caller_with_a_token_stands_in_the_decision_as_issuer_and_subject(
    guarded: Client, door: Door, kept: Kept
) -> None:
    text = door.issuer.token(realm_access={"roles": ["lead"]})
    assert guarded.infer(headers=bearer(text)).status_code == 200
    assert kept.decisions[0].caller == "https://login.example.com/|ada"


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="fleetward"'),
        ({"fleetward-caller": "crew"}, 'Bearer realm="fleetward"'),
        ({"authorization": "Basic Y3JldzpwYXNz"}, 'Bearer realm="fleetward"'),
        ({"authorization": "Bearer"}, 'Bearer realm="fleetward"'),
        (bearer("nobody.nothing"), 'Bearer realm="fleetward", error="invalid_token"'),
        (bearer("\x7f" * 70), 'Bearer realm="fleetward", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/v2/models/nobody/infer", "/v2/models/m/outcomes"])
def test_without_a_valid_credential_it_is_401_with_a_challenge(
    guarded: Client, door: Door, kept: Kept, headers: dict[str, str], challenge: str, path: str
) -> None:
    response = guarded.send("POST", path, content=b"{}", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == challenge
    assert "authentication is required" in response.json()["error"]
    assert door.denied[0][:2] == ("", path.split("/")[3])
    assert not kept.decisions


@pytest.mark.parametrize("path", ["/v2/models/mixed/infer", "/v2/models/nobody/infer"])
def test_a_model_that_is_not_the_callers_is_403_whether_or_not_it_exists(
    guarded: Client, door: Door, path: str
) -> None:
    key = door.key()
    for method, where in (("POST", path), ("GET", path.removesuffix("/infer")), ("POST", f"{path[:-6]}/outcomes")):
        response = guarded.send(method, where, content=b"{}", headers=bearer(key.text))
        assert response.status_code == 403, where
        assert "none of its models" in response.json()["error"]
    assert {caller for caller, _, _ in door.denied} == {key.token}


def test_lists_show_only_the_callers_models(guarded: Client, door: Door) -> None:
    client, auditor = door.key(models=("mix*",)), door.key(roles=(Role.AUDITOR,), models=())
    shown = [
        {each["name"] for each in guarded.send("POST", "/v2/repository/index", headers=bearer(key.text)).json()}
        for key in (client, auditor)
    ]
    assert shown == [{"mixed"}, {"m", "mixed", "off"}]


def test_health_needs_no_credential_and_tells_of_no_model(guarded: Client) -> None:
    for path in ("/v2/health/live", "/v2/health/ready"):
        response = guarded.send("GET", path)
        assert response.status_code == 200
        assert "mixed" not in response.text


def test_a_revoked_key_is_out_at_once_and_an_expired_one_in_time(guarded: Client, door: Door) -> None:
    revoked, expiring = door.key(), door.key(expires=NOW + timedelta(days=400))
    door.now = NOW.timestamp()
    assert [guarded.infer(headers=bearer(each.text)).status_code for each in (revoked, expiring)] == [200, 200]
    door.key(revoked, revoked=True)
    door.now = (NOW + timedelta(days=400)).timestamp()
    assert [guarded.infer(headers=bearer(each.text)).status_code for each in (revoked, expiring)] == [401, 401]
    assert [reason.split()[-1] for _, _, reason in door.denied] == ["revoked", "expired"]


def test_over_its_quota_a_caller_is_told_when_to_come_back(guarded: Client, door: Door) -> None:
    key, other = door.key(per_second=2.0), door.key(per_second=0.1)
    statuses = [guarded.infer(headers=bearer(key.text)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    door.elapsed += 0.5
    assert guarded.infer(headers=bearer(key.text)).status_code == 200
    assert guarded.infer(headers=bearer(other.text)).status_code == 200, "others have buckets of their own"
    response = guarded.infer(headers=bearer(other.text))
    assert (response.status_code, response.headers["retry-after"]) == (429, "10")
    assert "over its quota of 0.1 requests/s a replica" in response.json()["error"]


def test_a_quota_holds_in_the_long_run_and_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    buckets, passed, waits = Buckets(lambda: now), 0, list[float]()
    for _ in range(10_000):
        now += 0.01
        try:
            buckets.take("greedy", 7.0)
            passed += 1
        except OverQuota as error:
            waits.append(error.retry_after)
    assert 0 < min(waits) <= max(waits) <= 1 / 7
    assert passed == pytest.approx(7 + 7 * 100, abs=1)
    monkeypatch.setattr(quota, "_MOST_BUCKETS", 10)
    for number in range(100):
        buckets.take(str(number), 1.0)
    assert len(buckets._filled) <= 10


def test_a_key_that_the_provider_changed_is_found_without_a_failed_request(guarded: Client, door: Door) -> None:
    door.issuer.keys["two"] = rsa_key(2)
    text = door.issuer.token("two", realm_access={"roles": ["lead"]})
    assert guarded.infer(headers=bearer(text)).status_code == 200
    assert door.issuer.asked == 1


def test_requests_that_meet_while_the_provider_is_asked_wait_for_the_same_answer(door: Door) -> None:
    door.issuer.keys["two"] = rsa_key(2)
    headers = {b"authorization": f"Bearer {door.issuer.token('two')}".encode()}

    async def meet() -> list[str]:
        return [who.caller for who in await asyncio.gather(*(door.gate.admit(headers) for _ in range(20)))]

    assert set(asyncio.run(meet())) == {"https://login.example.com/|ada"}
    assert door.issuer.asked == 1


def test_a_flood_of_unknown_key_ids_asks_the_provider_once_in_a_while(guarded: Client, door: Door) -> None:
    flood = [door.issuer.token(f"unknown-{number}", key=rsa_key(2)) for number in range(100)]
    for text in flood:
        assert guarded.infer(headers=bearer(text)).status_code == 401
    assert door.issuer.asked == 1
    door.elapsed += ASKED_EVERY_S
    guarded.infer(headers=bearer(flood[0]))
    assert door.issuer.asked == 2


def test_a_gate_tends_to_old_keys_by_itself(door: Door) -> None:
    door.gate.tend()
    assert door.issuer.asked == 0
    door.elapsed += 600
    door.gate.tend()
    assert door.issuer.asked == 1


def test_a_body_that_does_not_arrive_in_time_is_504(door: Door, guarded: Client) -> None:
    async def slowly() -> Any:
        yield b"{"
        await asyncio.sleep(60)
        yield b"}"

    key = door.key()
    response = guarded.send("POST", "/v2/models/m/infer", content=slowly(), headers=bearer(key.text))
    assert response.status_code == 504
    assert "within 0.2 s" in response.json()["error"]


def test_a_body_over_the_limit_is_413_for_callers_and_401_for_strangers(
    door: Door, guarded: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LARGEST_BODY", 10)
    statuses = [
        guarded.send("POST", "/v2/models/m/infer", content=b" " * 11, headers=headers).status_code
        for headers in (bearer(door.key().text), {})
    ]
    assert statuses == [413, 401]


# --- what the ledger learns ------------------------------------------------------------------------------


def test_denials_are_counted_by_kind_and_handed_in_until_they_are_recorded() -> None:
    now = NOW
    denials = Denials("r1", "service:replica", lambda: now)
    for _ in range(5):
        denials.add("", "m", "no key")
    denials.add("k1", "not/a/name", "not its model")
    due = denials.due()
    events = [draft.event for draft in due]
    assert all(isinstance(event, AccessRefused) for event in events)
    assert [(e.caller, e.model, e.requests) for e in events if isinstance(e, AccessRefused)] == [
        ("", "m", 5),
        ("k1", None, 1),
    ]
    denials.add("", "m", "no key")
    assert denials.due() == due, "the same drafts with the same ids, until they are recorded"
    denials.published()
    assert denials.due() == [], "and not more often than every few seconds"
    now += EVERY
    assert len(denials.due()) == 1


def test_a_flood_of_denials_makes_few_entries() -> None:
    denials = Denials("r1", "service:replica", lambda: NOW)
    for number in range(10_000):
        denials.add(f"k{number}", "m", "not its model")
    events = [draft.event for draft in denials.due() if isinstance(draft.event, AccessRefused)]
    assert len(events) == KINDS + 1
    assert sum(event.requests for event in events) == 10_000
    assert events[-1].reason == REST


# --- what a fleet may be exposed with --------------------------------------------------------------------


def settings(**changes: str) -> Settings:
    return Settings.from_environment({f"FLEETWARD_{name.upper()}": value for name, value in changes.items()})


def test_authentication_is_required_unless_it_is_switched_off() -> None:
    assert settings().authentication == "required"
    with pytest.raises(SettingsError, match="FLEETWARD_AUTHENTICATION='maybe'"):
        settings(authentication="maybe")


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "models.example.com", ""])  # noqa: S104 - refused
def test_nobody_is_believed_on_a_host_that_others_reach(host: str) -> None:
    with pytest.raises(SettingsError, match="not loopback"):
        require_authentication(settings(authentication="none"), host)
    require_authentication(settings(), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.5.5.5", "::1", "localhost"])
def test_on_loopback_authentication_may_be_off(host: str) -> None:
    require_authentication(settings(authentication="none"), host)


def test_tls_is_serves_own_proxys_and_refused_where_haproxy_could_not_speak_it() -> None:
    both = settings(tls_certificate="cert.pem", tls_key="key.pem")
    assert tls_options(both, {}) == {"ssl_certfile": "cert.pem", "ssl_keyfile": "key.pem"}
    assert tls_options(settings(), {"RAY_SERVE_ENABLE_HA_PROXY": "1"}) == {}
    with pytest.raises(SettingsError, match="HAProxy speaks none"):
        tls_options(both, {"RAY_SERVE_ENABLE_HA_PROXY": "1"})
    with pytest.raises(SettingsError, match="FLEETWARD_TLS_KEY beside it"):
        tls_options(settings(tls_certificate="cert.pem"), {})


def test_a_local_clusters_haproxy_is_handed_certificate_and_key_that_nobody_else_may_read(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    file = tmp_path / "tls.pem"
    environment = {"RAY_SERVE_ENABLE_HA_PROXY": "1", TLS_FILE: str(file)}
    tls = tls_options(settings(tls_certificate=str(certificate), tls_key=str(key)), environment)
    hand_to_haproxy(tls, environment)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == certificate.read_bytes() + b"\n" + key.read_bytes()
    hand_to_haproxy({}, environment)
    assert not file.exists()
    with pytest.raises(SettingsError, match=r"FLEETWARD_TLS_KEY.*a PEM file that can be read"):
        hand_to_haproxy({**tls, "ssl_keyfile": str(tmp_path / "none.pem")}, environment)
