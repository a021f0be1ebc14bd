"""A sealed segment: a dense run of records in one Parquet file, named by its digest, proven by a Merkle root.

One segment holds one content (decisions or outcomes) of one replica epoch, in record order and without holes:
row i has the number ``first_number + i``, which is also its leaf's index under ``record_root``. Where numbers are
missing the run ends and another segment begins, so that the events alone show every gap (``gaps``).

The same records give the same bytes (with the same pyarrow): a seal that is repeated after a crash finds its
object in place. The file's metadata name content, replica and epoch; a file that lies under another event is caught.

A segment of decisions in which one names its data subject has two columns more, ``subject`` (the pseudonym) and
``sealed`` (the row's inputs as ciphertext, see ``subject_key``); both are empty in rows without a subject.

Text columns are plain in Arrow and dictionary-encoded in Parquet; numbers and times are delta-encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.domain.errors import IntegrityError
from runtime.domain.events import RecordsLost, SegmentContent, SegmentSealed
from runtime.domain.ids import Digest
from runtime.ledger import merkle
from runtime.storage.frames import Frames, NumberedOutcomes
from runtime.storage.leaves import each_leaf
from runtime.storage.objects import ObjectStore
from runtime.storage.segment_columns import DECISION_SCHEMA, OF_SUBJECT, OUTCOME_SCHEMA, SUBJECT_SCHEMA, Run

_SCHEMAS = {SegmentContent.DECISIONS: (DECISION_SCHEMA, SUBJECT_SCHEMA), SegmentContent.OUTCOMES: (OUTCOME_SCHEMA,)}
_DELTA = ("number", "row", "time", "event_time", "latency_us")
_PLAIN = ("output", "actual", "numbers.list.element", "sealed")


class SegmentMismatch(IntegrityError):
    """A segment is not what its ledger entry says: names the field, and both values."""

    def __init__(self, digest: str, what: str, expected: str, actual: str) -> None:
        super().__init__(digest, what, expected, actual)
        self.digest, self.what, self.expected, self.actual = digest, what, expected, actual

    def __str__(self) -> str:
        return f"segment {self.digest}: {self.what} is {self.actual}, the entry says {self.expected}"


class RecordsOutOfOrder(IntegrityError):
    """A number that was used twice, or numbers that go backwards."""

    def __init__(self, replica: str, epoch: str, number: int, after: int) -> None:
        super().__init__(replica, epoch, number, after)
        self.replica, self.epoch, self.number, self.after = replica, epoch, number, after

    def __str__(self) -> str:
        return f"replica {self.replica} epoch {self.epoch}: record {self.number} comes after {self.after}"


def seal(frames: Iterable[Frames], store: ObjectStore, replica: str, epoch: str) -> list[SegmentSealed]:
    """Store the frames' records as segments, one for each run without holes: decisions first, then outcomes.

    Raises ``StoreUnavailable`` or ``RecordsOutOfOrder``; what was stored by then is found again by the next try.
    """
    runs: dict[SegmentContent, list[Run]] = {content: [] for content in SegmentContent}
    for frame in frames:
        is_decision = not isinstance(frame, NumberedOutcomes)
        own = runs[SegmentContent.DECISIONS if is_decision else SegmentContent.OUTCOMES]
        if own and frame.number < own[-1].following:
            raise RecordsOutOfOrder(replica, epoch, frame.number, own[-1].following - 1)
        if not own or frame.number > own[-1].following:
            own.append(Run(SUBJECT_SCHEMA if is_decision else OUTCOME_SCHEMA, frame.number))
        own[-1].add(frame)
    return [_seal_table(content, run.table(), store, replica, epoch) for content, own in runs.items() for run in own]


def read_segment(
    store: ObjectStore,
    digest: Digest,
    columns: Sequence[str] | None = None,
    *,
    models: Callable[[str], bool] | None = None,
) -> pa.Table:
    """The records of a segment, or these columns of them; those ``OF_SUBJECT`` are given where there are any.

    With ``models``, records of the models that it is true of: where there are none, nothing else is decoded.

    Raises ``DigestMismatch``, ``ObjectMissing``, or ``SegmentMismatch`` if it is none or lacks a column.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(store.get(digest)))
        content = SegmentContent(_metadata(file.schema_arrow).get("content", ""))
        if not any(file.schema_arrow.equals(schema) for schema in _SCHEMAS[content]):
            raise SegmentMismatch(digest, "schema", str(_SCHEMAS[content][0]), str(file.schema_arrow))
        if columns is not None and OF_SUBJECT[0] not in file.schema_arrow.names:
            columns = [name for name in columns if name not in OF_SUBJECT]
        if absent := set(columns or ()) - set(file.schema_arrow.names):
            raise SegmentMismatch(digest, "columns", ", ".join(sorted(absent)), f"a segment of {content.value}")
        # A year has thousands of small segments: starting a thread a column costs more than it brings.
        chosen = None if models is None else _of_models(file, models)
        if chosen is not None and not pc.any(chosen).as_py():
            table = file.schema_arrow.empty_table()
        else:
            table = file.read(columns, use_threads=False)
            table = table if chosen is None or pc.all(chosen).as_py() else table.filter(chosen)
    except (pa.ArrowInvalid, ValueError) as error:
        raise SegmentMismatch(digest, "format", "a Parquet segment", str(error)) from error
    return table if columns is None else table.select(columns)


