"""The counts of a pack against what is proven: the segments its bundle names, and the records that are in the pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from runtime.domain import canonical
from runtime.domain.base import Document, rfc3339
from runtime.ledger.merkle import leaf_hash
from runtime.proof.errors import PackInvalid
from runtime.proof.pack.entries import Collected, Told
from runtime.proof.pack.form import DECISIONS, SAMPLE
from runtime.proof.pack.use import Count, Counts, Decisions, Row, SegmentUse, Use, moment_of
from runtime.proof.passport import ProvenRecord
from runtime.proof.places import path_of

_TALLIES = ("by_day", "by_version", "by_variant", "by_caller", "by_day_version_variant")


class SampleLine(Document):
    """A line of ``sample.jsonl``: a record, and the entry of its segment."""

    segment: Count
    record: dict[str, Any]
    proof: tuple[str, ...]


def require_decisions(decisions: Decisions, entries: Collected, sample: list[SampleLine]) -> None:
    """Raises ``PackInvalid`` naming what in ``decisions.json`` or ``sample.jsonl`` does not hold."""
    _require_segments(decisions, entries)
    _require_sums(decisions)
    use = Use()
    for at, row in enumerate(_rows(sample, entries)):
        use.take(sample[at].record | {"time": row.time})
    _require_sample(decisions, sample, use.counts())


def _require_segments(decisions: Decisions, entries: Collected) -> None:
    """Every segment of the period is there, as its entry says, and those that are deleted give no records."""
    sealed = entries.of("segment_sealed")
    if [each.entry for each in decisions.segments] != [each.seq for each in sealed]:
        raise PackInvalid(DECISIONS, "segments", f"the period's are those of entries {[each.seq for each in sealed]}")
    for at, (said, told) in enumerate(zip(decisions.segments, sealed, strict=True)):
        for name, wrong in _wrong_of(said, told, entries.gone):
            raise PackInvalid(DECISIONS, f"segments[{at}].{name}", wrong)


def _wrong_of(said: SegmentUse, told: Told, gone: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("digest", "records"):
        if getattr(said, name) != told.event[name]:
            yield name, f"{getattr(said, name)}, where entry {told.seq} says {told.event[name]}"
    due = gone.get(told.event["digest"], "read, missing or damaged")
    if said.body not in due.replace(" or ", ", ").split(", "):
        yield "body", f"{said.body}, where the ledger says {due}"
    counted = said.body in ("read", "of_others")
    most = {"read": said.records, "of_others": 0}.get(said.body, 0)
    if counted != (said.of_model is not None) or (said.of_model or 0) > most:
        yield "of_model", f"{said.of_model} of {said.records} records in a body that is {said.body}"


def _require_sums(decisions: Decisions) -> None:
    """Each way to count gives the same number."""
    counts = decisions.counts
    total = sum(each.of_model or 0 for each in decisions.segments)
    if counts.records != total:
        raise PackInvalid(DECISIONS, "counts.records", f"{counts.records}, where the segments add up to {total}")
    for name in _TALLIES:
        if (added := sum(getattr(counts, name).values())) != total:
            raise PackInvalid(DECISIONS, f"counts.{name}", f"it adds up to {added}, not to {total}")


def _rows(sample: list[SampleLine], entries: Collected) -> Iterator[Row]:
    """Each record, proven under its segment, of the model and of the period, and in the order of the rule."""
    segments = {told.seq: told.event for told in entries.of("segment_sealed")}
    before = b""
    for at, line in enumerate(sample):
        field, segment = f"[{at}]", segments.get(line.segment)
        if segment is None:
            raise PackInvalid(SAMPLE, f"{field}.segment", f"entry {line.segment} is no segment of the period")
        row = _row(at, line.record)
        index, root = row.number - segment["first_number"], bytes.fromhex(segment["record_root"])
        proven = ProvenRecord.model_validate({"record": line.record, "proof": line.proof})
        if not proven.is_under(root, index, segment["records"]):
            reason = f"its record and proof do not make it number {row.number} of the segment of entry {line.segment}"
            raise PackInvalid(SAMPLE, field, reason)
        if row.model != entries.period.model or not entries.period.holds(rfc3339(moment_of(row.time))):
            raise PackInvalid(SAMPLE, f"{field}.record", f"of {row.model} at {rfc3339(moment_of(row.time))}")
        hashed = leaf_hash(canonical.encode(line.record))
        if hashed <= before:
            raise PackInvalid(SAMPLE, field, "not behind the record before it in the order of their leaf hashes")
        before = hashed
        yield row


def _row(at: int, record: dict[str, Any]) -> Row:
    try:
        return Row.model_validate(record)
    except ValidationError as error:
        problem = error.errors()[0]
        raise PackInvalid(SAMPLE, path_of((at, "record", *problem["loc"])), problem["msg"]) from error


def _require_sample(decisions: Decisions, sample: list[SampleLine], found: Counts) -> None:
    """Where the sample is whole its counts are the counts; else they are no more than those."""
    said, counts = decisions.sample, decisions.counts
    if said.records != len(sample):
        raise PackInvalid(DECISIONS, "sample.records", f"{said.records}, where the sample has {len(sample)}")
    if said.whole != (len(sample) == counts.records):
        raise PackInvalid(DECISIONS, "sample.whole", f"{said.whole}, with {len(sample)} of {counts.records} records")
    if said.whole:
        for name in Counts.model_fields:
            if getattr(counts, name) != getattr(found, name):
                reason = f"{getattr(counts, name)}, where the records give {getattr(found, name)}"
                raise PackInvalid(DECISIONS, f"counts.{name}", reason)
        return
    for name in (*_TALLIES, "by_override"):
        for value, number in getattr(found, name).items():
            if number > getattr(counts, name).get(value, 0):
                raise PackInvalid(DECISIONS, f"counts.{name}.{value}", f"less than the {number} records of the sample")
