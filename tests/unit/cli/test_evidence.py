"""Evidence packs at the command line: written from the settings' ledger and store, and verified as any other file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import Result

from jobs.cli.reading import LedgerReader
from runtime.domain.keeping import EvidenceExported
from tests.unit.cli.conftest import Installation
from tests.unit.cli.fleet import BASE
from tests.unit.proof.test_room import FOREIGN

Run = Callable[..., Result]
Answer = Callable[..., Any]
DAY = ("--from", "2026-03-01", "--to", "2026-03-02")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is run."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_a_pack_is_written_under_a_name_that_says_what_it_is_of_and_verifies(
    vkey: str, folder: Path, run: Run, answer: Answer
) -> None:
    made = run("evidence", "minutes-a", *DAY)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("minutes-a-20260301-20260302.zip: 16 files, ")
    assert "listed in gaps.json" in made.stderr
    found = answer("verify", "minutes-a-20260301-20260302.zip", "--key", vkey)
    assert (found["result"], found["file"], found["model"]) == ("good", "evidence pack", "minutes-a")
    assert found["digest"] in made.stdout


def test_the_pack_tells_the_models_story(vkey: str, folder: Path, run: Run) -> None:
    assert run("evidence", "minutes-a", *DAY, "-o", "pack.zip", "--offline").exit_code == 0
    with ZipFile("pack.zip") as archive:
        page = archive.read("evidence.html").decode()
        assert "minutes-b" not in archive.read("inventory.json").decode()
    for said in ("Version 3: awaiting approval", "user:ada", "medium", "1 due [urgent]"):
        assert said in page, said


def test_people_get_a_table(vkey: str, folder: Path, run: Run) -> None:
    run("evidence", "minutes-a", *DAY, "-o", "pack.zip")
    shown = run("verify", "pack.zip", "--key", vkey)
    assert "evidence pack" in shown.stdout
    assert "period from" in shown.stdout


def test_a_changed_pack_is_refused_with_its_file(vkey: str, folder: Path, run: Run) -> None:
    run("evidence", "minutes-a", *DAY, "-o", "pack.zip")
    with ZipFile("pack.zip") as archive, ZipFile("other.zip", "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            changed = content.replace(b'"team":"planning"', b'"team":"plunning"')
            other.writestr(name, changed if name == "inventory.json" else content)
    result = run("verify", "other.zip", "--key", vkey)
    assert result.exit_code == 1
    assert "evidence pack, inventory.json field [9].value.team: 'plunning'" in result.stderr


def test_a_pack_comes_through_a_pipe_to_where_there_is_neither_ray_nor_a_database(
    vkey: str, folder: Path, run: Run, root: Path
) -> None:
    run("evidence", "minutes-a", *DAY, "-o", "pack.zip")
    code = f"""
import sys
sys.argv = ["fleetward", "verify", "-", "--key", {vkey!r}]
from jobs.cli import app
try:
    app()
except SystemExit as end:
    assert end.code == 0, end.code
print("foreign:", sorted(set({FOREIGN!r}) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    content = Path("pack.zip").read_bytes()
    shown = subprocess.run(command, cwd=root, input=content, capture_output=True, check=True).stdout.decode()
    assert "evidence pack" in shown
    assert shown.splitlines()[-1] == "foreign: []"


def test_bad_input_is_told_and_leaves_no_file(vkey: str, folder: Path, run: Run) -> None:
    early, late = BASE - timedelta(days=9), BASE - timedelta(days=8)
    cases: list[tuple[int, str, tuple[str, ...]]] = [
        (1, "no model is named 'nobody'", ("nobody", *DAY)),
        (2, "is not after --from", ("minutes-a", "--from", "2026-03-02", "--to", "2026-03-01")),
        (2, "is not after --from", ("minutes-a", "--from", "2026-03-02", "--to", "2026-03-02T00:00:00Z")),
        (2, "is no moment", ("minutes-a", "--from", "soon", "--to", "2026-03-02")),
        (2, "--to", ("minutes-a", "--from", "2026-03-01")),
        (1, "no entry is of", ("minutes-a", "--from", f"{early:%Y-%m-%d}", "--to", f"{late:%Y-%m-%d}")),
        (1, "cannot be written", ("minutes-a", *DAY, "-o", "nowhere/pack.zip")),
    ]
    for code, said, arguments in cases:
        result = run("evidence", *arguments)
        assert (result.exit_code, said in result.stderr) == (code, True), (arguments, result.stderr)
    assert list(folder.iterdir()) == []


def test_where_there_is_no_ledger_there_is_no_pack(folder: Path, run: Run) -> None:
    assert run("evidence", "minutes-a", *DAY).exit_code == 5


def test_without_a_checkpoint_there_is_no_pack(installation: Installation, folder: Path, run: Run) -> None:
    result = run("evidence", "minutes-a", *DAY)
    assert (result.exit_code, "no checkpoint was published" in result.stderr) == (1, True)


@pytest.fixture
def up(governed: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A cluster is up, whose governor is the writer in this process."""
    monkeypatch.setattr("jobs.cli.reading.is_up", lambda settings: True)
    monkeypatch.setattr("jobs.cli.exporting.publish", lambda: None)
    return governed


def test_a_governor_that_is_up_records_who_exported_what_and_the_digest_of_the_pack(
    up: Installation, vkey: str, folder: Path, run: Run, answer: Answer
) -> None:
    made = run("evidence", "minutes-a", *DAY, "-o", "pack.zip", "--sample", "0")
    assert made.exit_code == 0, made.stderr
    assert f"entry {up.writer.state.size - 1} of the ledger tells of this export" in made.stderr
    with closing(LedgerReader(up.url)) as reader:
        (last,) = reader.entries(reader.size() - 1, 1)
    told = last.event
    assert isinstance(told, EvidenceExported)
    assert (last.principal, told.model, told.samples) == ("user:ada", "minutes-a", 0)
    assert (told.since, told.until) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert told.digest == answer("verify", "pack.zip", "--key", vkey)["digest"]


def test_an_export_that_the_governor_refuses_leaves_no_pack(
    up: Installation, vkey: str, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETWARD_PRINCIPAL", "job:train")
    made = run("evidence", "minutes-a", *DAY, "-o", "pack.zip")
    assert made.exit_code != 0
    assert "it needs the role" in made.stderr
    assert list(folder.iterdir()) == []


def test_without_a_governor_the_command_says_that_the_export_is_not_recorded(vkey: str, folder: Path, run: Run) -> None:
    made = run("evidence", "minutes-a", *DAY)
    assert made.exit_code == 0
    assert "the ledger does not tell of this export" in made.stderr
