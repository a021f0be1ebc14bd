"""One pass over a column: into bins between edges, or by codes. Compiled where that is ready, NumPy until then.

Both ways count alike, to the row, so it does not matter when a process changes over. Compiling takes about three
seconds the first time on a machine and 0.7 s from its cache afterwards; therefore nobody waits for it on a request
or a tick. Long-lived counters call ``warm_up`` when they start, batch jobs ``use_compiled``.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from runtime.statistics.errors import InvalidStatistic, KernelsUnavailable

logger = logging.getLogger(__name__)

Edges = npt.NDArray[np.float64]
FloatColumn = npt.NDArray[np.floating[Any]]
CodeColumn = npt.NDArray[np.signedinteger[Any]]
Counted = npt.NDArray[np.int64]


class Loops(Protocol):
    """A way to count. ``between``: (edges + 2,) counts, NaN last. ``coded``: (categories + 1,), negative codes last."""

    def between(self, edges: Edges, column: FloatColumn) -> Counted: ...

    def coded(self, codes: CodeColumn, categories: int) -> Counted: ...


class NumpyLoops:
    """A binary search a row; no compiler needed."""

    def between(self, edges: Edges, column: FloatColumn) -> Counted:
        counts = np.bincount(np.searchsorted(edges, column, side="left"), minlength=edges.size + 2)
        missing = np.count_nonzero(np.isnan(column))
        counts[-2] -= missing  # NaN sorts above every edge
        counts[-1] = missing
        return counts.astype(np.int64, copy=False)

    def coded(self, codes: CodeColumn, categories: int) -> Counted:
        known = np.where(codes < 0, categories, codes) if codes.size else codes
        beyond = int(np.count_nonzero(codes >= categories))
        if beyond:
            raise _unknown_codes(beyond, categories)
        return np.bincount(known, minlength=categories + 1).astype(np.int64, copy=False)


class CompiledLoops:
    """Every edge is compared with every row, many rows at once. Raises KernelsUnavailable."""

    def __init__(self) -> None:
        try:
            from runtime.statistics import kernels
        except ImportError as error:
            raise KernelsUnavailable(str(error)) from error
        self._kernels = kernels

    def between(self, edges: Edges, column: FloatColumn) -> Counted:
        if not (column.flags.c_contiguous and column.flags.aligned):
            column = np.require(column, requirements=("C", "A"))
        counts = np.empty(edges.size + 2, dtype=np.int64)
        if column.dtype == np.float32:
            self._kernels.between_float32(edges, column, counts)
        else:
            self._kernels.between_float64(edges, column, counts)
        return counts

    def coded(self, codes: CodeColumn, categories: int) -> Counted:
        narrow = codes.dtype.itemsize <= 4
        codes = np.require(codes, dtype=np.int32 if narrow else np.int64, requirements=("C", "A"))
        counts = np.zeros(categories + 1, dtype=np.int64)
        count = self._kernels.coded_int32 if narrow else self._kernels.coded_int64
        beyond = count(codes, counts)
        if beyond:
            raise _unknown_codes(beyond, categories)
        return counts


_loops: Loops = NumpyLoops()
_starting = threading.Lock()
_warming: threading.Thread | None = None


def loops() -> Loops:
    """The way this process counts now."""
    return _loops


def use_compiled() -> Loops:
    """Counts with compiled loops from here on, once they are ready; with NumPy where they cannot be had."""
    global _loops  # noqa: PLW0603 - one way to count a process, found out once
    with _starting:
        if isinstance(_loops, NumpyLoops):
            try:
                _loops = CompiledLoops()
            except KernelsUnavailable as error:
                logger.warning("counting with NumPy: %s", error)
    return _loops


def warm_up() -> threading.Thread:
    """``use_compiled`` in the background, started once a process."""
    global _warming  # noqa: PLW0603 - as above
    if _warming is None:
        _warming = threading.Thread(target=use_compiled, name="compile-counting")
        _warming.start()
    return _warming


@contextmanager
def without_compiled() -> Iterator[None]:
    """Counts with NumPy meanwhile, to measure one way against the other."""
    global _loops  # noqa: PLW0603 - as above
    kept, _loops = _loops, NumpyLoops()
    try:
        yield
    finally:
        _loops = kept


def _unknown_codes(beyond: int, categories: int) -> InvalidStatistic:
    return InvalidStatistic("codes", f"{beyond} of them name no category; expected less than {categories}")
