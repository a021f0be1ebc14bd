"""How checkpoints come out is seen in ``status``; what says that history was rewritten cannot be overlooked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from jobs.cli import publishing
from jobs.cli.failing import CommandFailed
from runtime.ledger.errors import LedgerUnavailable, PublicationRefused
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.proofs import PublishedCheckpoint
from runtime.ledger.publisher import Publisher, origin_of
from runtime.ledger.signing import SigningKey
from runtime.witness.publication import Outsider, Publication
from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]
NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
BEHIND = Outsider(name="witness w", handed=7, failure="it is away", contradiction="")
CONTRADICTING = Outsider(name="anchor s3://b", handed=7, failure="", contradiction="size 9 has another root")


def told(failure: Exception | None = None, *outsiders: Outsider) -> Publication:
    newest = PublishedCheckpoint(size=10, root="", time=NOW - timedelta(minutes=5), note="")
    return Publication.of(12, newest, failure, outsiders)


@pytest.fixture
def log(installation: Installation) -> Log:
    return installation.writer._log


def signer_of(installation: Installation, log: Log, name: str) -> Signer:
    return Signer(SigningKey.load_or_create(installation.home / "keys" / name), origin_of(log))


def test_the_age_of_the_checkpoint_and_the_lag_of_each_outsider_are_shown() -> None:
    found = told(LedgerUnavailable("sqlite:///x", "no space"), BEHIND)
    assert dict(publishing.fields(found, NOW)) == {
        "checkpoint": "of 10 entries, 5 min old, 2 entries behind",
        "checkpoint failure": "ledger sqlite:///x: no space",
        "witness w": "holds 7 entries, 3 behind; it is away",
    }
    document = publishing.document(found, NOW)
    assert (document["age_seconds"], document["behind"], document["outsiders"][0]["behind"]) == (300.0, 2, 3)
    publishing.raise_alarms(found)  # being behind is no alarm


def test_a_ledger_without_checkpoints_says_so() -> None:
    assert dict(publishing.fields(Publication.of(3, None), NOW)) == {"checkpoint": "none was published"}


def test_tampering_and_contradictions_are_alarms(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(PublicationRefused(12, "the ledger was cut"), BEHIND, CONTRADICTING)
    with pytest.raises(CommandFailed, match=r"^ALARM: the ledger contradicts its checkpoints: .* the ledger was cut$"):
        publishing.raise_alarms(found)
    assert capsys.readouterr().err == "ALARM: anchor s3://b contradicts the ledger: size 9 has another root\n"


def test_status_and_outsiders_show_the_checkpoint_of_a_ledger_without_governor(
    run: Run, answer: Callable[..., Any], installation: Installation, log: Log
) -> None:
    assert "checkpoint none was published" in [" ".join(line.split()) for line in run("status").stdout.splitlines()]
    Publisher(log, signer_of(installation, log, "governor.pem"), lambda: NOW).publish()
    assert answer("status")["publication"]["published"] == log.size
    assert answer("ledger", "outsiders")["published_at"] == "2026-03-01T13:00:00.000000Z"
    assert "publication" not in answer("status", "--as-of", "5")


def test_a_consistency_proof_is_printed_and_checked_offline(
    run: Run, installation: Installation, log: Log, tmp_path: Path
) -> None:
    signer = signer_of(installation, log, "governor.pem")
    Publisher(log, signer, lambda: NOW).publish()
    file = tmp_path / "proof.json"
    file.write_text(run("ledger", "consistency", "3").stdout)
    checked = run("ledger", "check", str(file), "--key", signer.verifier.vkey, "-o", "json")
    assert checked.exit_code == 0, checked.stderr
    found = json.loads(checked.stdout)
    assert (found["result"], found["proves"], found["old_size"], found["size"]) == ("good", "consistency", 3, log.size)
    assert found["old_root"] == json.loads(file.read_text())["old_root"]


def test_a_proof_is_checked_with_earlier_keys_too_and_not_with_a_strangers(
    run: Run, installation: Installation, log: Log, tmp_path: Path
) -> None:
    old, new = (signer_of(installation, log, name) for name in ("governor.pem", "new.pem"))
    Publisher(log, old, lambda: NOW).publish()
    file = tmp_path / "proof.json"
    file.write_text(run("ledger", "prove", "4").stdout)
    assert run("ledger", "check", str(file), "--key", new.verifier.vkey).exit_code == 1
    result = run("ledger", "check", str(file), "--key", new.verifier.vkey, "--key", old.verifier.vkey)
    assert result.exit_code == 0, result.stderr
    assert f"{old.verifier.name}+{old.verifier.key_hash.hex()}" in result.stdout
    stranger = Signer(SigningKey.load_or_create(tmp_path / "other.pem"), "other.example").verifier.vkey
    assert run("ledger", "check", str(file), "--key", new.verifier.vkey, "--key", stranger).exit_code == 2
