"""Snapshots: a governor starts from the state it had, and folds only what came after.

    start     the chain of links, up to the first that is of other code, damaged, forged or longer than the log
              the root of its last link          is the log's at that size?  else the link before
              fold the entries after it
    offer     every 20,000 entries: an image of the state, under the writer's lock (milliseconds)
              then on a thread of its own: what changed since the last image -> lines -> a link, in one transaction

Commits go on meanwhile. What does not fit is dropped with a warning and made again: everything here can be lost and
is folded from the entries then. A chain whose lines are mostly outdated is replaced by one whole link.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from runtime.domain.errors import FleetwardError, LedgerCorrupt
from runtime.domain.fold import fold
from runtime.domain.state import FleetState
from runtime.governance.images import EMPTY, FORMAT, Image, changes, state_of
from runtime.ledger import snapshots
from runtime.ledger.log import LogReader
from runtime.ledger.past import root_at
from runtime.ledger.signers import Key
from runtime.ledger.snapshots import FIRST, Link
from runtime.ledger.tiles import store_tiles

EVERY = 20_000
OUTDATED = 2
"""So many lines for each that is still so, and the chain is written anew."""

_log = logging.getLogger(__name__)


def secret_of(key: Key) -> bytes:
    """A secret that only the holder of this key can know: its signature of a text that is never published.

    Ed25519 signatures are deterministic (RFC 8032, 5.1.6), so that the next start finds the same.
    """
    return hashlib.sha256(key.sign(b"fleetward: the secret of state snapshots").encode()).digest()


class Snapshots:
    """The snapshots of one log. ``offer`` and ``start`` are called by its writer, one at a time."""

    def __init__(self, log: LogReader, secret: bytes, *, every: int = EVERY) -> None:
        self._log = log
        self._secret = secret
        self._every = every
        self._image = EMPTY
        self._digest = FIRST
        self._lines = 0
        self._offered = 0
        self._writing: threading.Thread | None = None

    def start(self) -> FleetState:
        """The state of all entries of the log."""
        self.settle()
        with _without_collector():
            state = self._newest()
            self._image = Image.of(state) if state.size else EMPTY
            self._offered = state.size
            return fold(self._log.entries(state.size), state)

    def offer(self, state: FleetState) -> None:
        """Begin a snapshot if one is due and none is being written. The log ends where this state does."""
        if state.size - self._offered < self._every or (self._writing is not None and self._writing.is_alive()):
            return
        size, root = self._log.head()
        if size != state.size:
            raise ValueError(f"a state of {state.size} entries is none of a log of {size}")
        self._offered = size
        arguments = (Image.of(state), root)
        self._writing = threading.Thread(target=self._write, args=arguments, name="snapshot", daemon=True)
        self._writing.start()

    def settle(self) -> None:
        """Wait for a snapshot that is being written."""
        if self._writing is not None:
            self._writing.join()

    # --- starting ----------------------------------------------------------------------------------

    def _newest(self) -> FleetState:
        """The state of the newest snapshot that fits the log; what does not fit is dropped."""
        chain, objection = self._chain()
        while chain and not self._fits(chain[-1]):
            objection = f"the log has another root at {chain[-1].size} entries"
            chain.pop()
        self._lines = 0
        try:
            state = state_of(self._counted(chain)) if chain else FleetState()
        except (ValueError, KeyError) as error:  # pydantic's errors are ValueErrors
            chain, state, objection = [], FleetState(), f"it cannot be read: {error}"
        if objection:
            _log.warning("snapshots beyond entry %s are dropped and made again: %s", state.size, objection)
            snapshots.drop(self._log.database, beyond=state.size)
        self._digest = chain[-1].digest if chain else FIRST
        return state

    def _counted(self, chain: Iterable[Link]) -> Iterator[bytes]:
        for link in chain:
            content = link.content()
            self._lines += content.count(b"\n") + 1
            yield content

    def _chain(self) -> tuple[list[Link], str]:
        """The links that may be believed, and what is wrong with the one after them."""
        chain: list[Link] = []
        for link in snapshots.links(self._log.database):
            objection = self._objection(link, chain[-1].digest if chain else FIRST)
            if objection:
                return chain, objection
            chain.append(link)
        return chain, ""

    def _objection(self, link: Link, before: bytes) -> str:
        if link.format != FORMAT:
            return f"the snapshot of {link.size} entries was made by other code"
        if link.size > self._log.size:
            return f"the snapshot of {link.size} entries is longer than the log"
        if not link.follows(before, self._secret):
            return f"the snapshot of {link.size} entries is damaged, or of another key"
        return ""

    def _fits(self, link: Link) -> bool:
        try:
            return root_at(self._log.database, link.size) == link.root
        except LedgerCorrupt:
            return False

    # --- writing -----------------------------------------------------------------------------------

    def _write(self, image: Image, root: bytes) -> None:
        try:
            self._store(image, root)
        except FleetwardError as error:  # a full disk, a lease that went: the writer hears of it by itself
            _log.warning("no snapshot of %s entries: %s", image.size, error)
            self._digest = FIRST  # the link may stand all the same: the next one stands for itself

    def _store(self, image: Image, root: bytes) -> None:
        lines = list(changes(self._image, image))
        whole = self._digest == FIRST or self._lines + len(lines) > OUTDATED * image.lines
        if whole and self._image is not EMPTY:
            lines = list(changes(EMPTY, image))
        before = FIRST if whole else self._digest
        content = b"\n".join(lines)
        link = Link.sealed(content, size=image.size, root=root, made_by=FORMAT, before=before, secret=self._secret)
        (snapshots.replace_all if whole else snapshots.add)(self._log.database, link)
        store_tiles(self._log.database, image.size)  # the next start asks them for this root
        self._image, self._digest = image, link.digest
        self._lines = len(lines) if whole else self._lines + len(lines)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of objects are made and none is garbage: looking for it would take most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
