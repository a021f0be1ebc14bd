"""The law of those who read while a writer writes: whatever they see, at any moment, is a beginning of the ledger.

The ledger is done to whatever ``test_ledger_log`` does to it, and faults at its commits and publications come on top,
while a reader on a thread of its own reads as fast as it can. In the end all tables are checked.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from runtime.domain.entry import Draft
from runtime.domain.events import ModelSuspended
from runtime.ledger.log import Log, LogReader
from runtime.ledger.merkle import leaf_hash
from runtime.ledger.note import Signer
from runtime.ledger.proofs import Proofs
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey
from tests.crash.test_ledger_crash import FORMS, append_into_a_fault, fail
from tests.fsck import fsck, roots_of
from tests.laws.test_ledger_log import DRAFTS, LedgerAsAList
from tests.postgres import PostgresServer

SEEN_AT_LEAST = 3
"""By each reader. On an idle machine it is some hundred."""


@dataclass(frozen=True)
class Sight:
    """What one reading gave, in the order in which it was read."""

    promised: int
    """How many entries were acknowledged before it began."""
    checkpoint: tuple[int, str]
    head: tuple[int, str]
    leaves: list[bytes]


@dataclass
class Reader:
    """Reads until it is stopped: through one reader of the log, and now and then through a new one."""

    url: str
    promised: int = 0
    sights: list[Sight] = field(default_factory=list)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")
        self._thread.start()

    def stop(self) -> None:
        """Read a last time, and end."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            goes_on = True
            while goes_on:
                with Log.open_read_only(self.url) as log:
                    for _ in range(10):
                        goes_on = not self._stopped.is_set() or len(self.sights) < SEEN_AT_LEAST
                        self.sights.append(self._look(log))
        except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
            self.failure = error

    def _look(self, log: LogReader) -> Sight:
        promised = self.promised
        published = Proofs(log.database).checkpoint()
        checkpoint = (0, "") if published is None else (published.size, published.root)
        size, root = log.head()
        return Sight(promised, checkpoint, (size, root.hex()), [leaf_hash(entry.leaf()) for entry in log.entries()])


class LedgerBesideAReader(LedgerAsAList):
    """The list of ``LedgerAsAList``, and what a reader saw of it meanwhile."""

    servers: ClassVar[list[PostgresServer]] = []
    """Where ledgers are made; none: in a folder."""

    @initialize()
    def make(self) -> None:
        super().make()
        if self.servers:
            self.log.close()
            self.url = self.servers[0].new_database()
            self.log = Log.open(self.url, lambda: self.now)
        self.signer = Signer(SigningKey.load_or_create(Path(self.folder.name, "key.pem")), "fleetward.example/ledger")
        self.published: dict[int, str] = {}
        self.reader = Reader(self.url)

    @rule(drafts=st.lists(DRAFTS, max_size=5))
    def append(self, drafts: list[Draft]) -> None:
        super().append(drafts)
        self.reader.promised = len(self.model)

    @rule(count=st.integers(1, 300), form=st.sampled_from(list(FORMS)))
    def fail_at_commit(self, count: int, form: str) -> None:
        """New entries, whose commit fails: all of them stand, or none."""
        start = len(self.model)
        drafts = [Draft(ModelSuspended(model="m", reason="r"), "ada", f"new-{start + each}") for each in range(count)]
        time = max([self.now, *(time for _, time in self.model[-1:])])
        with pytest.raises(OSError, match="injected"):
            append_into_a_fault(self.log, drafts, "COMMIT", persisted=bool(FORMS[form]), fault=fail)
        if FORMS[form]:
            self.model = [*self.model, *((draft, time) for draft in drafts)]
            self.reader.promised = len(self.model)

    @rule()
    def publish(self) -> None:
        published = Publisher(self.log, self.signer, lambda: self.now).publish()
        if published is not None:
            self.published[published.size] = published.root

    def teardown(self) -> None:
        self.reader.stop()
        try:
            self.check_what_was_seen()
            assert fsck(self.url, [self.signer.verifier]) == self.published
        finally:
            super().teardown()

    def check_what_was_seen(self) -> None:
        """Every sight is a beginning of the ledger as it is now, holds what was promised, and loses nothing again."""
        if self.reader.failure is not None:
            raise self.reader.failure
        sights = self.reader.sights
        leaves = [leaf_hash(entry.leaf()) for entry in self.log.entries()]
        roots = roots_of(leaves, range(len(leaves) + 1))
        assert len(sights) >= SEEN_AT_LEAST
        for sight in sights:
            size, root = sight.head
            assert roots[size] == root
            assert sight.leaves == leaves[: len(sight.leaves)]
            assert sight.promised <= size <= len(sight.leaves)
            published, root = sight.checkpoint
            assert published <= size
            assert published == 0 or self.published[published] == root
        counts = [(sight.checkpoint[0], sight.head[0], len(sight.leaves)) for sight in sights]
        for column in zip(*counts, strict=True):
            assert list(column) == sorted(column)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_reader_sees_only_beginnings_of_the_ledger_whatever_the_writer_does(
    kind: str, request: pytest.FixtureRequest
) -> None:
    class Beside(LedgerBesideAReader):
        servers: ClassVar = [request.getfixturevalue("postgres")] if kind == "postgresql" else []

    quick = settings(max_examples=10, stateful_step_count=8, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(Beside, settings=quick)
