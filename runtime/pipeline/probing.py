"""A version asked again with changed inputs: what its answers do when a column takes other values, or none.

    invariant_to    every row with each of the column's usual values        share of rows of which an answer moves
    rises, falls    the same, in order of the values                        share of rows that go the other way
    missing         all rows, one feature at a time without any value       the metric, or the share of flipped labels
    replayed        what the champion was asked lately                      share of answers that differ from its own

Usual values are those that the holdout holds: of numbers its deciles, of texts the most frequent. Rows are at most
``MOST_ROWS``, evenly spread over the holdout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt

from runtime.domain.behaviour import FallsGate, InvariantGate, MissingGate, ReplayedGate, RisesGate
from runtime.domain.errors import FleetwardError
from runtime.domain.reports import GateResult
from runtime.domain.schema import FieldKind, Schema, Task
from runtime.flavors import Column, Columns, Floats
from runtime.pipeline.results import refused, result, share, within
from runtime.statistics.scoring import labels, value

MOST_ROWS = 2_000
MOST_VALUES = 10
_NOISE = 1e-9
"""What the same sum in another order may differ by, as a share of the answer."""

Ask = Callable[[Columns], Floats]
"""Answers as ``outputs.scores`` gives them."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What the champion was asked in production, and answered: its first output, [rows]. Newest last."""

    columns: Columns
    answers: Floats

    def newest(self, rows: int) -> Recorded:
        """The last so many."""
        start = max(0, len(self.answers) - rows)
        return Recorded({name: column[start:] for name, column in self.columns.items()}, self.answers[start:])


@dataclass(frozen=True, eq=False)
class Probe:
    """A version that can be asked. ``sibling`` answers for what is measured against the truth of these rows."""

    schema: Schema
    columns: Columns
    truth: Floats
    ask: Ask
    sibling: Ask
    artifact: bytes = b""
    has_champion: bool = False
    recorded: Recorded | None = None

    @property
    def rows(self) -> int:
        """Of the holdout."""
        return len(self.truth)

    def sample(self) -> Columns:
        """At most ``MOST_ROWS`` of the rows, evenly spread."""
        at = np.unique(np.linspace(0, self.rows - 1, min(self.rows, MOST_ROWS)).round().astype(np.intp))
        return {name: column[at] for name, column in self.columns.items()}


Gate = InvariantGate | RisesGate | FallsGate | MissingGate | ReplayedGate


def judge(gate: Gate, probe: Probe | None) -> GateResult:
    """The gate's answer. What a version raises when it is asked is a refusal, and its reason."""
    name = _name(gate)
    if probe is None:
        return refused(name, "there is no version at hand to be asked")
    try:
        match gate:
            case InvariantGate():
                return _invariant(name, gate, probe)
            case RisesGate() | FallsGate():
                return _direction(name, gate, probe)
            case MissingGate():
                return _missing(name, gate, probe)
            case ReplayedGate():
                return _replayed(name, gate, probe)
            case _:
                assert_never(gate)
    except Exception as error:  # noqa: BLE001 - whatever a version raises, the other gates go on
        return refused(name, f"asked again it failed: {_told(error)}")


def _name(gate: Gate) -> str:
    match gate:
        case InvariantGate():
            return f"invariant_to:{gate.invariant_to}"
        case RisesGate():
            return f"rises_with:{gate.rises_with}"
        case FallsGate():
            return f"falls_with:{gate.falls_with}"
        case MissingGate():
            return "missing" if gate.missing == "each" else f"missing:{','.join(gate.missing)}"
        case ReplayedGate():
            return "replayed"


def _invariant(name: str, gate: InvariantGate, probe: Probe) -> GateResult:
    column, rows = gate.invariant_to, probe.sample()
    values = usual(rows[column])
    if len(values) < 2:
        return refused(name, f"{column} has {len(values)} different values in the holdout, so nothing can change")
    before = probe.ask(rows)
    moved: npt.NDArray[np.bool_] = np.zeros(len(before), dtype=np.bool_)
    largest = 0.0
    for changed in _with_each(rows, column, values):
        after = probe.ask(changed)
        moved = np.logical_or(moved, moves(probe.schema, before, after, gate.within))
        largest = max(largest, _largest(before, after))
    what = f"of {len(before)} rows {{}} move with {column}, by up to {largest:.6g}{_beyond(gate.within)}"
    return _share_at_most(name, moved, gate.at_most, what)


def _direction(name: str, gate: RisesGate | FallsGate, probe: Probe) -> GateResult:
    (column,), sign = gate.inputs, 1.0 if isinstance(gate, RisesGate) else -1.0
    if next(each.kind for each in probe.schema.inputs if each.name == column) is FieldKind.TEXT:
        return refused(name, f"{column} is text, which neither rises nor falls")
    rows = probe.sample()
    values = usual(rows[column])
    if len(values) < 2:
        return refused(name, f"{column} has {len(values)} different values in the holdout, so nothing can change")
    answers = sign * np.array([probe.ask(changed) for changed in _with_each(rows, column, values)])
    fallen = answers[:-1] - answers[1:]
    wrong = (fallen > gate.within + _NOISE * np.maximum(1.0, np.abs(answers[:-1]))) | ~np.isfinite(fallen)
    way = "falls" if sign > 0 else "rises"
    worst = float(np.nanmax(np.maximum(fallen, 0.0), initial=0.0))
    what = f"of {answers.shape[1]} rows the answer {way} somewhere as {column} rises in {{}}, by up to {worst:.6g}"
    went = np.asarray(wrong.any(axis=0), dtype=np.bool_)
    return _share_at_most(name, went, gate.at_most, what + (_beyond(gate.within) if gate.within else ""))


