"""Lists of plain values on their way between processes, pickled whole by the C pickler.

Ray pickles with cloudpickle, which asks a Python function about every object it meets: for a list of drafts that took
twice the time of pickling them. ``Packed`` is one object to it. What arrives is an ordinary list.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")


class Packed(list[Item]):
    """A list of importable types' values: nothing that was defined in an entry script, no closures."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[bytes], list[Item]], tuple[bytes]]:
        return pickle.loads, (pickle.dumps(list(self), protocol=pickle.HIGHEST_PROTOCOL),)
