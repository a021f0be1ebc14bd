"""How much memory a loaded version takes, measured: an artifact is compressed, and libraries keep trees of their own.

Three figures, of which the largest counts, since each misses something:

    the artifact's bytes
    what Python objects and arrays can be reached from the predictor       misses what C and C++ allocated
    how much more the C heap (mallinfo2) held after the load than before   misses Python's small objects; sees what
                                                                           other threads allocate meanwhile
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from runtime.domain.base import Document
from runtime.flavors import Predictor

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
MOST_OBJECTS = 2_000_000
"""After so many the walk ends: what was counted until then is large enough."""


class _Mallinfo2(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    )


def measured(load: Callable[[bytes], Predictor], artifact: bytes) -> tuple[Predictor, int]:
    """The loaded version and its bytes. Raises what ``load`` raises."""
    before = heap_bytes()
    predictor = load(artifact)
    return predictor, max(len(artifact), heap_bytes() - before, reachable_bytes(predictor))


def reachable_bytes(root: object) -> int:
    """Bytes of the Python objects and arrays that are reached from ``root`` and are not shared by all models."""
    seen: set[int] = set()
    stack: list[Any] = [root]
    size = 0
    while stack and len(seen) < MOST_OBJECTS:
        each = stack.pop()
        if id(each) in seen or isinstance(each, _SHARED) or (isinstance(each, Document) and each is not root):
            continue
        seen.add(id(each))
        size += sys.getsizeof(each)
        if isinstance(each, np.ndarray):
            stack += [] if each.base is None else [each.base]
            stack += each.ravel().tolist() if each.dtype == object else []
        else:
            stack += gc.get_referents(each)
    return size


def heap_bytes() -> int:
    """Bytes that malloc has given out, of all arenas; 0 where glibc 2.33 is not there to tell."""
    mallinfo = _mallinfo2()
    if mallinfo is None:
        return 0
    found = mallinfo()
    return int(found.uordblks) + int(found.hblkhd)


@cache
def _mallinfo2() -> Any:
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is not None:
        mallinfo.restype = _Mallinfo2
    return mallinfo
