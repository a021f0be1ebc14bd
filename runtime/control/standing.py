"""What is so now, folded from the ledger's database in this process: no governor is asked.

Each ask folds what was committed since the last one, so that whoever was told of an entry sees what it changed. A
fold that fails (a damaged entry) stops where it is, and is tried again by the next ask.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from runtime.domain.errors import FleetwardError
from runtime.domain.fold import fold
from runtime.domain.state import FleetState
from runtime.ledger.database import Database
from runtime.ledger.errors import NeverHeld
from runtime.ledger.log import LogReader
from runtime.ledger.tiles import Tree

PAST_STATES = 2
"""States of the past that are kept folded: whoever looks at one looks at it again."""


class Standing:
    """The fleet as its ledger says. Safe to use from many threads.

    ``database`` gives the ledger, and raises ``LedgerUnavailable`` where there is none now.
    """

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._state = FleetState()
        self._turn = threading.Lock()
        self._past: OrderedDict[int, FleetState] = OrderedDict()
        self._past_turn = threading.Lock()

    @contextmanager
    def now(self) -> Iterator[FleetState]:
        """The state with all that is committed; nothing of it changes until the block ends, so let it end soon.

        Raises ``LedgerUnavailable`` and ``LedgerCorrupt``.
        """
        with self._turn:
            yield fold(self.log().entries(self._state.size), self._state)

    def warm(self) -> None:
        """Fold what there is, so that whoever asks first need not wait for all of it."""
        with suppress(FleetwardError), self.now():  # a ledger that is not there yet is told to who asks
            pass

    @contextmanager
    def at(self, size: int | None) -> Iterator[FleetState]:
        """The state of the first ``size`` entries; of all where it is None. Raises ``NeverHeld`` too."""
        if size is None:
            with self.now() as state:
                yield state
            return
        with self._past_turn:  # one at a time: a long ledger takes its time to fold
            yield self._past_state(size)

    def log(self) -> LogReader:
        """The ledger's entries. Raises ``LedgerUnavailable``."""
        return LogReader(self._database())

    def database(self) -> Database:
        """Where the entries stand. Raises ``LedgerUnavailable``."""
        return self._database()

    def size(self) -> int:
        """How many entries are committed, without folding them. Raises ``LedgerUnavailable``."""
        with self._database().reading() as connection:
            return Tree(connection).size()

    def _past_state(self, size: int) -> FleetState:
        if size not in self._past:
            state = fold(self.log().entries(limit=size))
            if state.size != size:
                raise NeverHeld(f"a state of {size} entries", state.size)
            self._past[size] = state
        self._past.move_to_end(size)
        while len(self._past) > PAST_STATES:
            self._past.popitem(last=False)
        return self._past[size]
