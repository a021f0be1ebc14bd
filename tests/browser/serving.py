"""The console as a process of its own: uvicorn over a fleet of flights, whose governor's writer is in the same process.

python -m tests.browser.serving HOME PORT [MODELS]      prints one line of JSON when it is ready
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from runtime.control.admission import Admission
from runtime.control.asking import Control
from runtime.control.feed import Feed
from runtime.control.records import Records
from runtime.control.standing import Standing
from runtime.control.wanted import Acting
from runtime.control.whole import whole
from runtime.domain.entry import Draft
from runtime.domain.tokens import GOVERNOR_ITSELF, AuthenticationSet, Role, TokenCreated
from runtime.governance.writer import Answer
from runtime.serving.authentication.commands import CommandGate
from runtime.serving.authentication.gate import Required
from runtime.serving.authentication.pepper import Pepper
from runtime.serving.ledger_api import Ledger
from tests.browser.flights import GOVERNOR, Flights

PEOPLE = {
    "grace": (Role.APPROVER, Role.OPERATOR, Role.AUDITOR),
    "vera": (Role.AUDITOR,),
    "olga": (Role.OPERATOR, Role.AUDITOR, Role.ADMIN),
}


class Site:
    """The fleet, its people's keys, and the application over both."""

    def __init__(self, home: Path, models: int) -> None:
        self.flights = Flights(home, models=models)
        self.decision = self.flights.live()
        self._pepper = Pepper.load_or_create(home / "pepper")
        self._gate = CommandGate(self._pepper)
        self._as_governor(AuthenticationSet(mode="required"))
        self.keys = {name: self._key(name, roles) for name, roles in PEOPLE.items()}
        self.flights.publisher.publish()

    def application(self) -> ASGIApp:
        """Mounted at ``/api``, as Serve mounts it."""
        ledger = Ledger(self.flights.database_url)
        standing = Standing(ledger.opened)
        acting = Acting(self.commands, self._pepper.new_key, replicas=2)
        control = Control(standing, Admission(Required(self._pepper), standing), acting, Feed(standing))
        records = Records(ledger.opened, self.flights.store_url)
        return Starlette(routes=[Mount("/api", whole(ledger, Required(self._pepper), control, records, is_tls=False))])

    async def commands(self, drafts: Sequence[Draft], credential: str | None) -> Sequence[Answer]:
        """As the governor takes them: proved, judged, durable, and in the next checkpoint."""
        proof = await self._gate.proof(credential, self.flights.writer.state.tokens, time.time())
        return await asyncio.to_thread(self._commit, [draft.proven(proof) for draft in drafts])

    def _commit(self, drafts: Sequence[Draft]) -> Sequence[Answer]:
        (answers,) = self.flights.writer.commit([drafts])
        self.flights.publisher.publish()
        return answers

    def _key(self, name: str, roles: tuple[Role, ...]) -> str:
        made = self._pepper.new_key()
        expires = datetime.now(UTC) + timedelta(days=1)
        self._as_governor(TokenCreated(token=made.token, name=name, roles=roles, expires=expires, secret=made.secret))
        return made.text

    def _as_governor(self, event: Any) -> None:
        self.flights.writer.commit([[replace(Draft.fresh(event, GOVERNOR), proof=GOVERNOR_ITSELF)]])


def main(home: str, port: str, models: str = "24") -> None:
    """Serves until it is ended."""
    site = Site(Path(home), int(models))
    told = {
        "keys": site.keys,
        "decision": site.decision,
        "waiting": site.flights.waiting,
        "rolling": site.flights.names[2],
        "first": site.flights.names[0],
        "lived": site.flights.names[1],
        "finding": list(site.flights.writer.state.findings)[-1],
        "size": site.flights.writer.state.size,
    }
    config = uvicorn.Config(site.application(), host="127.0.0.1", port=int(port), log_level="warning")
    server = _Told(config, told)
    server.run()


class _Told(uvicorn.Server):
    """Says once that it answers."""

    def __init__(self, config: uvicorn.Config, told: dict[str, Any]) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(json.dumps(self._told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
