"""The command line's face: every command is there, help imports nothing slow, and jobs keep their options."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from jobs.cli import app

Run = Callable[..., Result]

SLOW = ("ray", "pandas", "sklearn", "pyarrow", "sqlalchemy", "numpy")
JOBS = ("up", "down", "prepare", "train", "replay", "retrain", "outcomes", "lookback")
COMMANDS = {
    *JOBS,
    *("status", "version", "apply", "models", "model", "finding", "findings", "history", "ledger", "pools"),
    *("approve", "reject", "rollback", "suspend", "resume", "budget"),
    *("renew", "revoke", "break-glass", "review", "retire", "inventory", "init"),
    *("drift", "calibration"),
    *("get", "describe", "diff", "watch", "doctor"),
    *("rollout", "capacity"),
    *("check", "card", "bom", "passport", "evidence", "decision", "explain", "report", "verify", "witness", "anchors"),
    *("hold", "release", "retention", "erase", "pool"),
    *("token", "role", "backtest", "policy", "notify"),
}
OF_LEDGER = {"verify", "show", "checkpoint", "prove", "consistency", "check", "export", "key", "outsiders"}
GROUPS = {"ledger", "retention", "token", "role", "policy", "notify"}
WRITING = {
    "card",
    "bom",
    "passport",
    "evidence",
    "report",
    "export",
    "witness",
    "create",
    "revoke",
    "give",
    "take",
    "propose",
    "approve",
    "reject",
    "serve",
    "resend",
    "test",
}
"""Their answer is a file, or an entry, or they serve."""


def command(name: str) -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands[name]


def options(name: str) -> set[str]:
    return {text for parameter in command(name).params for text in parameter.opts if text.startswith("--")}


def test_every_command_is_there() -> None:
    group: Any = typer.main.get_command(app)
    assert set(group.commands) == COMMANDS
    assert set(command("ledger").commands) == OF_LEDGER


@pytest.mark.parametrize("arguments", [(), ("train",), ("history",), ("ledger", "prove")], ids=" ".join)
def test_help_imports_nothing_that_takes_long(arguments: tuple[str, ...], root: Path) -> None:
    code = f"""
import sys
sys.argv = ["fleetward", *{arguments!r}, "--help"]
from jobs.cli import app
try:
    app()
except SystemExit as end:
    assert end.code == 0, end.code
print("slow:", sorted(set({SLOW!r}) & set(sys.modules)))
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "Usage: fleetward" in shown
    assert shown.splitlines()[-1] == "slow: []"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, run: Run) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"fleetward {name}" in result.stdout


@pytest.mark.parametrize(
    "name",
    sorted(
        COMMANDS
        - {*JOBS, "apply", "approve", "reject", "rollback", "suspend", "resume", "hold", "release", "pool", "budget"}
        - {"renew", "revoke", "break-glass", "review", "retire", "capacity", "init"}
    ),
)
def test_every_reading_command_answers_in_both_formats(name: str) -> None:
    commands = command(name).commands.values() if name in GROUPS else [command(name)]
    for each in (each for each in commands if each.name not in WRITING):
        assert {"--output", "-o"} <= {text for parameter in each.params for text in parameter.opts}


@pytest.mark.parametrize(
    "name",
    ["apply", "prepare", "train", "approve", "reject", "rollback", "suspend", "resume", "hold", "release", "budget"],
)
def test_every_acting_command_takes_who_acts(name: str) -> None:
    assert "--as" in options(name)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_the_same_options_here_and_as_a_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(f"jobs.{name}").main(["--help"])
    of_the_job = set(re.findall(r"^  .*?(--[a-z-]+)", capsys.readouterr().out, flags=re.MULTILINE))
    assert options(name) - {"--as"} == of_the_job - {"--help"}


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("up", "--cpus", "2"), ["--cpus", "2"]),
        (("down",), []),
        (
            ("train", "--spec", "SPEC", "--as-of", "2013-03-01"),
            ["--spec", "SPEC", "--as-of", "2013-03-01T00:00:00+00:00"],
        ),
        (("prepare", "--spec", "SPEC", "--sample", "3"), ["--spec", "SPEC", "--sample", "3"]),
        (("retrain", "--batch", "b"), ["--batch", "b"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_job_is_run_with_what_was_given_and_ends_as_it_ends(
    arguments: tuple[str, ...], given: list[str], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("kind: fleet")
    seen: list[str] = []

    def main(argv: list[str]) -> int:
        seen.extend(argv)
        return 1

    monkeypatch.setattr(f"jobs.{arguments[0]}.main", main)
    named = [str(spec) if part == "SPEC" else part for part in arguments]
    assert run(*named).exit_code == 1
    assert seen == [str(spec) if part == "SPEC" else part for part in given]


def test_a_time_that_is_none_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("kind: fleet")
    assert run("train", "--spec", str(spec), "--as-of", "soon").exit_code == 2


def test_a_job_acts_as_the_person_that_was_named(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from runtime.settings import Settings

    spec = tmp_path / "spec.yaml"
    spec.write_text("kind: fleet")
    acted: list[str] = []

    def main(argv: list[str]) -> int:
        acted.append(Settings.from_environment().principal)
        return 0

    monkeypatch.setattr("jobs.train.main", main)
    assert run("train", "--spec", str(spec), "--as", "user:dora").exit_code == 0
    assert acted == ["user:dora"]
