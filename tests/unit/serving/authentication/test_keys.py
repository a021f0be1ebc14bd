"""API keys: what is kept of them, whose they are, and when they are worth nothing."""

import hmac
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.domain.tokens import Key, Role
from runtime.ledger.errors import KeyUnusable
from runtime.serving.authentication import keyring
from runtime.serving.authentication.credential import read_credential, write_credential
from runtime.serving.authentication.errors import NotAllowed, Unauthenticated
from runtime.serving.authentication.keyring import KeyRing
from runtime.serving.authentication.pepper import NewKey, Pepper, token_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def pepper(tmp_path: Path) -> Pepper:
    return Pepper.load_or_create(tmp_path / "keys" / "pepper")


def key_of(made: NewKey, **changes: Any) -> Key:
    given: dict[str, Any] = {
        "roles": (Role.CLIENT,),
        "models": ("flight-*",),
        "expires": NOW + timedelta(days=1),
    } | changes
    return Key(token=made.token, name="crew", secret=made.secret, **given)


def ring_of(pepper: Pepper, *keys: Key) -> KeyRing:
    return KeyRing(pepper, {}).with_changed(keys)


def test_a_key_is_random_and_only_an_hmac_of_it_is_kept(pepper: Pepper) -> None:
    made = [pepper.new_key() for _ in range(100)]
    assert len({each.text for each in made}) == len({each.token for each in made}) == 100
    for each in made:
        token, _, secret = each.text.partition(".")
        assert (token, token_of(each.text), len(secret)) == (each.token, each.token, 43)
        assert secret not in each.secret
    assert pepper.is_of(made[0].text, made[0].secret)
    assert not pepper.is_of(made[1].text, made[0].secret)


def test_another_pepper_knows_none_of_the_keys(pepper: Pepper, tmp_path: Path) -> None:
    made = pepper.new_key()
    assert not Pepper.load_or_create(tmp_path / "other").is_of(made.text, made.secret)


def test_the_pepper_is_its_owners_alone_and_is_never_shown(pepper: Pepper, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "pepper"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in repr(pepper)
    assert Pepper.load(path).own_key() == pepper.own_key()
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="0640 lets others at it"):
        Pepper.load(path)


@pytest.mark.parametrize("content", [b"", b"short", b"Z" * 64, b"a" * 65])
def test_a_file_that_is_no_pepper_is_refused_and_not_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="expected 64 hex digits"):
        Pepper.load_or_create(path)
    assert path.read_bytes() == content


def test_a_replica_makes_no_pepper_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read"):
        Pepper.load(tmp_path / "pepper")


def test_secrets_are_compared_in_constant_time(pepper: Pepper, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []
    true_one = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return true_one(one, other)

    made = pepper.new_key()
    monkeypatch.setattr(hmac, "compare_digest", watched)
    ring_of(pepper, key_of(made)).identity(made.text, NOW.timestamp())
    with pytest.raises(Unauthenticated):
        ring_of(pepper, key_of(made)).identity(f"{made.token}.{'A' * 43}", NOW.timestamp())
    assert [kept for _, kept in compared] == [made.secret, made.secret]


def test_the_clusters_own_key_is_no_key_of_a_caller(pepper: Pepper) -> None:
    own = pepper.own_key()
    assert pepper.is_own(own)
    assert not pepper.is_own(pepper.new_key().text)
    with pytest.raises(Unauthenticated):
        ring_of(pepper).identity(own, NOW.timestamp())


def test_an_identity_is_what_the_key_is_good_for(pepper: Pepper) -> None:
    made = pepper.new_key()
    who = ring_of(pepper, key_of(made, per_second=5.0)).identity(made.text, NOW.timestamp())
    assert (who.caller, who.principal, who.per_second) == (made.token, "user:crew", 5.0)
    who.check_asks("flight-time")
    assert who.reads("flight-time")
    for model in ("crew-size", "Flight-time", "a-flight-time", "flight"):
        with pytest.raises(NotAllowed, match="none of its models"):
            who.check_asks(model)
        assert not who.reads(model)


def test_an_auditor_reads_of_all_models_and_asks_none(pepper: Pepper) -> None:
    made = pepper.new_key()
    who = ring_of(pepper, key_of(made, roles=(Role.AUDITOR,), models=("*",))).identity(made.text, NOW.timestamp())
    who.check_reads("anything")
    with pytest.raises(NotAllowed, match="needs the role client"):
        who.check_asks("anything")


def test_a_wrong_secret_and_an_unknown_id_are_refused_alike(pepper: Pepper) -> None:
    made = pepper.new_key()
    ring = ring_of(pepper, key_of(made))
    wrong = made.text[:-1] + ("A" if made.text[-1] != "A" else "B")
    reasons = set()
    for text in (wrong, pepper.new_key().text, "", "x", made.token, f"{made.token}.", "a.b.c", "\x00" * 60):
        with pytest.raises(Unauthenticated) as caught:
            ring.identity(text, NOW.timestamp())
        reasons.add(caught.value.reason)
    assert reasons == {"the key is not valid"}


def test_a_revoked_key_is_out_although_it_was_remembered(pepper: Pepper) -> None:
    made = pepper.new_key()
    ring = ring_of(pepper, key_of(made))
    ring.identity(made.text, NOW.timestamp())
    with pytest.raises(Unauthenticated, match="was revoked"):
        ring.with_changed([key_of(made, revoked=True)]).identity(made.text, NOW.timestamp())


def test_an_expired_key_is_out_although_it_was_remembered(pepper: Pepper) -> None:
    made = pepper.new_key()
    ring = ring_of(pepper, key_of(made))
    last = (NOW + timedelta(days=1)).timestamp()
    ring.identity(made.text, last - 1)
    with pytest.raises(Unauthenticated, match="has expired"):
        ring.identity(made.text, last)


def test_a_remembered_key_costs_no_hmac_and_memory_is_bounded(pepper: Pepper, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [pepper.new_key() for _ in range(5)]
    ring = ring_of(pepper, *(key_of(each) for each in made))
    calls: list[str] = []
    is_of = pepper.is_of

    def watched(text: str, kept: str) -> bool:
        calls.append(text)
        return is_of(text, kept)

    monkeypatch.setattr(pepper, "is_of", watched)
    monkeypatch.setattr(keyring, "REMEMBERED", 3)
    for each in (made[0], made[0], made[0]):
        assert ring.identity(each.text, NOW.timestamp()).caller == each.token
    assert len(calls) == 1
    for each in made:
        ring.identity(each.text, NOW.timestamp())
    assert len(ring._known) <= 3


def test_a_credential_lies_in_a_file_of_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "credential"
    assert read_credential(path) is None
    for text in ("one.secret", "two.secret"):
        write_credential(path, text)
        assert read_credential(path) == text
    assert path.read_text() == "authorization: Bearer two.secret\n", "as curl -H @FILE takes it"
    path.chmod(0o644)
    with pytest.raises(KeyUnusable, match="0644"):
        read_credential(path)
    path.write_text("two.secret")
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="expected one line"):
        read_credential(path)
