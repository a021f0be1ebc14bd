"""The control API over a ledger on SQLite that a governor's own writer writes, without HTTP and without Ray."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from runtime.control.admission import Admission
from runtime.control.application import application
from runtime.control.asking import Control
from runtime.control.feed import Feed
from runtime.control.routed import Routed
from runtime.control.standing import Standing
from runtime.control.wanted import Acting, GovernorAway
from runtime.domain.entry import Draft
from runtime.domain.events import Event
from runtime.domain.tokens import GIVEN, GOVERNOR_ITSELF, Authenticated, AuthenticationSet, Role, TokenCreated
from runtime.governance.writer import Answer, Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.serving.authentication.commands import CommandGate
from runtime.serving.authentication.gate import Open, Required
from runtime.serving.authentication.pepper import Pepper
from runtime.serving.ledger_api import PREFIX as LEDGER_PREFIX
from runtime.serving.ledger_api import Ledger
from runtime.serving.ledger_api import application as ledger_application
from tests.unit.cli.fleet import BASE, clock, story

GOVERNOR = "service:governor"


@cache
def described() -> FastAPI:
    """The application, whose making takes longer than most tests; each test puts its own fleet behind it."""
    return application(None)  # type: ignore[arg-type]


@cache
def written() -> Path:
    """A folder with the story's ledger, written once."""
    home = Path(tempfile.mkdtemp(prefix="fleetward-ground-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    key = SigningKey.load_or_create(home / "governor.pem")
    with Log.open(f"sqlite:///{home / 'ledger.db'}", clock(BASE)) as log:
        writer = Writer(log, lambda grant: sign_grant(grant, key))
        for (answer,) in writer.commit([[draft] for draft in story()]):
            assert isinstance(answer, Receipt), answer
    return home


class Ground:
    """The writer, and the API beside it as another process would have it: they share the database and no more."""

    def __init__(self, home: Path) -> None:
        shutil.copytree(written(), home, dirs_exist_ok=True)
        key = SigningKey.load_or_create(home / "governor.pem")
        self.url = f"sqlite:///{home / 'ledger.db'}"
        self.log = Log.open(self.url, clock(BASE + timedelta(hours=1)))
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, key))
        self.pepper = Pepper.load_or_create(home / "pepper")
        self.away = False
        self.handed_in = 0
        self._gate = CommandGate(self.pepper)
        self.begin()

    def begin(self) -> None:
        """The API's process begins, or begins anew."""
        self.ledger = Ledger(self.url)
        standing = Standing(self.ledger.opened)
        gate = Required(self.pepper) if self.writer.state.authentication == "required" else Open()
        acting = Acting(self.commands, self.pepper.new_key, replicas=2)
        self.control = Control(standing, Admission(gate, standing), acting, Feed(standing, look_seconds=0.01))
        ledger = ledger_application(self.ledger, gate)
        self.application = Routed({LEDGER_PREFIX: ledger}, otherwise=described())
        described().state.control = self.control

    def close(self) -> None:
        self.ledger.close()
        self.log.close()

    def commit(self, draft: Draft) -> Receipt:
        ((answer,),) = self.writer.commit([[draft]])
        assert isinstance(answer, Receipt), answer
        return answer

    def record(self, event: Event, principal: str = "user:dora") -> int:
        """Whoever it is, it is believed: tests are about the API."""
        proof = GOVERNOR_ITSELF if principal == GOVERNOR else Authenticated(principal, GIVEN)
        return self.commit(replace(Draft.fresh(event, principal), proof=proof)).seq

    async def commands(self, drafts: Sequence[Draft], credential: str | None) -> Sequence[Answer]:
        """What the governor does with what the API hands in."""
        self.handed_in += 1
        proof = await self._gate.proof(credential, self.writer.state.tokens, time.time())
        (answers,) = self.writer.commit([[draft.proven(proof) for draft in drafts]])
        if self.away:  # the answer is lost on its way
            raise GovernorAway(15.0)
        return answers

    def authenticate(self) -> None:
        """From now on everybody must prove who they are."""
        self.record(AuthenticationSet(mode="required"), GOVERNOR)
        self.begin()

    def key(self, name: str, *roles: Role, models: tuple[str, ...] = (), per_second: float | None = None) -> str:
        """A key of somebody's."""
        made = self.pepper.new_key()
        self.record(
            TokenCreated(
                token=made.token,
                name=name,
                roles=roles,
                models=models,
                per_second=per_second,
                expires=datetime.now(UTC) + timedelta(days=1),
                secret=made.secret,
            ),
            GOVERNOR,
        )
        return made.text

    @property
    def size(self) -> int:
        return self.writer.state.size


class Asker:
    """Somebody with a key, or who says a name where nobody must prove one."""

    def __init__(self, ground: Ground, runner: asyncio.Runner, key: str | None = None, name: str = "ada") -> None:
        self._ground, self._runner = ground, runner
        self._headers = {"fleetward-caller": name} if key is None else {"authorization": f"Bearer {key}"}

    async def asked(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **params: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._ground.application, raise_app_exceptions=False, root_path="/api")
        sent = {**self._headers, **(headers or {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://fleet/api/v1", headers=sent) as client:
            return await client.request(method, path, json=body, params=params or None)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self._runner.run(self.asked("GET", path, **params))

    def told(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, *, key: str | None = None, match: str | None = None) -> httpx.Response:
        headers = {name: value for name, value in (("idempotency-key", key), ("if-match", match)) if value is not None}
        return self._runner.run(self.asked("POST", path, body, headers))


def problem_of(answer: httpx.Response, status: int) -> str:
    """The text of a problem document of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["error"]) == (status, document["detail"])
    return str(document["detail"])
