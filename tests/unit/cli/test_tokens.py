"""`fleetward token` and `fleetward role`: each change is an entry, and a secret is shown once and kept nowhere."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from runtime.ledger.log import Log
from runtime.serving.authentication.credential import read_credential
from runtime.serving.authentication.pepper import Pepper
from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]
CREATE = ("token", "create", "crew", "--role", "client", "--models", "minutes-*")


@pytest.fixture(autouse=True)
def pepper(home: Path) -> Pepper:
    return Pepper.load_or_create(home / "keys" / "pepper")


def ledger_bytes(installation: Installation) -> bytes:
    files = [path for path in installation.home.iterdir() if path.name.startswith("ledger.db")]
    return b"".join(path.read_bytes() for path in files)


def test_a_key_is_shown_once_and_the_ledger_holds_no_secret(
    governed: Installation, run: Run, answer: Callable[..., Any], pepper: Pepper
) -> None:
    result = run(*CREATE, "--quota", "50", "--expires", "30d")
    assert result.exit_code == 0, result.stderr
    (text,) = result.stdout.splitlines()
    token, _, secret = text.partition(".")
    assert f"access: key {token} made for crew by user:ada, client on minutes-*, at most 50 requests/s" in result.stderr
    assert secret not in result.stderr
    assert pepper.is_of(text, governed.writer.state.tokens[token].key.secret)
    assert secret.encode() not in ledger_bytes(governed)
    (listed,) = answer("token", "list")
    assert (listed["token"], listed["state"], listed["by"], listed["per_second"]) == (token, "live", "user:ada", 50.0)
    assert "secret" not in listed


def test_a_key_goes_to_a_file_of_its_owners_and_never_over_another(governed: Installation, run: Run) -> None:
    path = governed.home / "crew.header"
    result = run(*CREATE, "--to", str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = read_credential(path)
    assert written is not None
    again = run(*CREATE, "--to", str(path))
    assert (again.exit_code, read_credential(path)) == (1, written)
    assert "never written over another" in again.stderr
    assert len(governed.writer.state.tokens) == 1


def test_a_revoked_key_is_listed_as_such_and_is_not_revoked_twice(
    governed: Installation, run: Run, answer: Callable[..., Any]
) -> None:
    token = run(*CREATE).stdout.partition(".")[0]
    assert f"key {token} revoked by user:ada: leaked" in run("token", "revoke", token, "--reason", "leaked").stdout
    assert [(each["state"], each["reason"]) for each in answer("token", "list")] == [("revoked", "leaked")]
    assert "revoked" in run("token", "list").stdout
    again = run("token", "revoke", token, "--reason", "leaked")
    assert again.exit_code == 3
    assert "no such key is in force" in again.stderr


def test_roles_are_given_and_taken_by_entries(governed: Installation, run: Run, answer: Callable[..., Any]) -> None:
    given = run("role", "give", "user:bob", "approver", "--reason", "validator")
    assert "role approver given to user:bob by user:ada: validator" in given.stdout
    assert answer("role", "list") == {"user:bob": ["approver"]}
    assert "user:bob" in run("role", "list").stdout
    run("role", "take", "user:bob", "approver", "--reason", "left")
    assert answer("role", "list") == {}
    with Log.open_read_only(governed.url) as log:
        assert [entry.kind for entry in list(log.entries())[-2:]] == ["role_given", "role_taken"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("token", "create", "crew", "--role", "governor"), 2, "no role"),
        (("token", "create", "crew"), 2, "--role"),
        (("token", "create", "two words", "--role", "client"), 1, "name 'two words' cannot be used"),
        (("token", "create", "crew", "--role", "client", "--models", "a/b"), 1, "cannot be used"),
        (("token", "create", "crew", "--role", "client", "--expires", "soon"), 2, "12h or 90d"),
        (("token", "create", "crew", "--role", "client", "--quota", "0"), 2, "--quota"),
        (("role", "give", "bob", "client", "--reason", "x"), 2, "expected user:NAME"),
        (("role", "give", "user:bob", "root", "--reason", "x"), 2, "no role"),
        (("role", "take", "user:bob", "client", "--reason", "x"), 3, "was not given"),
        (("token", "revoke", "a" * 16, "--reason", " "), 2, "empty reason"),
    ],
)
def test_what_cannot_be_is_one_line_and_no_entry(
    governed: Installation, run: Run, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in " ".join(result.stderr.split())
    assert not governed.writer.state.tokens
    assert not governed.writer.state.roles


def test_without_a_pepper_no_key_is_made(governed: Installation, run: Run) -> None:
    (governed.home / "keys" / "pepper").unlink()
    result = run(*CREATE)
    assert result.exit_code == 1
    assert "pepper" in result.stderr
