"""The counting loops, compiled. Import this module through ``counting``: it takes numba, and compiles.

    for each block of 2,048 rows, which stays in the first cache:
        for every four edges:  above[edge] += number of rows in the block beyond it

A search per row would branch; comparing every row with every edge does not, so the processor compares four to
eight rows at once and the loop runs near the speed at which memory is read. Counts between edges are differences
of those beyond them. NaN is beyond no edge and unequal to itself, which counts it.

Compiled code is kept beside this file, or in the user's cache folder where that is read-only
(``NUMBA_CACHE_DIR`` says otherwise); where neither can be written it is compiled anew in each process.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.config import DISABLE_JIT  # type: ignore[attr-defined]  # it is set from the environment

from runtime.statistics.errors import KernelsUnavailable

BLOCK = 2048

_Loop = Callable[..., int | None]


def _between(edges: npt.NDArray[np.float64], column: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
    """Fills ``counts``, shape (edges + 2,): up to the first edge, ..., beyond the last, NaN.

    Edges are brought to the column's type, rounded down: a float32 is beyond the one exactly if it is beyond the
    other. They are padded to a multiple of four with +inf, beyond which is nothing.
    """
    cuts = np.full((edges.size + 3) // 4 * 4, np.inf, column.dtype)
    for j in range(edges.size):
        cuts[j] = edges[j]
        if cuts[j] > edges[j]:
            cuts[j] = np.nextafter(cuts[j], column.dtype.type(-np.inf))
    above = np.zeros(cuts.size, np.int64)
    missing = 0
    for start in range(0, column.size, BLOCK):
        block = column[start : start + BLOCK]
        for j in range(0, cuts.size, 4):
            e0, e1, e2, e3 = cuts[j], cuts[j + 1], cuts[j + 2], cuts[j + 3]
            a0 = a1 = a2 = a3 = 0
            for i in range(block.size):
                x = block[i]
                a0 += x > e0
                a1 += x > e1
                a2 += x > e2
                a3 += x > e3
            above[j] += a0
            above[j + 1] += a1
            above[j + 2] += a2
            above[j + 3] += a3
        gaps = 0
        for i in range(block.size):
            gaps += block[i] != block[i]  # true of NaN alone
        missing += gaps
    beyond = column.size - missing
    for j in range(edges.size):
        counts[j] = beyond - above[j]
        beyond = above[j]
    counts[edges.size] = beyond
    counts[edges.size + 1] = missing


def _coded(codes: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> int:
    """Adds codes 0..n-1 to ``counts[code]`` and negative ones to its last place n; how many lay beyond n - 1."""
    known = counts.size - 1
    beyond = 0
    for i in range(codes.size):
        code = codes[i]
        if code < 0:
            counts[known] += 1
        elif code < known:
            counts[code] += 1
        else:
            beyond += 1
    return beyond


def _compiled(loop: _Loop, signature: Any, narrow: tuple[str, ...] = ()) -> Any:
    """``narrow``: counters of 32 bits, of which a register compares as many as of float32."""
    if DISABLE_JIT:
        raise KernelsUnavailable("numba is told not to compile (NUMBA_DISABLE_JIT)")
    options: dict[str, Any] = {"nogil": True, "locals": dict.fromkeys(narrow, types.int32)}
    try:
        return numba.njit([signature], cache=True, **options)(loop)
    except (RuntimeError, OSError):  # no folder to keep compiled code in
        return numba.njit([signature], **options)(loop)


def _vector(item: Any) -> Any:
    return types.Array(item, 1, "C", readonly=True)


_COUNTERS = ("a0", "a1", "a2", "a3", "gaps")
_COUNTS = types.Array(types.int64, 1, "C")
_EDGES = _vector(types.float64)
between_float64 = _compiled(_between, types.void(_EDGES, _vector(types.float64), _COUNTS))
between_float32 = _compiled(_between, types.void(_EDGES, _vector(types.float32), _COUNTS), _COUNTERS)
coded_int64 = _compiled(_coded, types.int64(_vector(types.int64), _COUNTS))
coded_int32 = _compiled(_coded, types.int64(_vector(types.int32), _COUNTS))
