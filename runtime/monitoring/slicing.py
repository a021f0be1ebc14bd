"""The columns a spec watches apart (``monitor.slices``): where each served row is counted, and how each value fares.

Counted since the version became the champion: a value that is seldom needs time until it says something.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.domain.metrics import Metric
from runtime.domain.reports import SliceGap
from runtime.domain.schema import TWO
from runtime.monitoring.pairs import MAX_WAITING, RowKey
from runtime.statistics import fairness
from runtime.statistics.slices import SliceCounts, SliceErrors, SliceValues, sliced, slices_from

MIN_ROWS = 20
"""Rows with outcomes that a value needs before it is compared with others."""
Slices = Mapping[str, SliceCounts | SliceErrors]


class Slicing:
    """Values of the waiting rows, and counts of the judged ones."""

    def __init__(self, baseline: Slices, classes: int | None) -> None:
        self._values: dict[str, SliceValues] = {name: known.values for name, known in baseline.items()}
        self._classes = classes
        self._waiting: OrderedDict[RowKey, tuple[int, ...]] = OrderedDict()
        self.counts: dict[str, SliceCounts | SliceErrors] = {
            name: sliced(values, np.empty(0, dtype=np.intp), [], [], classes) for name, values in self._values.items()
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """What rows are counted by."""
        return tuple(self._values)

    def served(self, keys: Sequence[RowKey], columns: Mapping[str, npt.ArrayLike]) -> None:
        """Remembers where rows will be counted; a column that is not there is missing in every row."""
        gone = np.full(len(keys), None, dtype=object)
        places = [values.places(np.asarray(columns.get(name, gone)).tolist()) for name, values in self._values.items()]
        for key, *where in zip(keys, *(each.tolist() for each in places), strict=True):
            self._waiting[key] = tuple(where)
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)

    def judged(self, rows: Sequence[tuple[RowKey, float, float]]) -> None:
        """Rows with answer and outcome; those whose values are not known (their inputs were erased) are left out."""
        known = [(self._waiting.pop(key), answer, actual) for key, answer, actual in rows if key in self._waiting]
        if not known:
            return
        where, answers, outcomes = zip(*known, strict=True)
        labels = [float(answer >= 0.5) for answer in answers] if self._classes == TWO else answers
        for at, (name, values) in enumerate(self._values.items()):
            places = np.array([each[at] for each in where], dtype=np.intp)
            self.counts[name] = _sum(self.counts[name], sliced(values, places, labels, outcomes, self._classes))

    @property
    def gaps(self) -> tuple[SliceGap, ...]:
        """Of every column of which two values have ``MIN_ROWS`` judged rows."""
        found = [_gap(name, counts) for name, counts in self.counts.items()]
        return tuple(each for each in found if each is not None)

    def as_document(self) -> dict[str, Any]:
        """The counts of judged rows."""
        return {name: counts.as_document() for name, counts in self.counts.items()}

    def as_columns(self) -> dict[str, list[Any]]:
        """The waiting rows: decision id, row, and the place in each column's values."""
        places = {f"place {at}": [where[at] for where in self._waiting.values()] for at in range(len(self._values))}
        return {"id": [key[0] for key in self._waiting], "row": [key[1] for key in self._waiting], **places}

    def restore(self, document: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]) -> None:
        """The inverse of both, on a slicing of the same baseline."""
        self.counts = {name: slices_from(document[name]) for name in self._values}
        keys = zip(columns["id"], columns["row"], strict=True)
        places = zip(*(columns[f"place {at}"] for at in range(len(self._values))), strict=True)
        self._waiting = OrderedDict(zip(keys, places, strict=True))


def _sum(one: SliceCounts | SliceErrors, other: SliceCounts | SliceErrors) -> SliceCounts | SliceErrors:
    if isinstance(one, SliceCounts) and isinstance(other, SliceCounts):
        return one + other
    if isinstance(one, SliceErrors) and isinstance(other, SliceErrors):
        return one + other
    raise TypeError("counts of classes and of errors do not add up")


def _gap(name: str, counts: SliceCounts | SliceErrors) -> SliceGap | None:
    enough = np.flatnonzero(counts.rows >= MIN_ROWS)
    if enough.size < TWO:
        return None
    errors, labels = counts.errors[enough], [counts.values.labels[at] for at in enough]
    worst, best = int(errors.argmax()), int(errors.argmin())
    parity = odds = None
    if isinstance(counts, SliceCounts) and counts.tables.shape[1:] == fairness.SHAPE:
        tables = counts.tables[enough]
        parity = fairness.demographic_parity_difference(tables)
        odds = fairness.equalized_odds_difference(tables)
    return SliceGap(
        slice=name,
        metric=Metric.MAE if isinstance(counts, SliceErrors) else Metric.ACCURACY,
        values=len(labels),
        rows=int(counts.rows[enough].sum()),
        worst=labels[worst],
        worst_error=float(errors[worst]),
        best=labels[best],
        best_error=float(errors[best]),
        demographic_parity_difference=parity,
        equalized_odds_difference=odds,
    )
