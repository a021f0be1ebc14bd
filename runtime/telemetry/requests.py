"""What a replica answered since the last export. Counted on its event loop alone, so nothing here is locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from runtime.telemetry import families as f
from runtime.telemetry.durations import Durations
from runtime.telemetry.samples import UNKNOWN, Names, Sample, summed

_MOST_FAILED: Final = 1000
"""So many (model, status) are told apart between two exports: names in paths are whatever callers write."""


class _Answered(Durations):
    __slots__ = ("overridden", "rows")

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.overridden = 0


class Requests:
    """Counts of predictions by (model, version, variant), and of errors by (model, status)."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, int, str], _Answered] = {}
        self._failed: Counter[tuple[str, int]] = Counter()

    def answered(self, served: tuple[str, int, str], seconds: float, rows: int, *, overridden: bool = False) -> None:
        """A prediction by ``served`` (model, version, variant) went out, ``seconds`` after it was asked for."""
        tally = self._answered.get(served)
        if tally is None:
            tally = self._answered[served] = _Answered()
        tally.add(seconds)
        tally.rows += rows
        if overridden:
            tally.overridden += 1

    def failed(self, model: str, status: int) -> None:
        """A request about ``model``, or what its path calls one, was answered with an error."""
        key = (model, status)
        if key not in self._failed and len(self._failed) >= _MOST_FAILED:
            key = (UNKNOWN, status)
        self._failed[key] += 1

    def take(self, pool: str, names: Names) -> list[Sample]:
        """What was counted since this was last called."""
        answered, self._answered = self._answered, {}
        failed, self._failed = self._failed, Counter()
        return summed([*_answers(answered, pool, names), *_errors(failed, pool, names)])


def _answers(answered: dict[tuple[str, int, str], _Answered], pool: str, names: Names) -> Iterator[Sample]:
    for (model, version, variant), tally in answered.items():
        # Versions of others have nothing in common but their numbers.
        own = (model, str(version)) if names.keeps(model) else (names.label(model), "")
        labels = (pool, *own, variant)
        yield Sample(f.REQUESTS, labels, tally.count)
        yield Sample(f.ROWS, labels, tally.rows)
        yield Sample(f.SECONDS, labels, tally.seconds)
        yield Sample(f.OVERRIDDEN, labels, tally.overridden)
        for le, count in tally.within():
            yield Sample(f.WITHIN, (*labels, le), count)


def _errors(failed: Counter[tuple[str, int]], pool: str, names: Names) -> Iterator[Sample]:
    for (model, status), count in failed.items():
        yield Sample(f.ERRORS, (pool, names.label(model) if model else "", str(status)), count)
