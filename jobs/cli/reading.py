"""Where reading commands read: from the governor of a cluster that is up, else from the ledger's own database.

Both give the same answers, since state is a fold of the ledger; the governor has folded it already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobs.cli.failing import NotReachable
from jobs.cli.folded import FoldedState
from jobs.cli.past import AsOf, past_of

if TYPE_CHECKING:
    from runtime.domain.entry import Entry
    from runtime.domain.model_state import FindingState, IncidentState, ModelState
    from runtime.domain.policies import PolicyState
    from runtime.domain.spec import Spec
    from runtime.domain.state import BatchState, Totals
    from runtime.ledger.proofs import ConsistencyProof, InclusionProof, PublishedCheckpoint
    from runtime.policy.pools import PoolView
    from runtime.settings import Settings
    from runtime.witness.publication import Publication


class Head(NamedTuple):
    """The ledger's end, and how far the data's time has been judged."""

    size: int
    root: str
    ticks_until: datetime


class Reader(Protocol):
    """What a reading command may ask. Nothing of it changes anything."""

    source: str

    def head(self) -> Head: ...

    def root(self, size: int) -> str:
        """The root over the first ``size`` entries."""
        ...

    def totals(self) -> Totals: ...

    def models(self) -> list[ModelState]:
        """All models, by name."""
        ...

    def model(self, name: str) -> ModelState:
        """Raises ``UnknownModel``."""
        ...

    def specs(self) -> dict[str, Spec]:
        """Applied specs, as they stand, by name."""
        ...

    def findings(self) -> list[FindingState]:
        """All findings, oldest first."""
        ...

    def finding(self, name: str) -> FindingState | IncidentState:
        """By the id, or its first letters. Raises ``UnknownFinding``."""
        ...

    def incidents(self) -> list[IncidentState]:
        """All incidents, oldest first."""
        ...

    def policies(self) -> list[PolicyState]:
        """What overrides specs, or is proposed to; of those in force the one that rules over the others last."""
        ...

    def batch(self, batch: str) -> BatchState | None: ...

    def pools(self) -> list[PoolView]:
        """Pools that models need or that were configured, by name."""
        ...

    def size(self) -> int:
        """Entries in the ledger."""
        ...

    def entries(self, since: int, limit: int) -> list[Entry]:
        """At most ``limit`` entries from index ``since`` on."""
        ...


class Prover(Reader, Protocol):
    """Who has the whole ledger, and so can prove what stands in it."""

    def checkpoint(self) -> PublishedCheckpoint | None:
        """The newest signed head of the ledger; a governor signs one now, if there are entries behind the last."""
        ...

    def inclusion_proof(self, seq: int, size: int | None) -> InclusionProof:
        """Raises ``NeverHeld``."""
        ...

    def consistency_proof(self, old_size: int, size: int | None) -> ConsistencyProof:
        """Raises ``NeverHeld``."""
        ...

    def publication(self) -> Publication:
        """How checkpoints come out, and how far outsiders are; what the ledger alone knows where no governor is."""
        ...

    def vkey(self) -> str:
        """The public key of its checkpoints, with their origin."""
        ...


class LedgerReader(FoldedState):
    """Reads a ledger's database, without its governor; it folds the entries when state is asked for."""

    def __init__(self, url: str) -> None:
        from runtime.ledger.errors import LedgerUnavailable
        from runtime.ledger.log import Log

        try:
            self._log = Log.open_read_only(url)
        except LedgerUnavailable as error:
            hint = "bring Fleetward up (fleetward up), set FLEETWARD_HOME, or name a ledger with --database"
            raise NotReachable(f"there is no ledger to read: {error.url}: {error.reason}; {hint}") from error
        self.source = self._log.database.url  # without a password

    def head(self) -> Head:
        return Head(self._state.size, self._log.root, self._state.ticks_until)

    def root(self, size: int) -> str:
        from runtime.ledger.past import root_at

        return root_at(self._log.database, size).hex()

    def size(self) -> int:
        return self._log.size

    def entries(self, since: int, limit: int) -> list[Entry]:
        return list(self._log.entries(since, limit))

    def checkpoint(self) -> PublishedCheckpoint | None:
        from runtime.ledger.proofs import Proofs

        return Proofs(self._log.database).checkpoint()

    def inclusion_proof(self, seq: int, size: int | None) -> InclusionProof:
        from runtime.ledger.proofs import Proofs

        return Proofs(self._log.database).inclusion(seq, size)

    def consistency_proof(self, old_size: int, size: int | None) -> ConsistencyProof:
        from runtime.ledger.proofs import Proofs

        return Proofs(self._log.database).consistency(old_size, size)

    def publication(self) -> Publication:
        from runtime.witness.publication import Publication

        return Publication.of(self.size(), self.checkpoint())

    def vkey(self) -> str:
        from jobs.cli.failing import CommandFailed
        from runtime.domain.events import GovernorStarted
        from runtime.ledger.note import Verifier
        from runtime.ledger.publisher import origin_of

        started = [entry.event for entry in self._log.entries(kinds=["governor_started"])]
        if not started or not isinstance(started[-1], GovernorStarted):
            raise CommandFailed("no governor has started on this ledger yet")
        published = self.checkpoint()
        origin = origin_of(self._log) if published is None else published.note.splitlines()[0]
        return Verifier.of(origin, started[-1].public_key).vkey

    def close(self) -> None:
        self._log.close()

    def _entries_to_fold(self) -> Iterator[Entry]:
        return self._log.entries()


@contextmanager
def reading(*, offline: bool, database: str | None, as_of: AsOf | None = None) -> Iterator[Reader]:
    """The governor where a cluster is up, else the ledger of the settings; ``database`` names another ledger.

    With ``as_of`` it tells only what had been recorded then. Raises ``NotReachable`` when there is neither, and
    ``typer.BadParameter`` when there was no such moment.
    """
    with proving(offline=offline, database=database) as reader:
        yield reader if as_of is None else past_of(reader, as_of, datetime.now(UTC))


@contextmanager
def proving(*, offline: bool, database: str | None) -> Iterator[Prover]:
    """As ``reading``, for what takes the whole ledger. Raises ``NotReachable``."""
    from runtime.settings import Settings

    settings = Settings.from_environment()
    if not offline and database is None and is_up(settings):
        from jobs.cli.governed import Governed

        yield Governed.connected(settings)
        return
    reader = LedgerReader(database or settings.database)
    try:
        yield reader
    finally:
        reader.close()


def is_up(settings: Settings) -> bool:
    """Whether there is a fleet to ask: one at a URL, the cluster this runs in, or the local one of the home folder."""
    from runtime.local_cluster import LocalCluster

    return bool(settings.url) or "RAY_ADDRESS" in os.environ or LocalCluster.load(settings.home) is not None
