"""The capture of decisions inside a replica: written before the answer, sealed behind it.

    record ─> write-ahead file ─> answer            on the answer's path: one system call
                    │ flush, in one background thread, every few seconds, records or bytes
                    └─> segments ─> publish ─> delete the file        (``storage.sealing`` has the order)

Nothing is lost in silence. A record that cannot be written is refused before its answer goes out (STRICT, as a
503), or counted and later published as a ``RecordsLost`` (BOUNDED). While the store or the ledger is away the files
stay, ``flush`` says so each time, and the disk is the buffer. Files that a dead replica left in the same directory
are adopted.

How surely a record is kept is its model's policy (``spec.Capture``):

    bounded    in the page cache when its answer goes out, on the disk 20 ms or 64 records later (see ``storage.wal``)
    strict     on the disk when its answer goes out, or else no answer
    sampled    as bounded for a share of the decisions, chosen by a hash of the decision id: a repetition, both halves
               of a pair and the outcomes are all kept or none. Of the others only a count is written, as surely as a
               record is, and published as a ``RecordsDropped``

``record`` may be called from the event loop and from threads. Under STRICT it waits for the disk (about a
millisecond), so an event loop calls it through ``asyncio.to_thread``; calls that wait together share one fdatasync.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from runtime.domain.decision import Decision, Outcomes
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError, NotServable
from runtime.domain.events import SegmentContent
from runtime.domain.ids import new_id
from runtime.domain.spec import Capture as Policy
from runtime.serving.split import point
from runtime.storage.objects import ObjectStore
from runtime.storage.sealing import Sealed, finish_file, seal_file, sweep_sealed
from runtime.storage.wal import ClosedWal, Durability, WalWriter, orphans

_log = logging.getLogger(__name__)

BOUNDED = Policy()

Publish = Callable[[list[Draft]], object]
"""Records drafts in the ledger; returning means that every one of them is there. Called again after any failure."""


class FlushFailed(FleetwardError):
    """Some files could not be sealed or published. They stay, and the next flush tries them again."""

    status: ClassVar[int] = 503

    def __init__(self, waiting: int, reason: str) -> None:
        super().__init__(waiting, reason)
        self.waiting, self.reason = waiting, reason

    def __str__(self) -> str:
        return f"{self.waiting} write-ahead files wait to be sealed: {self.reason}"


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """When the background thread seals: at whichever of the first three comes first."""

    every: timedelta = timedelta(seconds=5)
    records: int = 20_000
    size_bytes: int = 64 << 20
    adopt_every: timedelta = timedelta(seconds=60)
    """How often it looks for files of dead replicas."""
    retry_after: timedelta = timedelta(seconds=1)
    """The pause after a failed flush."""

    def __post_init__(self) -> None:
        if min(self.every, self.adopt_every, self.retry_after) <= timedelta(0):
            raise ValueError("every, adopt_every and retry_after must be longer than nothing")
        if min(self.records, self.size_bytes) < 1:
            raise ValueError("records and size_bytes must be at least 1")


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """What happened so far in this process."""

    recorded: int = 0
    lost: int = 0
    """Records that could not be written and were answered nevertheless (BOUNDED)."""
    dropped: int = 0
    """Records that the model's policy did not keep (SAMPLED)."""
    refused: int = 0
    """Records that could not be written, so that the answer was refused (STRICT)."""
    sealed: int = 0
    flush_failures: int = 0
    waiting: int = 0
    """Closed files not yet published."""
    last_error: str = ""


def is_kept(decision_id: str, policy: Policy) -> bool:
    """Whether the policy keeps this decision and its outcomes: the same answer every time, on every replica."""
    return policy.share is None or point("capture", decision_id) < policy.share


def _durability(policy: Policy) -> Durability:
    return Durability.STRICT if policy.policy == "strict" else Durability.BOUNDED


