"""Handing each new checkpoint on: to a witness each second, to the anchor less often, each on a thread of its own.

What was handed on can no longer be rewritten unnoticed; ``handed`` is that size. A witness that is down holds up
neither the ledger nor the others: its thread tries again, and ``failure`` says why it is behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from runtime.domain.errors import FleetwardError, IntegrityError
from runtime.ledger.proofs import PublishedCheckpoint

WITNESS_INTERVAL = timedelta(seconds=1)
ANCHOR_INTERVAL = timedelta(minutes=10)
"""An object for each interval in which the ledger grew, kept for years: 144 a day instead of 86,400."""

_logger = logging.getLogger(__name__)


class Handing:
    """Hands the newest published checkpoint to one outsider whenever there is a newer one, until it is stopped.

    ``hand`` is given the note: ``anchor.put``, or a submission whose cosigned note is kept. A contradiction (an
    ``IntegrityError``) stays in ``contradiction`` although later tries go on: it means that history was rewritten.
    """

    def __init__(
        self,
        name: str,
        newest: Callable[[], PublishedCheckpoint | None],
        hand: Callable[[bytes], object],
        interval: timedelta,
    ) -> None:
        self.name = name
        self.handed = 0
        self.failure: Exception | None = None
        self.contradiction: IntegrityError | None = None
        self._newest = newest
        self._hand = hand
        self._interval = interval
        self._stopped = threading.Event()
        # A daemon: a process that ends without stop() has handed on what it has, and nothing else.
        self._thread = threading.Thread(target=self._run, name=f"handing {name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand nothing more on; returns when the thread has ended. May be called again."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._hand_newest()
                self.failure = None
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
                self._tell(error)
                self.failure = error
            self._stopped.wait(self._interval.total_seconds())

    def _hand_newest(self) -> None:
        newest = self._newest()
        if newest is not None and newest.size != self.handed:
            self._hand(newest.note.encode())
            self.handed = newest.size

    def _tell(self, error: Exception) -> None:
        """Log a failure once, not at each try."""
        if isinstance(error, IntegrityError):
            self.contradiction = self.contradiction or error
        if repr(error) != repr(self.failure):
            expected = isinstance(error, FleetwardError)
            _logger.error("%s does not get the checkpoint: %s", self.name, error, exc_info=None if expected else error)
