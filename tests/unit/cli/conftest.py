"""A ledger with a small fleet in it, written by the governor's own writer, and a command line that looks at it."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.cli.reading import LedgerReader
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.model_state import ModelState
from runtime.domain.spec import Spec
from runtime.domain.state import HoldState, TokenState
from runtime.domain.tokens import Role
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey, sign_grant
from tests.unit.cli.fleet import BASE, clock, story


@dataclass(frozen=True)
class Installation:
    """A home folder with a ledger, and the writer of it."""

    home: Path
    writer: Writer

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.ledger}"


class StandInGovernor(LedgerReader):
    """What ``Governed`` offers, with the writer in this process instead of an actor."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation.url)
        weakref.finalize(self, self._log.close)  # an acting command has nothing to close: it reaches an actor
        self._writer = installation.writer

    def model(self, name: str) -> ModelState:
        return self._writer.state.model(name)

    def specs(self) -> dict[str, Spec]:
        return self._writer.state.specs

    def tokens(self) -> list[TokenState]:
        return list(self._writer.state.tokens.values())

    def roles(self) -> dict[str, tuple[Role, ...]]:
        return self._writer.state.roles

    def holds(self) -> list[HoldState]:
        return list(self._writer.state.holds.values())

    def record(self, draft: Draft) -> Receipt:
        ((answer,),) = self._writer.commit([[draft]])
        if isinstance(answer, FleetwardError):
            raise answer
        return answer


# Building the command takes longer than most commands take.
built = cache(get_command)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings name an empty folder, no cluster, and a person."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("FLEETWARD_HOME", str(tmp_path))
    monkeypatch.setenv("FLEETWARD_PRINCIPAL", "user:ada")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("typer.testing._get_command", built)
    return tmp_path


@pytest.fixture
def installation(home: Path) -> Iterator[Installation]:
    """The fleet's story stands in the ledger of the settings."""
    key = SigningKey.load_or_create(home / "keys" / "governor.pem")
    with Log.open(f"sqlite:///{home / 'ledger.db'}", clock(BASE)) as log:
        writer = Writer(log, lambda grant: sign_grant(grant, key))
        for answer in writer.commit([[draft] for draft in story()]):
            assert isinstance(answer[0], Receipt), answer
        yield Installation(home, writer)


@pytest.fixture
def vkey(installation: Installation) -> str:
    """The ledger of the settings has a checkpoint; this is the key that signed it."""
    signer = Signer(SigningKey.load_or_create(installation.home / "keys" / "governor.pem"), "example.org/ledger")
    Publisher(installation.writer._log, signer, lambda: datetime.now(UTC)).publish()
    return signer.verifier.vkey


@pytest.fixture
def governed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """Acting commands reach the writer as if a cluster were up."""
    from jobs.cli.governed import Governed

    monkeypatch.setattr(Governed, "connected", lambda settings: StandInGovernor(installation))
    return installation


@pytest.fixture
def run() -> Callable[..., Result]:
    """One command line, run in this process."""

    def runs(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), prog_name="fleetward")

    return runs


@pytest.fixture
def answer(run: Callable[..., Result]) -> Callable[..., Any]:
    """The document a command answers with: stdout is it and nothing else."""

    def answers(*arguments: str) -> Any:
        result = run(*arguments, "-o", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return answers
