"""Arrow IPC streams as bodies: many rows in, many rows out, without JSON between.

    request   a stream whose columns are the model's features, by name in any order; its schema's metadata may hold
              the request's context (``decision_id``, ``sticky_key``, ``event_time``)
    answer    a stream with a column an output; its schema's metadata hold model_name, model_version, decision_id,
              variant, and override where one fired

A stream comes from outside, so nothing in it is believed: offsets and lengths are validated before a value is read,
and what could be small on the wire and large in memory is refused: compressed buffers, and more rows or more text
than a body may stand for. (Compress the whole body instead; that is inflated under a bound.)

https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.domain.errors import RequestError, RequestTooLarge, SchemaMismatch, Unsupported
from runtime.domain.schema import Field, FieldKind
from runtime.serving.protocols.columns import Table, number, text
from runtime.serving.protocols.document import brief
from runtime.serving.protocols.request import Asked, Prediction, Rendered, asked, context

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
MOST_ROWS = 1_000_000
MOST_TEXT = 64 << 20
"""Characters of one column, since a dictionary lets a short stream stand for very long ones."""

_DICTIONARY_BATCH = 2
_UNREADABLE = (pa.ArrowException, ValueError, OSError, struct.error)  # ArrowInvalid is a ValueError


def read(table: Table, body: bytes) -> Asked:
    """An infer request. Raises ``RequestError``, ``SchemaMismatch``, ``RequestTooLarge``, ``Unsupported``."""
    stream = read_stream(body)
    names = stream.column_names
    if len(set(names)) != len(names):
        raise RequestError("body", "two columns of one name", "each name once")
    table.check_names(dict.fromkeys(names))
    columns = {field.name: _column(stream[field.name], field) for field in table.fields}
    beside = context(_metadata(stream.schema), "schema metadata")
    return asked(table.fitted(stream.num_rows, columns), beside, answer)


def read_stream(body: bytes) -> pa.Table:
    """The table in a stream, validated. Raises as ``read``."""
    try:
        _refuse_compressed(body)
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
    except _UNREADABLE as error:
        raise RequestError("body", brief(error), "a whole Arrow IPC stream") from error
    if table.num_rows > MOST_ROWS:
        raise RequestTooLarge("body", f"{table.num_rows} rows", f"at most {MOST_ROWS}")
    return table


def numbers(column: pa.ChunkedArray, where: str) -> NDArray[Any]:
    """The numbers of a column, NaN where null. Raises ``SchemaMismatch`` for another type."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise SchemaMismatch(where, str(column.type), "a column of numbers")
    if kind != column.type:
        column = column.cast(kind)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether it holds text, by itself or in a dictionary."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def texts(column: pa.ChunkedArray, where: str) -> list[str | None]:
    """The text of a column, None where null. Raises ``SchemaMismatch``, ``RequestTooLarge``."""
    kind = column.type
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_null(values):
        return [None] * len(column)
    if not is_text(column):
        raise SchemaMismatch(where, str(kind), "a column of text")
    found: list[str | None] = []
    for chunk in column.chunks:
        found += _looked_up(chunk) if pa.types.is_dictionary(kind) else chunk.to_pylist()
    if sum(len(value) for value in found if value is not None) > MOST_TEXT:
        raise RequestTooLarge(where, "a long text in many rows", f"at most {MOST_TEXT} characters a column")
    return found


def _looked_up(chunk: pa.DictionaryArray) -> list[str | None]:
    """The same text object for each use of a dictionary's value, however often it is used."""
    words = chunk.dictionary.to_pylist()
    return [None if index is None else words[index] for index in chunk.indices.to_pylist()]


def _column(column: pa.ChunkedArray, field: Field) -> NDArray[Any]:
    where = f"input {field.name!r}"
    if field.kind is FieldKind.TEXT:
        return text(texts(column, where), field)
    return number(numbers(column, where), field)


def _metadata(schema: pa.Schema) -> dict[str, str]:
    try:
        return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    except UnicodeDecodeError as error:
        raise RequestError("schema metadata", brief(error), "UTF-8") from error


def answer(prediction: Prediction) -> Rendered:
    """The output columns as a stream of one batch."""
    metadata = {
        "model_name": prediction.model,
        "model_version": str(prediction.version),
        "decision_id": prediction.decision_id,
        "variant": prediction.variant,
    }
    if prediction.override:
        metadata["override"] = prediction.override
    fields = [
        pa.field(output.name, pa.string() if output.datatype == "BYTES" else pa.float64())
        for output in prediction.outputs
    ]
    schema = pa.schema(fields, metadata=metadata)
    arrays = [pa.array(output.values, field.type) for output, field in zip(prediction.outputs, fields, strict=True)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    return Rendered(sink.getvalue().to_pybytes(), MEDIA_TYPE.encode())


# --- compressed buffers ----------------------------------------------------------------------------------


def _refuse_compressed(body: bytes) -> None:
    """Raises ``Unsupported``. Arrow's reader would inflate such buffers to whatever size the stream names."""
    reader = pa.ipc.MessageReader.open_stream(body)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message.type in {"record batch", "dictionary"} and _is_compressed(message.metadata.to_pybytes()):
            raise Unsupported("compressed buffers in an Arrow stream; compress the body as a whole (gzip)")


def _is_compressed(metadata: bytes) -> bool:
    """Whether a message's batch has the field ``compression`` (Message.fbs: table fields by their position)."""
    message = _Flat(metadata).root()
    batch = message.table(2)
    if message.byte(1) == _DICTIONARY_BATCH:
        batch = batch.table(1)
    return batch.offset(3) != 0


class _Flat:
    """As much of a FlatBuffers table as the question needs; ``struct.error`` where it is cut short."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self._content, self._at = content, at

    def root(self) -> _Flat:
        return _Flat(self._content, self._read("<I", 0))

    def offset(self, field: int) -> int:
        """Where a field lies from the table's start; 0 if it is absent."""
        vtable = self._at - self._read("<i", self._at)
        size, place = self._read("<H", vtable), 4 + 2 * field
        return self._read("<H", vtable + place) if place < size else 0

    def byte(self, field: int) -> int:
        return self._read("<B", self._at + self.offset(field)) if self.offset(field) else 0

    def table(self, field: int) -> _Flat:
        place = self._at + self.offset(field)
        return _Flat(self._content, place + self._read("<I", place))

    def _read(self, form: str, at: int) -> int:
        if at < 0:
            raise struct.error("an offset before the start")
        found: int = struct.unpack_from(form, self._content, at)[0]
        return found