class Capture:
    """Keeps every decision and outcome of one replica. ``start`` runs the background thread, ``close`` ends it."""

    def __init__(
        self,
        replica: str,
        directory: Path,
        store: ObjectStore,
        publish: Publish,
        *,
        principal: str,
        limits: CaptureLimits = CaptureLimits(),
    ) -> None:
        """Open a write-ahead file of a new epoch under ``directory``, which lies on this node's own disk.

        ``principal`` stands in the ledger as who recorded the segments. Raises ``OSError`` without a directory.
        """
        self.replica, self.epoch = replica, new_id()
        self._directory, self._store, self._publish = directory, store, publish
        self._principal, self._limits = principal, limits
        self._writer = WalWriter.create(directory, replica, self.epoch)
        self._waiting: list[ClosedWal] = []
        self._flush_lock = threading.Lock()
        self._count_lock = threading.Lock()
        self._recorded = self._lost = self._dropped = self._refused = self._sealed = self._flush_failures = 0
        self._last_error = ""
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Seal in the background, beginning with what dead replicas left."""
        self._thread.start()

    def close(self) -> list[Sealed]:
        """Stop, and seal what is left. Raises ``FlushFailed``; the files are then there for whoever adopts them."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._flush_lock:
            self._wait_for(self._writer.close())
            try:
                return self._drain(self._waiting)
            finally:
                for wal in self._waiting:
                    wal.release()
                self._waiting.clear()

    @property
    def counts(self) -> CaptureCounts:
        """A snapshot for metrics."""
        return CaptureCounts(
            recorded=self._recorded,
            lost=self._lost,
            dropped=self._dropped,
            refused=self._refused,
            sealed=self._sealed,
            flush_failures=self._flush_failures,
            waiting=len(self._waiting),
            last_error=self._last_error,
        )

    def record(self, decision: Decision, policy: Policy = BOUNDED) -> None:
        """Keep a decision as its model's policy says; call it before the answer goes out.

        Raises ``NotServable`` under STRICT when it cannot be kept, ``RequestError`` when it cannot be written down.
        """
        durability = _durability(policy)
        try:
            if policy.share is not None and not is_kept(decision.decision_id, policy):
                self._drop(SegmentContent.DECISIONS, decision.model, decision.rows)
                return
            self._writer.append_decision(decision, durability)
        except OSError as error:
            self._not_kept(decision.model, decision.rows, durability, error)
            self._writer.skip(decisions=decision.rows)
        else:
            self._kept(decision.rows)

    def outcomes(self, outcomes: Outcomes, policy: Policy = BOUNDED) -> None:
        """Keep outcomes, as ``record``."""
        durability, records = _durability(policy), len(outcomes.rows)
        try:
            if not is_kept(outcomes.decision_id, policy):
                self._drop(SegmentContent.OUTCOMES, outcomes.model, records)
                return
            self._writer.append_outcomes(outcomes, durability)
        except OSError as error:
            self._not_kept(outcomes.model, records, durability, error)
            self._writer.skip(outcomes=records)
        else:
            self._kept(records)

    def flush(self) -> list[Sealed]:
        """Seal and publish everything recorded so far; gives what was published.

        Raises ``FlushFailed``. While older files wait, no new one is begun until the present one is full: an outage
        makes few large files, not many small ones.
        """
        with self._flush_lock:
            try:
                published = self._drain(self._waiting)
            except FlushFailed:
                if self._is_full():
                    self._wait_for(self._writer.rotate())
                raise
            if self._writer.has_news or not self._writer.is_open:
                self._wait_for(self._writer.rotate())
                published += self._drain(self._waiting)
            if not self._writer.is_open:  # the disk was full; what was just sealed may have freed it
                self._wait_for(self._writer.rotate())
            if error := self._writer.take_sync_error():
                self._note(f"fdatasync failed: {error}")
            return published

    def adopt_orphans(self) -> list[Sealed]:
        """Seal and publish what dead replicas left in the directory. Raises ``FlushFailed``."""
        with self._flush_lock:
            found = orphans(self._directory)
            try:
                return self._drain(found)
            finally:
                for wal in found:
                    wal.release()
                sweep_sealed(self._directory)

    def _wait_for(self, wal: ClosedWal | None) -> None:
        if wal is not None:
            self._waiting.append(wal)

    def _drain(self, wals: list[ClosedWal]) -> list[Sealed]:
        """Account for each file and take it off the list; one that fails does not hold up the others."""
        published: list[Sealed] = []
        failure: Exception | None = None
        for wal in list(wals):
            try:
                published += self._account_for(wal)
            except Exception as error:  # noqa: BLE001 - publish may raise anything; the file must outlive all of it
                failure = failure or error
            else:
                wals.remove(wal)
        self._sealed += len(published)
        if failure is not None:
            raise self._failed(len(wals), failure) from failure
        return published

    def _account_for(self, wal: ClosedWal) -> list[Sealed]:
        drafts = seal_file(wal, self._store, self._principal)
        if drafts:
            self._publish(drafts)
        finish_file(wal)
        return [draft.event for draft in drafts if isinstance(draft.event, Sealed)]

    def _failed(self, waiting: int, error: Exception) -> FlushFailed:
        self._flush_failures += 1
        self._note(str(error))
        return FlushFailed(waiting, str(error))

    def _note(self, error: str) -> None:
        self._last_error = error
        _log.warning("capture of replica %s: %s", self.replica, error)

    def _kept(self, records: int) -> None:
        with self._count_lock:
            self._recorded += records
        if self._is_full() and not self._wake.is_set():
            self._wake.set()

    def _drop(self, content: SegmentContent, model: str, records: int) -> None:
        self._writer.drop(content.value, model, records)
        with self._count_lock:
            self._dropped += records

    def _not_kept(self, model: str, records: int, durability: Durability, error: OSError) -> None:
        self._wake.set()  # sealing may free the disk, and a rotation leaves a broken file behind
        with self._count_lock:
            if durability is Durability.STRICT:
                self._refused += records
            else:
                self._lost += records
        if durability is Durability.STRICT:
            raise NotServable(model, f"the decision cannot be kept: {error}") from error
        self._last_error = str(error)

    def _is_full(self) -> bool:
        return self._writer.holds(self._limits.records, self._limits.size_bytes)

    def _run(self) -> None:
        adopted = -math.inf
        while not self._stop.is_set():
            try:
                if time.monotonic() - adopted >= self._limits.adopt_every.total_seconds():
                    adopted = time.monotonic()
                    self.adopt_orphans()
                self.flush()
            except FlushFailed:  # counted and logged; the files stay
                self._stop.wait(self._limits.retry_after.total_seconds())
            self._wake.wait(self._limits.every.total_seconds())
            self._wake.clear()
