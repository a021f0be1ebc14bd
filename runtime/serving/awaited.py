"""Versions that answer from elsewhere are awaited on the event loop: no thread stands still for them.

    pool.answer ──Waits──> await ask, under the model's own limits ──> pool.answer again, with what came

A request is decided anew each time, and alike: its decision id is fixed, so it falls on the same side of a split.
Answers are used in the order in which they were asked for, each for the version that gave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.domain.errors import FleetwardError, NotServable
from runtime.domain.ids import new_id
from runtime.domain.schema import Schema
from runtime.flavors import Columns, Floats, Predictor, Waiting

if TYPE_CHECKING:
    from runtime.serving.live import Key

MOST = 16
"""So often one request waits for an answer from elsewhere: its own version, and fallbacks."""


class Waits(Exception):
    """Raised where a version's answer is not there yet: ``ask`` it, and decide again."""

    def __init__(self, key: Key, predictor: Waiting, columns: Columns) -> None:
        super().__init__(key)
        self.key, self._predictor, self._columns = key, predictor, columns

    async def ask(self) -> Floats:
        """What the version answers. Raises ``NotServable`` where it fails, and what it means to raise."""
        try:
            return await self._predictor.ask(self._columns)
        except FleetwardError:
            raise
        except Exception as error:
            why = f"version {self.key.version} failed: {type(error).__name__}: {error}"
            raise NotServable(self.key.model, why) from error


class Awaited:
    """What came for one request so far."""

    __slots__ = ("_answers", "_next", "decision_id")

    def __init__(self) -> None:
        self.decision_id = new_id()
        """Where the request brings none."""
        self._answers: list[tuple[Key, Floats]] = []
        self._next = 0

    def begin(self) -> None:
        """Decide from the start."""
        self._next = 0

    def add(self, key: Key, answer: Floats) -> None:
        """It came."""
        self._answers.append((key, answer))

    def ready(self, predictor: Predictor, key: Key, columns: Columns) -> Predictor:
        """The predictor, or what it answered. Raises ``Waits``; a route that changed meanwhile begins anew."""
        if not hasattr(predictor, "ask"):
            return predictor
        at, self._next = self._next, self._next + 1
        if at < len(self._answers) and self._answers[at][0] == key:
            return _Answered(predictor.schema, self._answers[at][1])
        del self._answers[at:]
        assert isinstance(predictor, Waiting)  # noqa: S101 - it has ``ask``
        raise Waits(key, predictor, columns)


class _Answered:
    """Stands for a version whose answer is here."""

    def __init__(self, schema: Schema, answer: Floats) -> None:
        self.schema, self._answer = schema, answer

    def predict(self, columns: Columns) -> Floats:  # noqa: ARG002 - the answer to these
        return self._answer
