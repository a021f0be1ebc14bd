"""How a governor comes to its ledger, and how it leaves when another one came.

    first start     waits for its predecessor's lease to end, twice the time of a lease; then says why it cannot start
    restarted       waits for as long as it takes: an actor that fails to come back is dead for good to Ray
    lost its lease  answers those who wait with ``LedgerHeld``, ends its process, and Ray starts it again: it waits

What it knows is then folded anew from what the other one wrote.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime

import ray

from runtime.ledger.errors import LedgerHeld, LedgerNewer, LedgerUnavailable
from runtime.ledger.lease import LEASE
from runtime.ledger.log import Log

FENCED = 75
"""The exit code of a governor that another one replaced: EX_TEMPFAIL of sysexits.h."""
FAREWELL_SECONDS = 0.5
"""For so long the answers to those who wait may travel."""
RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


def take_ledger(database: str) -> Log:
    """The ledger, as its writer. Raises ``LedgerUnavailable`` and its kinds, unless Ray restarted this actor."""
    while True:
        try:
            # A predecessor may have died without a word a moment ago; while it lives, this waits in vain.
            return Log.open(database, clock=lambda: datetime.now(UTC), patience=2 * LEASE)
        except LedgerNewer:
            raise
        except LedgerUnavailable as error:
            if not _is_restarted():
                raise
            _log.error("the governor waits for its ledger: %s", error)
        time.sleep(RETRY_SECONDS)


def leave(error: LedgerHeld) -> None:
    """Ends this process in a moment, whatever its threads do: they may hold what another writer owns now."""
    _log.error("the governor leaves: %s", error)
    timer = threading.Timer(FAREWELL_SECONDS, os._exit, [FENCED])
    timer.daemon = True
    timer.start()


def _is_restarted() -> bool:
    return ray.is_initialized() and bool(ray.get_runtime_context().was_current_actor_reconstructed)
