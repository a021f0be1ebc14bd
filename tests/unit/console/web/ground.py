"""The console over a real ledger, a real store and a governor's own writer, without HTTP and without Ray."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from runtime.control.admission import Admission
from runtime.control.asking import Control
from runtime.control.feed import Feed
from runtime.control.records import Records
from runtime.control.standing import Standing
from runtime.control.wanted import Acting
from runtime.control.whole import whole
from runtime.domain.entry import Draft
from runtime.domain.tokens import GOVERNOR_ITSELF, AuthenticationSet, Role, TokenCreated
from runtime.governance.writer import Answer, Receipt
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from runtime.serving.authentication.commands import CommandGate
from runtime.serving.authentication.gate import Open, Required
from runtime.serving.authentication.pepper import Pepper
from runtime.serving.ledger_api import Ledger
from tests.unit.console.fleets import Fleet

GOVERNOR = "service:governor"


class Served:
    """A fleet with its console, as another process would have it: they share database and store and no more."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.pepper = Pepper.load_or_create(fleet.home / "pepper")
        self._command_gate = CommandGate(self.pepper)
        self.begin()

    def begin(self) -> None:
        """The process begins, or begins anew."""
        required = self.fleet.writer.state.authentication == "required"
        gate = Required(self.pepper) if required else Open()
        self.ledger = Ledger(self.fleet.database_url)
        standing = Standing(self.ledger.opened)
        acting = Acting(self.commands, self.pepper.new_key, replicas=2)
        control = Control(standing, Admission(gate, standing), acting, Feed(standing, look_seconds=0.05))
        records = Records(self.ledger.opened, self.fleet.store_url)
        own = Required(self.pepper) if required else Open()
        self.application = whole(self.ledger, own, control, records, is_tls=False)

    async def commands(self, drafts: Sequence[Draft], credential: str | None) -> Sequence[Answer]:
        """What the governor does with what the API hands in."""
        proof = await self._command_gate.proof(credential, self.fleet.writer.state.tokens, time.time())
        (answers,) = self.fleet.writer.commit([[draft.proven(proof) for draft in drafts]])
        return answers

    def authenticate(self) -> None:
        """From now on everybody must prove who they are."""
        self._as_governor(AuthenticationSet(mode="required"))
        self.begin()

    def key(self, name: str, *roles: Role, models: tuple[str, ...] = ()) -> str:
        """A key of somebody's."""
        made = self.pepper.new_key()
        expires = datetime.now(UTC) + timedelta(days=1)
        self._as_governor(
            TokenCreated(token=made.token, name=name, roles=roles, models=models, expires=expires, secret=made.secret)
        )
        return made.text

    def _as_governor(self, event: Any) -> None:
        ((answer,),) = self.fleet.writer.commit([[replace(Draft.fresh(event, GOVERNOR), proof=GOVERNOR_ITSELF)]])
        assert isinstance(answer, Receipt), answer

    def publish(self) -> None:
        """A checkpoint of all there is now, as a governor publishes one each second."""
        key = SigningKey.load_or_create(self.fleet.home / "key")
        Publisher(self.fleet.log, Signer(key, "example.org/ledger"), lambda: datetime.now(UTC)).publish()

    def close(self) -> None:
        self.ledger.close()


class Browser:
    """What a browser does without a script: keeps cookies, follows links and sends forms."""

    def __init__(self, served: Served, runner: asyncio.Runner) -> None:
        self._served, self._runner = served, runner
        self.cookies = httpx.Cookies()

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self._runner.run(self._asked("GET", path, params=params or None))

    def page(self, path: str, **params: Any) -> str:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._runner.run(self._asked("POST", path, data=dict(fields), headers=dict(headers or {})))

    def send(self, page: str, path: str, **fields: str) -> httpx.Response:
        """The form of a page, with its hidden fields, to where it goes."""
        return self.post(path, hidden_of(page, path) | fields)

    def told(self, path: str, document: Mapping[str, Any], key: str) -> httpx.Response:
        """A command of the API, by whoever has the key; no page is for that."""
        headers = {"authorization": f"Bearer {key}"}
        return self._runner.run(self._asked("POST", f"http://fleet/api{path}", json=dict(document), headers=headers))

    def log_in(self, key: str) -> httpx.Response:
        return self.send(self.page("/login"), "/login", credential=key)

    async def _asked(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._served.application, raise_app_exceptions=False, root_path="/api")
        async with httpx.AsyncClient(
            transport=transport, base_url="http://fleet/api/console", cookies=self.cookies
        ) as client:
            answer = await client.request(method, path, **given)
            self.cookies = client.cookies
            return answer


def hidden_of(page: str, path: str) -> dict[str, str]:
    """The hidden fields of the page's form that goes to this path of the console."""
    for form in re.findall(r'<form[^>]*action="[^"]*"[^>]*>.*?</form>', page, flags=re.DOTALL):
        if f'action="/api/console{path}"' in form:
            return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    raise AssertionError(f"the page has no form that goes to {path}")
