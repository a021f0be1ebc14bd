"""A writer's watch over its own lease: one that was taken for dead learns it without having to write first.

    held ---asks each second: still our epoch?---> held
         ---another epoch, or none---------------> lost, told once       (the database fences it off by itself)

A database that does not answer proves nothing, and the watch asks on. So another writer is noticed a second after it
took over at the latest, once the database can be reached.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from runtime.ledger.errors import LedgerError, LedgerHeld

INTERVAL = timedelta(seconds=1)

_log = logging.getLogger(__name__)


class LeaseWatch:
    """Calls ``require_lease`` from a thread of its own until that raises ``LedgerHeld``, then ``lost`` with it."""

    def __init__(
        self, require_lease: Callable[[], None], lost: Callable[[LedgerHeld], None], *, interval: timedelta = INTERVAL
    ) -> None:
        self._require_lease = require_lease
        self._lost = lost
        self._interval = interval
        self._stopped = threading.Event()
        self._silent = False
        # A daemon: it must not keep a process alive that has ended otherwise.
        self._thread = threading.Thread(target=self._run, name="lease-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; returns when the thread has ended. May be called again, but not by ``lost``."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval.total_seconds()):
            try:
                self._require_lease()
                self._silent = False
            except LedgerHeld as error:
                self._lost(error)
                return
            except LedgerError as error:
                if not self._silent:
                    _log.warning("nobody says whether the lease is still ours: %s", error)
                self._silent = True
