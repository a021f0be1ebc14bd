"""What a sentence is made of, and the function that each kind of event is registered with."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple


class Told(NamedTuple):
    """The parts of a sentence, without who it is about and by whom."""

    what: str
    reason: str = ""
    numbers: str = ""
    about: str = ""
    """Said before the sentence where the event names no model."""


@singledispatch
def tell(event: Any) -> Told:
    """The parts for one kind of event. Raises ``TypeError`` for a kind without a sentence."""
    raise TypeError(f"no sentence for {type(event).__name__}")
