"""What the tests of storage and capture are made of: decisions, outcomes, and a ledger of one table."""

import resource
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.entry import Draft
from runtime.domain.errors import IdempotencyConflict
from runtime.domain.events import Event, RecordsLost, SegmentContent, SegmentSealed, event_from_document
from runtime.domain.ids import derived_id
from runtime.ledger import merkle
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment

START = datetime(2013, 1, 1, 5, tzinfo=UTC)
MODEL = "flight-time-AA-JFK-LAX"


def a_decision(index: int = 0, rows: int = 1, model: str = MODEL) -> Decision:
    moment = START + timedelta(seconds=index)
    return Decision(
        decision_id=derived_id("decision", index),
        time=moment,
        event_time=moment - timedelta(days=1),
        model=model,
        version=3,
        artifact="sha256:" + "a" * 64,
        grant_id=derived_id("grant"),
        variant=Variant.CHAMPION,
        caller="planning",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        latency_us=812,
        numbers=([index + 0.25] * rows, [None] * rows, [float("nan")] * rows),
        texts=(["AA"] * rows, [None] * rows),
        outputs=[321.5 + row for row in range(rows)],
        flags=("late",),
    )


def an_outcome(index: int = 0, rows: int = 1) -> Outcomes:
    return Outcomes(
        decision_id=derived_id("decision", index),
        time=START + timedelta(days=1, seconds=index),
        model=MODEL,
        caller="planning",
        rows=list(range(rows)),
        actuals=[300.0 + row for row in range(rows)],
    )


class Ledger:
    """Records an event id once, and refuses it with another body: what the governor does."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("CREATE TABLE IF NOT EXISTS entries (event_id TEXT PRIMARY KEY, body TEXT)")

    def publish(self, drafts: list[Draft]) -> None:
        with self._database:
            for draft in drafts:
                body = draft.event.model_dump_json()
                known = self._database.execute(
                    "SELECT body FROM entries WHERE event_id = ?", (draft.event_id,)
                ).fetchone()
                if known is None:
                    self._database.execute("INSERT INTO entries VALUES (?, ?)", (draft.event_id, body))
                elif known != (body,):
                    raise IdempotencyConflict(draft.event_id, "another body")

    def events(self) -> list[Event]:
        import json

        rows = self._database.execute("SELECT body FROM entries ORDER BY rowid").fetchall()
        return [event_from_document(json.loads(body)) for (body,) in rows]

    def segments(self, content: SegmentContent = SegmentContent.DECISIONS) -> list[SegmentSealed]:
        return [e for e in self.events() if isinstance(e, SegmentSealed) and e.content is content]

    def losses(self) -> list[RecordsLost]:
        return [event for event in self.events() if isinstance(event, RecordsLost)]

    def numbers(self, store: ObjectStore, content: SegmentContent = SegmentContent.DECISIONS) -> list[int]:
        """The record numbers of all entries, sorted; a record in two entries is here twice."""
        return sorted(n for s in self.segments(content) for n in read_segment(store, s.digest)["number"].to_pylist())

    def decision_ids(self, store: ObjectStore) -> list[str]:
        return [i for s in self.segments() for i in read_segment(store, s.digest)["decision_id"].to_pylist()]

    def close(self) -> None:
        self._database.close()


def root_of(leaves: list[bytes]) -> str:
    return merkle.root(map(merkle.leaf_hash, leaves)).hex()


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """The kernel's own refusal: no file of this process may grow beyond the size, and a write stops there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
