"""One core a task: numerical libraries start a thread a core each, which on a full machine only get in the way."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_LOADS_ITS_THREADS = ("scipy.linalg", "sklearn.utils._openmp_helpers")
"""What brings BLAS and OpenMP into the process. A library that is loaded later is not limited: the first fit of a
worker would take all cores, and say so in its artifact, which then has other bytes than the next one's.
"""


def one_thread() -> AbstractContextManager[object]:
    """While it is entered, OpenMP and BLAS in this process use one thread."""
    for module in _LOADS_ITS_THREADS:
        importlib.import_module(module)
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
