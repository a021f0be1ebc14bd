"""Evidence written and checked at the command line: what is printed, and how the command ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from jobs.cli import app
from tests.unit.cli.conftest import Installation
from tests.unit.proof.cases import DECISION, LOG, STRANGER, WITNESS, automatic, bundle, signed, watermarks

Run = Callable[..., Result]
Answer = Callable[..., Any]

LEAVES = watermarks(5)
VKEY = LOG.verifier.vkey


@pytest.fixture
def passport(tmp_path: Path) -> str:
    path = tmp_path / "passport.json"
    path.write_bytes(automatic().passport(cosigned=True).encode())
    return str(path)


@pytest.fixture
def exported(tmp_path: Path) -> str:
    path = tmp_path / "ledger.bundle"
    path.write_bytes(bundle(LEAVES))
    return str(path)


def refusal(result: Result) -> str:
    """The one line of a command that failed."""
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return str(line)


def test_an_exported_ledger_verifies(vkey: str, tmp_path: Path, run: Run, answer: Answer) -> None:
    path = str(tmp_path / "out.bundle")
    written = run("ledger", "export", "-o", path)
    assert written.exit_code == 0, written.stderr
    found = answer("verify", path, "--key", vkey)
    assert (found["result"], found["file"], found["checkpoints"]) == ("good", "bundle", 1)
    assert f"{found['size']} entries under the checkpoint" in written.stdout


def test_a_ledger_without_a_checkpoint_cannot_be_exported(installation: Installation, tmp_path: Path, run: Run) -> None:
    assert "no checkpoint was published" in refusal(run("ledger", "export", "-o", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_where_there_is_no_ledger_nothing_is_exported(tmp_path: Path, run: Run) -> None:
    for command in (("ledger", "export"), ("passport", DECISION)):
        result = run(*command, "-o", str(tmp_path / "out"))
        assert result.exit_code == 5
        assert "there is no ledger to read" in result.stderr


def test_the_passport_of_an_unknown_decision_is_refused(vkey: str, tmp_path: Path, run: Run) -> None:
    assert "no sealed segment" in refusal(run("passport", DECISION, "-o", str(tmp_path / "out")))


def test_a_passport_is_told_by_its_content_and_verified(passport: str, answer: Answer) -> None:
    found = answer("verify", passport, "--key", VKEY, "--witness-key", WITNESS.verifier.vkey)
    assert (found["result"], found["file"], found["decision_id"]) == ("good", "passport", DECISION)
    assert found["witnesses"] == [{"name": "witness.example.org", "time": "2026-03-02T00:00:00.000000Z"}]


def test_people_get_a_table_without_what_has_no_value(passport: str, run: Run) -> None:
    shown = run("verify", passport, "--key", VKEY)
    assert "approved by" in shown.stdout
    assert "gaps" not in shown.stdout
    assert "witness.example.org signed the checkpoint too: not checked" in shown.stderr


def test_a_bundle_comes_through_a_pipe(exported: str) -> None:
    arguments = ["verify", "-", "--key", VKEY, "-o", "json"]
    piped = CliRunner().invoke(app, arguments, input=Path(exported).read_bytes())
    assert json.loads(piped.stdout)["size"] == len(LEAVES)


def test_a_bundle_must_extend_the_checkpoint_that_was_kept(
    exported: str, tmp_path: Path, run: Run, answer: Answer
) -> None:
    kept = tmp_path / "kept.note"
    kept.write_bytes(signed(LEAVES[:3]))
    assert answer("verify", exported, "--key", VKEY, "--since", str(kept))["extends"] == 3
    kept.write_bytes(signed(watermarks(9)))
    assert "of 9 entries; the bundle holds 5" in refusal(run("verify", exported, "--key", VKEY, "--since", str(kept)))


def test_a_passport_takes_no_older_checkpoint(passport: str, exported: str, run: Run) -> None:
    assert run("verify", passport, "--key", VKEY, "--since", exported).exit_code == 2


def test_the_first_bad_entry_is_named(exported: str, run: Run) -> None:
    path = Path(exported)
    path.write_bytes(path.read_bytes().replace(LEAVES[3], LEAVES[3].replace(b"governor", b"gouverno")))
    assert refusal(run("verify", exported, "--key", VKEY)).startswith("fleetward: ledger entry 3: ")


def test_the_field_of_a_passport_that_does_not_hold_is_named(passport: str, run: Run) -> None:
    path = Path(passport)
    path.write_bytes(path.read_bytes().replace(b"looks", b"cooks").replace(b"321.5", b"999.5"))
    assert "passport field decision.records[0]: " in refusal(run("verify", passport, "--key", VKEY))


DAMAGES: list[tuple[str, bytes, str]] = [
    ("empty", b"", "it is empty"),
    ("a binary", b"\x7fELF\x00\xff\n", "its first line is not JSON"),
    ("other JSON", b'{"format":"else"}\n', "its format is 'else'"),
    ("a version to come", bundle(LEAVES).replace(b'"version":2}', b'"version":3}'), "this release reads 1 and 2"),
    ("a cut bundle", bundle(LEAVES)[:-20], "it is cut off within entry 4 of 5"),
    ("a cut head", bundle(LEAVES)[:40], "not a whole"),
    ("a cut passport", automatic().passport().encode()[:900], "passport field "),
    ("a passport and a newline", automatic().passport().encode() + b"\n", "something follows its JSON"),
]


@pytest.mark.parametrize(("content", "expected"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_what_is_no_whole_file_is_told(content: bytes, expected: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert expected in refusal(run("verify", str(path), "--key", VKEY))


def test_keys_that_do_not_fit_are_told(exported: str, passport: str, run: Run) -> None:
    for path in (exported, passport):
        assert "no key that is trusted" in refusal(run("verify", path, "--key", STRANGER.verifier.vkey))
        assert "not a vkey" in refusal(run("verify", path, "--key", "nonsense"))


def test_a_file_that_is_not_there_is_told(exported: str, tmp_path: Path, run: Run) -> None:
    absent = str(tmp_path / "absent")
    assert "cannot be read: No such file" in refusal(run("verify", absent, "--key", VKEY))
    assert "cannot be read: No such file" in refusal(run("verify", exported, "--key", VKEY, "--since", absent))


def test_a_key_is_asked_for(exported: str, run: Run) -> None:
    assert run("verify", exported).exit_code == 2
