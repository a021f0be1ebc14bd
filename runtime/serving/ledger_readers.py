"""Who may read the ledger over HTTP: what shows an entry's content is for auditors, what only proves growth for all.

    checkpoint, proof/consistency, tile/<L>/...      hashes and signatures: a follower needs no credential
    entries, proof/inclusion, tile/entries/...       names, reasons, digests: role auditor

Keys and roles are read from the ledger itself, which this process has at hand: no governor is asked. A revoked key is
out after ``AGAIN_AFTER_SECONDS``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool

from runtime.domain import tokens as t
from runtime.domain.fold.moves import change
from runtime.domain.state import FleetState
from runtime.ledger.database import Database
from runtime.ledger.log import LogReader
from runtime.serving.authentication.errors import NotAllowed
from runtime.serving.authentication.gate import Gate

AGAIN_AFTER_SECONDS = 1.0
_KINDS = frozenset({"token_created", "token_revoked", "role_given", "role_taken"})


class Readers:
    """Lets auditors in; ``database`` gives the ledger, and raises ``LedgerUnavailable`` where there is none now."""

    def __init__(
        self, gate: Gate, database: Callable[[], Database], *, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._gate, self._database, self._elapsed = gate, database, elapsed
        self._state = FleetState()
        self._size, self._read_at = 0, float("-inf")
        self._reading = threading.Lock()

    async def admit(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises ``Unauthenticated``, ``NotAllowed``, ``OverQuota`` or ``LedgerUnavailable``."""
        if self._elapsed() - self._read_at >= AGAIN_AFTER_SECONDS:
            await run_in_threadpool(self._read)
        who = await self._gate.admit(headers)
        if t.Role.AUDITOR not in who.roles.union(self._state.roles.get(who.principal, ())):
            raise NotAllowed(who.caller, "it needs the role auditor")

    def _read(self) -> None:
        with self._reading:
            log, asked_at = LogReader(self._database()), self._elapsed()
            changed = set()
            for entry in log.entries(self._size, kinds=_KINDS):
                change(entry.event, self._state, entry)
                self._size = entry.seq + 1
                changed.add(getattr(entry.event, "token", None))
            self._gate.follow(self._state.tokens[token].key for token in changed if token is not None)
            self._gate.tend()
            self._read_at = asked_at
