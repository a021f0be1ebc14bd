"""The settings' outsiders are handed checkpoints, and one that is away is told of and waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import SettingsError
from runtime.domain.events import GovernorStarted
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.proofs import Proofs
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.witness.outsiders import parse_witnesses, reported, start_handing
from runtime.witness.publication import Outsider
from tests.waiting import wait_until

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
KEEP = timedelta(days=1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(f"sqlite:///{tmp_path / 'ledger.db'}", lambda: datetime.now(UTC)) as opened:
        key = SigningKey.load_or_create(tmp_path / "key.pem")
        started = GovernorStarted(epoch=1, key_id=key.key_id, public_key=key.public_key_text)
        opened.append([Draft.fresh(started, "system:governor")])
        Publisher(opened, Signer(key, "ledger.test"), lambda: datetime.now(UTC)).publish()
        yield opened


def test_witnesses_are_read_as_pairs_of_url_and_key() -> None:
    found = parse_witnesses(f"http://a:1 {VKEY}, http://b:2 {VKEY}")
    assert [(url, verifier.vkey) for url, verifier in found] == [("http://a:1", VKEY), ("http://b:2", VKEY)]
    assert parse_witnesses("") == []


@pytest.mark.parametrize("text", ["http://a:1", f"{VKEY} http://a:1", f"http://a:1 {VKEY[:-3]}"])
def test_what_is_no_witness_is_named(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_witnesses(text)
    assert refused.value.name == "FLEETWARD_WITNESSES"
    assert text in str(refused.value)


def test_an_outsider_that_is_away_is_told_of_and_holds_nothing_up(log: Log) -> None:
    with socket.socket() as nobody:  # bound, and not listening: a connection is refused
        nobody.bind(("127.0.0.1", 0))
        away = _report_of(f"http://127.0.0.1:{nobody.getsockname()[1]}", log)
    assert (away.name, away.handed, away.contradiction) == ("witness PeterNeumann", 0, "")
    assert "127.0.0.1" in away.failure


def _report_of(url: str, log: Log) -> Outsider:
    """Of a witness at this URL, once there is something to tell."""
    (handing,) = start_handing(f"{url} {VKEY}", "", KEEP, log.database, Proofs(log.database))
    try:
        wait_until(lambda: reported(handing).failure)
        return reported(handing)
    finally:
        handing.stop()


def test_without_settings_nobody_is_handed_anything(log: Log) -> None:
    assert start_handing("", "", KEEP, log.database, Proofs(log.database)) == []
