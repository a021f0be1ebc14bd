"""``fleetward witness`` says what is wrong before it is a witness."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from tests.unit.witness.logs import MemoryLog

VKEY = MemoryLog().signer.verifier.vkey


def arguments(state: Path, **changes: str) -> list[str]:
    options = {"state": str(state), "name": "witness.example", "log": VKEY, "port": "0", **changes}
    return ["witness", *(part for name, value in options.items() for part in (f"--{name}", value))]


def test_a_log_that_is_no_vkey_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, arguments(tmp_path / "w", log=VKEY.replace("log", "lag")))
    assert result.exit_code == 2
    assert "its hash is" in result.stderr
    assert not (tmp_path / "w").exists()


def test_a_witness_without_a_log_to_trust_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["witness", "--state", str(tmp_path / "w"), "--name", "witness.example"])
    assert result.exit_code == 2
    assert "--log" in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_an_address_that_cannot_be_had_is_told(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, arguments(tmp_path / "w", host=host, port=port))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fleetward: port='{host}:{port}' cannot be used; expected an address")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    first = CliRunner().invoke(app, arguments(tmp_path / "w", key=str(key), name="two words"))
    assert (first.exit_code, "its name holds a space" in first.stderr) == (1, True)
    key.chmod(0o644)
    second = CliRunner().invoke(app, arguments(tmp_path / "w", key=str(key)))
    assert second.exit_code == 1
    assert "mode 0644 lets others at it" in second.stderr


def test_a_key_whose_memory_is_gone_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    CliRunner().invoke(app, arguments(tmp_path / "w", key=str(key), name="two words"))
    result = CliRunner().invoke(app, arguments(tmp_path / "another", key=str(key)))
    assert result.exit_code == 1
    assert "nothing of what it cosigned" in result.stderr