def _of_models(file: pq.ParquetFile, wanted: Callable[[str], bool]) -> pa.ChunkedArray:
    """Which records are of the models."""
    column = file.read(["model"], use_threads=False)["model"]
    own = pa.array([name for name in column.unique().to_pylist() if wanted(name)], pa.string())
    return pc.is_in(column, value_set=own)


def recorded_inputs(decisions: pa.Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """Numbers and texts of the decisions of one version, [rows, columns] each, in the order of its schema."""
    shape = (decisions.num_rows, -1)
    numbers = pc.list_flatten(decisions["numbers"].combine_chunks()).to_numpy(zero_copy_only=False)
    texts = pc.list_flatten(decisions["texts"].combine_chunks()).to_pylist()
    return numbers.astype(np.float64).reshape(shape), np.array(texts, dtype=object).reshape(shape)


def with_subjects(decisions: pa.Table) -> pa.Table:
    """The table with the columns ``OF_SUBJECT``, empty ones where it has none: tables of both kinds fit together."""
    for name in OF_SUBJECT:
        if name not in decisions.column_names:
            empty = pa.array([""] * decisions.num_rows, pa.string())
            decisions = decisions.append_column(SUBJECT_SCHEMA.field(name), empty)
    return decisions


def read_decisions(
    store: ObjectStore,
    segments: Iterable[SegmentSealed],
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """Decision records of the segments, of one model if named, with ``since <= time < until`` (the wall clock)."""
    return _read(store, segments, SegmentContent.DECISIONS, (model, since, until))


def read_outcomes(
    store: ObjectStore,
    segments: Iterable[SegmentSealed],
    *,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pa.Table:
    """Outcome records, chosen as in ``read_decisions``."""
    return _read(store, segments, SegmentContent.OUTCOMES, (model, since, until))


def check_segment(store: ObjectStore, event: SegmentSealed) -> None:
    """Compute again everything the event claims.

    Raises ``DigestMismatch`` for changed bytes, ``SegmentMismatch`` naming the first claim that does not hold,
    ``ObjectMissing`` if the segment is gone.
    """
    table = read_segment(store, event.digest)
    named = _metadata(table.schema)
    actual = _describe(SegmentContent(named["content"]), table, event.digest, named["replica"], named["epoch"])
    for field in SegmentSealed.model_fields:
        claimed, found = getattr(event, field), getattr(actual, field)
        if claimed != found:
            raise SegmentMismatch(event.digest, field, str(claimed), str(found))
    numbers = table["number"].to_numpy()
    if numbers[-1] - numbers[0] + 1 != len(numbers) or (numbers[1:] <= numbers[:-1]).any():
        found = f"{len(numbers)} numbers between {numbers[0]} and {numbers[-1]}"
        raise SegmentMismatch(event.digest, "number range", "consecutive", found)


def gaps(previous_last: int, segments: Sequence[SegmentSealed]) -> list[RecordsLost]:
    """What is missing between ``previous_last`` and the segments' last number, in no segment.

    The segments are of one replica epoch and one content, in any order; 0 is before the first record.
    """
    ordered = sorted(segments, key=lambda segment: segment.first_number)
    return [
        lost_records(segment.content, segment.replica, segment.epoch, (last + 1, segment.first_number - 1))
        for last, segment in zip((previous_last, *(s.last_number for s in ordered)), ordered, strict=False)
        if segment.first_number > last + 1
    ]


def lost_records(
    content: SegmentContent, replica: str, epoch: str, numbers: tuple[int, int], why: str = ""
) -> RecordsLost:
    """The event that says so. Its reason names the content, which the number line belongs to."""
    reason = f"{content.value}: {why or 'no frame holds these numbers'}"
    return RecordsLost(replica=replica, epoch=epoch, first_number=numbers[0], last_number=numbers[1], reason=reason)


def _seal_table(
    content: SegmentContent, table: pa.Table, store: ObjectStore, replica: str, epoch: str
) -> SegmentSealed:
    named = {"content": content.value, "replica": replica, "epoch": epoch}
    metadata = {f"fleetward.{name}": value for name, value in named.items()}
    sink = pa.BufferOutputStream()
    delta = [name for name in table.column_names if name in _DELTA]
    words = [_leaf_path(field) for field in table.schema if field.name not in _DELTA]
    pq.write_table(
        table.replace_schema_metadata(metadata),
        sink,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in words if name not in _PLAIN],
        column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
        row_group_size=1 << 16,
    )
    digest = store.put(sink.getvalue().to_pybytes())
    return _describe(content, table, digest, replica, epoch)


def _leaf_path(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def _describe(content: SegmentContent, table: pa.Table, digest: str, replica: str, epoch: str) -> SegmentSealed:
    """The event that is true of this table."""
    numbers, times = table["number"], pc.min_max(table["time"]).as_py()
    return SegmentSealed(
        content=content,
        digest=digest,
        record_root=merkle.root(map(merkle.leaf_hash, each_leaf(table))).hex(),
        records=table.num_rows,
        replica=replica,
        epoch=epoch,
        first_number=numbers[0].as_py(),
        last_number=numbers[-1].as_py(),
        first_time=times["min"],
        last_time=times["max"],
    )


def _metadata(schema: pa.Schema) -> dict[str, str]:
    raw = schema.metadata or {}
    return {key.decode().removeprefix("fleetward."): value.decode() for key, value in raw.items()}


_Choice = tuple[str | None, datetime | None, datetime | None]


def _read(store: ObjectStore, segments: Iterable[SegmentSealed], content: SegmentContent, choice: _Choice) -> pa.Table:
    _, since, until = choice
    tables = [
        _chosen(read_segment(store, segment.digest).replace_schema_metadata(None), choice)
        for segment in segments
        if segment.content is content
        and (since is None or segment.last_time >= since)
        and (until is None or segment.first_time < until)
    ]
    if any(OF_SUBJECT[0] in table.column_names for table in tables):
        tables = [with_subjects(table) for table in tables]
    return pa.concat_tables(tables) if tables else _SCHEMAS[content][0].empty_table()


def _chosen(table: pa.Table, choice: _Choice) -> pa.Table:
    model, since, until = choice
    if model is not None:
        table = table.filter(pc.equal(table["model"], model))
    if since is not None:
        table = table.filter(pc.greater_equal(table["time"], pa.scalar(since, table["time"].type)))
    if until is not None:
        table = table.filter(pc.less(table["time"], pa.scalar(until, table["time"].type)))
    return table
