"""One partition's rows, as Parquet in the object store and as arrays in a trainer.

Arrow columns   time timestamp[us, UTC] | target double | numbers double, null = missing | texts string
Rows            time int64 microseconds | target float64 | numbers float64, NaN | texts object, None
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.flavors import Column, Floats

TIME_TYPE = pa.timestamp("us", tz="UTC")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Layout:
    """The columns that a spec's data are reduced to. ``slices``: those that gates or the split part rows by, as text.

    The target is a number; of named ``classes``, the class's number.
    """

    time: str
    target: str
    group: tuple[str, ...]
    features: tuple[Field, ...]
    slices: tuple[str, ...]
    task: Task = Task.REGRESSION
    classes: tuple[str, ...] | None = None

    @property
    def schema(self) -> Schema:
        """What a model of these data takes and gives."""
        outputs = outputs_of(self.task, self.classes)
        return Schema(inputs=self.features, outputs=outputs, classes=self.classes)

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Canonical type of each column, in canonical order."""
        kinds = {field.name: pa.float64() if field.kind is FieldKind.NUMBER else pa.string() for field in self.features}
        rest = {name: pa.string() for name in (*self.group, *self.slices) if name not in kinds}
        return {self.time: TIME_TYPE, self.target: pa.float64(), **kinds, **rest}


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows in order of time, unless a plan arranged them; every array is [rows]."""

    time: npt.NDArray[np.int64]
    target: Floats
    columns: dict[str, Column]
    slices: dict[str, Column]

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def from_table(cls, table: pa.Table, layout: Layout) -> Rows:
        """From canonical columns (see ``checks.canonical``)."""
        return cls(
            time=table[layout.time].cast(pa.int64()).to_numpy(),
            target=numbers(table[layout.target]),
            columns={
                field.name: numbers(table[field.name]) if field.kind is FieldKind.NUMBER else texts(table[field.name])
                for field in layout.features
            },
            slices={name: texts(table[name].cast(pa.string())) for name in layout.slices},
        )

    def part(self, start: int, stop: int) -> Rows:
        """Rows ``start`` to ``stop``, as views."""
        return Rows(
            self.time[start:stop],
            self.target[start:stop],
            {name: column[start:stop] for name, column in self.columns.items()},
            {name: column[start:stop] for name, column in self.slices.items()},
        )

    def take(self, positions: npt.NDArray[np.intp]) -> Rows:
        """The rows at these positions, in their order, as copies."""
        return Rows(
            self.time[positions],
            self.target[positions],
            {name: column[positions] for name, column in self.columns.items()},
            {name: column[positions] for name, column in self.slices.items()},
        )

    @property
    def first_time(self) -> datetime:
        """Time of the earliest row."""
        return moment(int(self.time.min()))

    @property
    def last_time(self) -> datetime:
        """Time of the latest row."""
        return moment(int(self.time.max()))


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime (exact, unlike ``fromtimestamp``)."""
    return _EPOCH + timedelta(microseconds=microseconds)


def numbers(column: pa.ChunkedArray) -> Floats:
    """float64 with NaN for null."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """Objects: text, None for null."""
    values: npt.NDArray[np.object_] = np.array(column.to_pylist(), dtype=object)
    return values


def to_parquet(table: pa.Table) -> bytes:
    """Parquet bytes: the same for the same table and version of pyarrow.

    Only texts have dictionaries: numbers seldom repeat, and to find that out takes half of the time of writing. It is
    read whole, so nothing is there for those who skip pages.
    """
    sink = pa.BufferOutputStream()
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    pq.write_table(table, sink, compression="zstd", use_dictionary=texts, write_statistics=False, store_schema=False)
    return bytes(sink.getvalue().to_pybytes())


def from_parquet(content: bytes, layout: Layout) -> Rows:
    """The inverse of ``to_parquet``, as arrays."""
    table = pq.read_table(io.BytesIO(content), partitioning=None)
    return Rows.from_table(table.cast(pa.schema(list(layout.types.items()))), layout)


def _text_bytes(texts: pa.StringArray) -> memoryview:
    """UTF-8 of all texts, one after the other: what Arrow holds already, once gaps hold nothing."""
    whole = pc.drop_null(texts) if texts.null_count else texts
    if not len(whole):
        return memoryview(b"")
    _, offsets, content = whole.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[whole.offset : whole.offset + len(whole) + 1]
    return memoryview(content)[ends[0] : ends[-1]] if content is not None else memoryview(b"")


def content_digest(table: pa.Table) -> str:
    """``sha256:<hex>`` of the values of a canonical table, whatever its chunks, buffers and library versions.

    Hashed for each column: name, type, then little-endian values (NaN in one form) or lengths and UTF-8 text.
    """
    sha256 = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        sha256.update(f"{name}\x00{column.type}\x00{len(column)}\x00".encode())
        for part in _value_bytes(column):
            sha256.update(part)
    return f"sha256:{sha256.hexdigest()}"


def _value_bytes(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy().astype("<i8")
        return [lengths.tobytes(), *(_text_bytes(chunk) for chunk in column.chunks)]
    if pa.types.is_timestamp(column.type):
        return [column.cast(pa.int64()).to_numpy().astype("<i8", copy=False).data]
    values = np.add(numbers(column), 0.0, dtype="<f8")  # minus zero becomes zero
    values[np.isnan(values)] = np.nan
    return [values.data]