def _missing(name: str, gate: MissingGate, probe: Probe) -> GateResult:
    chosen = [each.name for each in probe.schema.inputs] if gate.missing == "each" else list(gate.missing)
    before = probe.sibling(probe.columns)
    found = {}
    for column in chosen:
        try:
            after = probe.sibling({**probe.columns, column: _nothing_like(probe.columns[column])})
        except Exception as error:  # noqa: BLE001 - that it cannot be asked is what the gate wants to know
            return refused(name, f"without {column} it gives no answer: {_told(error)}")
        found[column] = (
            value(gate.metric, after, probe.truth)
            if gate.metric is not None
            else float(np.mean(moves(probe.schema, before, after, None)))
        )
    limit = gate.limit
    if limit is None:
        worst = max(found, key=lambda column: found[column])
        what = f"{share(found[worst])} of {probe.rows} labels flip without {worst}, the worst of {len(found)} features"
        allowed = gate.flips or 0.0
        return result(name, found[worst] <= allowed, found[worst], allowed, f"{what}, where {share(allowed)} may")
    worst = max(found, key=lambda column: _badness(limit.metric.error_of(found[column])))
    what = f"{limit.metric.value} {{}} without {worst}, the worst of {len(found)} features"
    return within(name, limit, found[worst], what)


def _replayed(name: str, gate: ReplayedGate, probe: Probe) -> GateResult:
    if not probe.has_champion:
        return GateResult(gate=name, passed=True, reason="there is no champion whose decisions could be replayed")
    if probe.recorded is None or not len(probe.recorded.answers):
        return refused(name, "no recorded decision of the champion is at hand", gate.at_most)
    recorded = probe.recorded.newest(gate.replayed)
    after = _first(probe.schema, probe.ask(recorded.columns))
    moved = moves(probe.schema, recorded.answers, after, gate.within)
    largest = _largest(recorded.answers, after)
    what = f"of {len(moved)} recorded decisions {{}} would be answered otherwise, by up to {largest:.6g}"
    return _share_at_most(name, moved, gate.at_most, what + _beyond(gate.within))


# --- answers ---------------------------------------------------------------------------------------


def moves(schema: Schema, before: Floats, after: Floats, limit: float | None) -> npt.NDArray[np.bool_]:
    """Of each row, whether its answer moved; one that is no finite number did."""
    lost = ~np.isfinite(after if after.ndim == 1 else after.sum(axis=1))
    if limit is None and schema.task is Task.CLASSIFICATION:
        moved = _labels(schema, before) != _labels(schema, after)
    else:
        apart = np.abs(after - before)
        allowed = (limit or 0.0) + _NOISE * np.maximum(1.0, np.abs(before))
        moved = apart > allowed if apart.ndim == 1 else (apart > allowed).any(axis=1)
    found: npt.NDArray[np.bool_] = moved | lost
    return found


def _labels(schema: Schema, answers: Floats) -> Floats:
    """A recorded answer of many classes is a label already."""
    return answers if schema.gives_class and answers.ndim == 1 else labels(answers)


def _first(schema: Schema, answers: Floats) -> Floats:
    """As decisions record them: of many classes the label."""
    return labels(answers) if schema.gives_class else answers


def _largest(before: Floats, after: Floats) -> float:
    apart = np.abs(after - before)
    return float(np.nanmax(apart, initial=0.0))


def _badness(error: float) -> float:
    return error if np.isfinite(error) else float("inf")


# --- changed inputs --------------------------------------------------------------------------------


def usual(column: Column) -> list[float] | list[str]:
    """Values the column takes: of numbers the deciles, in order; of texts the most frequent.

    >>> usual(np.array([3.0, 1.0, np.nan, 2.0]))
    [1.0, 2.0, 3.0]
    """
    if column.dtype == object:
        counted = Counter(each for each in column.tolist() if each is not None)
        return [text for text, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]]
    known = column[np.isfinite(column)]
    if not len(known):
        return []
    at = np.linspace(0, 1, MOST_VALUES)
    return [float(each) for each in np.unique(np.quantile(known, at, method="nearest"))]


def _with_each(rows: Columns, column: str, values: list[float] | list[str]) -> Iterator[Columns]:
    kind = rows[column].dtype
    for each in values:
        changed = np.empty(len(rows[column]), dtype=kind)
        changed[:] = each
        yield {**rows, column: changed}


def _nothing_like(column: Column) -> Column:
    """As long, with nothing in it."""
    empty = np.empty(len(column), dtype=column.dtype)
    empty[:] = None if column.dtype == object else np.nan
    return empty


# --- sentences -------------------------------------------------------------------------------------


def _share_at_most(name: str, moved: npt.NDArray[np.bool_], limit: float, what: str) -> GateResult:
    found = float(np.mean(moved))
    reason = f"{what.replace('{}', share(found), 1)}, where {share(limit)} may"
    return result(name, found <= limit, found, limit, reason)


def _beyond(limit: float | None) -> str:
    return "" if limit is None else f" (more than {limit:.6g} counts)"


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"
