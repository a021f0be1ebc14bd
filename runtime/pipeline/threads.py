"""One core a task: numerical libraries start a thread a core each, which on a full machine only get in the way."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def one_thread() -> AbstractContextManager[object]:
    """While it is entered, OpenMP and BLAS in this process use one thread."""
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
