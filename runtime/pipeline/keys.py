"""What parts a fleet's rows, as text: the same whether a value came in a frame or in a stream.

Text is Python's own of the value: ``1.0`` of a float, ``True`` of a truth. A value that is missing is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from runtime.domain.errors import DataError

Codes = npt.NDArray[np.int64]


def texts_of(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The text of every value."""
    codes, texts = coded(column)
    return pa.array(texts, pa.string()).take(pa.array(codes))


def coded(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, list[str]]:
    """For every value the number of its text, and the texts, in order of their first rows."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found = whole.dictionary_encode(null_encoding="encode")
    values = found.dictionary
    is_float = pa.types.is_floating(values.type)  # of 32 bits has fewer digits than Python's float of it
    given = values.to_numpy(zero_copy_only=False) if is_float else values.to_pylist()
    places: dict[str, int] = {}
    numbers = [places.setdefault(_text(value), len(places)) for value in given]
    codes = np.asarray(found.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.array(numbers, dtype=np.int64)[codes] if numbers else codes, list(places)


def coded_frame(where: str, frame: pd.DataFrame, name: str) -> tuple[Codes, list[str]]:
    """As ``coded``, of a frame's column. Raises ``DataError`` if it mixes types."""
    try:
        return coded(pa.array(frame[name], from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(where, f"column {name!r} mixes types: {error}; expected numbers or text alone") from error


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN differs from itself
