"""What the segments of a period say of one model: counts of all its records, and some of them proven.

The sample is the records whose leaf hashes are the smallest: even over the period, the same for whoever takes it, and
not of the choice of whoever writes the pack. Of its first decisions passports are written.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain import canonical
from runtime.domain.entry import entry_from_leaf
from runtime.domain.errors import DigestMismatch, LedgerCorrupt
from runtime.domain.events import SegmentSealed
from runtime.evidence.decisions import answers
from runtime.evidence.errors import EvidenceMissing
from runtime.evidence.ledger import Found, SignedLedger
from runtime.evidence.passport import passport_of_found
from runtime.ledger.merkle import inclusion_proof, leaf_hash, root
from runtime.proof.pack.entries import Collected, Told
from runtime.proof.pack.form import PASSPORTS, Period
from runtime.proof.pack.use import Body, Decisions, PassportLine, Sampled, SegmentUse, Use
from runtime.storage.leaves import record_leaves
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segments import SegmentMismatch, read_segment


class Sampling(NamedTuple):
    """At most so many records, and passports of so many decisions."""

    records: int
    passports: int


class _Record(NamedTuple):
    """A record of the model: its leaf hash, its segment's entry, its place there, and what it says."""

    hash: bytes
    seq: int
    place: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The counts, the lines of ``sample.jsonl``, and the passports by their paths."""

    decisions: Decisions
    lines: list[dict[str, Any]]
    passports: dict[str, bytes]


def sampled(entries: Collected, store: ObjectStore, ledger: SignedLedger, sampling: Sampling) -> Chosen:
    """What the period's segments say. Raises ``StoreUnavailable``."""
    use, smallest, segments = Use(), _Smallest(sampling.records), []
    sealed = {told.seq: told for told in entries.of("segment_sealed")}
    for told in sealed.values():
        body, records = _read(told, entries, store)
        for record in records:
            use.take(record.record)
            smallest.take(record)
        counted = len(records) if body in ("read", "of_others") else None
        digest, size = told.event["digest"], told.event["records"]
        segments.append(SegmentUse(entry=told.seq, digest=digest, records=size, body=body, of_model=counted))
    counts, sample = use.counts(), smallest.ordered()
    passports, contents = _passports(sample, ledger, store, sampling.passports)
    decisions = Decisions(
        counts=counts,
        segments=tuple(segments),
        sample=Sampled(records=len(sample), whole=len(sample) == counts.records),
        passports=tuple(passports),
    )
    return Chosen(decisions, list(_lines(sample, sealed, store)), contents)


class _Smallest:
    """The records with the smallest hashes, of all that were taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, int, int, _Record]] = []  # the largest hash on top

    def take(self, record: _Record) -> None:
        item = (-int.from_bytes(record.hash), record.seq, record.place, record)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, item)
        elif self._most:
            heapq.heappushpop(self._heap, item)

    def ordered(self) -> list[_Record]:
        return sorted((item[-1] for item in self._heap), key=lambda record: record.hash)


def _read(told: Told, entries: Collected, store: ObjectStore) -> tuple[Body, list[_Record]]:
    """The model's records of the period in a segment, or why they cannot be read."""
    if (gone := entries.gone.get(told.event["digest"])) is not None:
        return gone, []
    try:
        table = read_segment(store, told.event["digest"])
    except ObjectMissing:
        return "missing", []
    except (DigestMismatch, SegmentMismatch):
        return "damaged", []
    places = _places(table, entries.period)
    if not places:
        return "read", []
    leaves = record_leaves(table)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    if root(hashes).hex() != told.event["record_root"]:
        return "damaged", []
    return "read", [_Record(hashes[at], told.seq, at, canonical.decode(leaves[at])) for at in places]


def _places(table: pa.Table, period: Period) -> list[int]:
    """Rows of the model and the period."""
    since, until = (datetime.fromisoformat(each) for each in (period.since, period.until))
    times = table["time"]
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(since, times.type)), pc.less(times, pa.scalar(until, times.type))
    )
    mine = pc.and_(inside, pc.equal(table["model"], period.model))
    places: list[int] = pc.indices_nonzero(mine).to_pylist()
    return places


def _lines(sample: list[_Record], sealed: dict[int, Told], store: ObjectStore) -> Iterator[dict[str, Any]]:
    """Each record with its proof; a segment is hashed once more, however many of its records are in the sample."""
    hashes = {
        seq: [leaf_hash(leaf) for leaf in record_leaves(read_segment(store, sealed[seq].event["digest"]))]
        for seq in {record.seq for record in sample}
    }
    for each in sample:
        proof = [node.hex() for node in inclusion_proof(hashes[each.seq], each.place)]
        yield {"segment": each.seq, "record": each.record, "proof": proof}


def _passports(
    sample: list[_Record], ledger: SignedLedger, store: ObjectStore, most: int
) -> tuple[list[PassportLine], dict[str, bytes]]:
    """Passports of the sample's first decisions, or why one cannot be given."""
    decisions: dict[tuple[str, int], int] = {}
    for each in sample:
        decisions.setdefault((each.record["decision_id"], each.record["version"]), each.seq)
    lines, contents = [], {}
    for number, ((decision_id, version), seq) in enumerate(islice(decisions.items(), most), 1):
        segment = _segment(ledger, seq)
        path = f"{PASSPORTS}{number}.json"
        try:
            found = next(found for found in answers(decision_id, segment, store) if found.version == version)
            contents[path] = passport_of_found(found, ledger).encode()
            lines.append(PassportLine(decision_id=decision_id, file=path))
        except EvidenceMissing as error:
            lines.append(PassportLine(decision_id=decision_id, why=error.reason))
    return lines, contents


def _segment(ledger: SignedLedger, seq: int) -> Found[SegmentSealed]:
    leaf = canonical.encode(ledger.proven_entry(seq).leaf)
    entry = entry_from_leaf(seq, leaf)
    if not isinstance(entry.event, SegmentSealed):
        raise LedgerCorrupt(seq, f"it is {entry.kind}, and was a segment a moment ago")
    return Found(entry, entry.event, leaf)
