"""The values of an Arrow column as canonical JSON (RFC 8785), one text for each row, without a Python object a value.

numbers     orjson writes a whole NumPy array as one text, which is cut at its commas. It writes 1.0 where RFC 8785
            (3.2.2.3) writes 1, and has exponents of its own below 1e-3 and from 1e15: those few values are
            written by the definition, each by itself, as are NaN and the infinities ("NaN", "Infinity")
texts       stand between quotation marks as they are; ``escaped_rows`` tells where that is not enough
lists       are joined from the texts of their elements
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import rfc8785

_COMMA = ord(",")
_NULL = "null"
_NO_ROWS: frozenset[int] = frozenset()


def texts_of(array: pa.Array) -> pa.StringArray:
    """Each value as JSON. Of texts that JSON must escape (``escaped_rows``) it gives something else."""
    if pa.types.is_list(array.type):
        return _lists(array)
    if pa.types.is_string(array.type):
        texts = pc.binary_join_element_wise('"', array, '"', "")
    elif pa.types.is_floating(array.type):
        texts = _floats(array)
    else:
        texts = _numbers(_values(array.cast(pa.int64()), 0))
    if array.null_count == 0:
        return texts
    return pc.if_else(array.is_null(), _NULL, texts)


def escaped_rows(array: pa.Array) -> frozenset[int]:
    """Rows with a text that JSON must escape: one with a quotation mark, a backslash or a control character."""
    if pa.types.is_list(array.type):
        places = escaped_rows(array.flatten())
        if not places:
            return _NO_ROWS
        offsets = _offsets(array)
        return frozenset((np.searchsorted(offsets, sorted(places), side="right") - 1).tolist())
    if not pa.types.is_string(array.type) or not _may_need_escapes(array):
        return _NO_ROWS
    found = pc.match_substring_regex(array, r'["\\\x00-\x1f]')
    return frozenset(pc.indices_nonzero(found).to_pylist())


def _may_need_escapes(array: pa.StringArray) -> bool:
    """Looks at all bytes at once, some ten times faster than at each text."""
    _, offsets, content = array.buffers()
    if content is None or not len(array):
        return False
    ends = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    found = np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
    return bool(((found < ord(" ")) | (found == ord('"')) | (found == ord("\\"))).any())


def _values(array: pa.Array, instead_of_null: Any) -> npt.NDArray[Any]:
    filled = pc.fill_null(array, instead_of_null) if array.null_count else array
    values: npt.NDArray[Any] = np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))
    return values


def _floats(array: pa.Array) -> pa.StringArray:
    values = _values(array.cast(pa.float64()), 0.0)
    size = np.abs(values)
    plain = (size >= 1e-3) & (size < 1e15) | (values == 0)  # no comparison holds of a NaN
    if plain.all():
        return _numbers(values + 0.0)  # -0.0 is 0
    texts = _numbers(np.where(plain, values, 0.0) + 0.0)
    odd = pa.array([_by_definition(value) for value in values[~plain].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(~plain), odd)


def _by_definition(value: float) -> str:
    if math.isfinite(value):
        return rfc8785.dumps(value).decode()
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _numbers(values: npt.NDArray[Any]) -> pa.StringArray:
    """Numbers that orjson and RFC 8785 write alike but for the ".0" of whole ones."""
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    content = np.frombuffer(text.replace(b".0,", b","), np.uint8)
    is_comma = content == _COMMA
    ends = np.flatnonzero(is_comma) - np.arange(len(values))
    offsets = np.concatenate(([0], ends)).astype(np.int32) if len(values) else np.zeros(1, np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(content[~is_comma]))


def _lists(array: pa.ListArray) -> pa.StringArray:
    elements = texts_of(array.flatten())
    lists = pa.ListArray.from_arrays(pa.array(_offsets(array), pa.int32()), elements)
    return pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")


def _offsets(array: pa.ListArray) -> npt.NDArray[np.int32]:
    """Where each list begins in ``array.flatten()``, and where the last ends."""
    found = array.offsets.to_numpy()
    offsets: npt.NDArray[np.int32] = found - found[0]
    return offsets
