"""Exact Shapley values of trees, leaf by leaf: path-dependent TreeSHAP (Lundberg 2020, 10.1038/s42256-019-0138-9).

A leaf with d different columns on its path is a game of its own. Column j lets the row through (o = 1) or not (o = 0);
when j is not known, the share z of training rows goes on. So a coalition S is worth

    value * prod(o_j, j in S) * prod(z_j, j not in S)

and column i's share is value * (o_i - z_i) * sum over k of k!(d-1-k)!/d! * e_k, where e_k is the coefficient of t^k in
prod over j != i of (z_j + o_j t). Several splits on one column are one interval (low, high] and one z. Leaves with the
same d are worked on together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.flavors import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """One tree; arrays are [nodes]. A leaf has ``left`` < 0. ``cover`` is the training rows (or weight) in a node."""

    feature: npt.NDArray[Any]
    threshold: Floats
    missing_left: npt.NDArray[Any]
    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    value: Floats
    cover: Floats


@dataclass(frozen=True, slots=True)
class _Step:
    """What a path asks of one column, and the share of training rows that goes this way."""

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True
    share: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Leaves with so many columns on their path; arrays are [leaves, columns], ``value`` is [leaves]."""

    feature: npt.NDArray[np.intp]
    low: Floats
    high: Floats
    missing: npt.NDArray[np.bool_]
    share: Floats
    value: Floats

    @property
    def size_bytes(self) -> int:
        """Of all arrays."""
        arrays = (self.feature, self.low, self.high, self.missing, self.share, self.value)
        return sum(array.nbytes for array in arrays)

    def contributions(self, row: Floats) -> Floats:
        """Shape [leaves, columns]."""
        at = row[self.feature]
        passes = np.where(np.isnan(at), self.missing, (self.low < at) & (at <= self.high)).astype(np.float64)
        depth = passes.shape[1]
        weights = [math.factorial(k) * math.factorial(depth - 1 - k) / math.factorial(depth) for k in range(depth)]
        found = np.empty_like(passes)
        for own in range(depth):
            coefficients = np.zeros_like(passes)
            coefficients[:, 0] = 1.0
            for other in range(depth):
                if other != own:
                    shifted = coefficients[:, :-1] * passes[:, other, None]
                    coefficients *= self.share[:, other, None]
                    coefficients[:, 1:] += shifted
            found[:, own] = (passes[:, own] - self.share[:, own]) * (coefficients @ weights)
        return found * self.value[:, None]


class Leaves:
    """All leaves of an ensemble whose answer is the sum of its trees' values and ``start``."""

    def __init__(self, trees: Iterable[Nodes], columns: int, start: float) -> None:
        self._columns = columns
        found: dict[int, list[tuple[dict[int, _Step], float]]] = defaultdict(list)
        self.base = start
        for tree in trees:
            for path, value in _paths(tree):
                self.base += value * math.prod(step.share for step in path.values())
                found[len(path)].append((path, value))
        self._groups = [_group(leaves) for depth, leaves in found.items() if depth]

    @property
    def size_bytes(self) -> int:
        """Of all arrays."""
        return sum(group.size_bytes for group in self._groups)

    def contributions(self, matrix: Floats) -> Floats:
        """Shape [rows, columns]."""
        found = np.zeros((len(matrix), self._columns))
        for row, into in zip(matrix, found, strict=True):
            for group in self._groups:
                np.add.at(into, group.feature, group.contributions(row))
        return found


def _paths(tree: Nodes) -> Iterator[tuple[dict[int, _Step], float]]:
    """Each leaf's path and value."""
    todo: list[tuple[int, dict[int, _Step]]] = [(0, {})]
    while todo:
        node, path = todo.pop()
        if tree.left[node] < 0:
            yield path, float(tree.value[node])
            continue
        column, cut = int(tree.feature[node]), float(tree.threshold[node])
        before = path.get(column, _Step())
        missing_left = bool(tree.missing_left[node])
        for child, is_left in ((int(tree.left[node]), True), (int(tree.right[node]), False)):
            step = _Step(
                low=before.low if is_left else max(before.low, cut),
                high=min(before.high, cut) if is_left else before.high,
                missing=before.missing and missing_left is is_left,
                share=before.share * float(tree.cover[child]) / float(tree.cover[node]),
            )
            todo.append((child, {**path, column: step}))


def _group(leaves: list[tuple[dict[int, _Step], float]]) -> _Group:
    steps = [list(path.values()) for path, _ in leaves]
    return _Group(
        feature=np.array([list(path) for path, _ in leaves], dtype=np.intp),
        low=np.array([[step.low for step in row] for row in steps]),
        high=np.array([[step.high for step in row] for row in steps]),
        missing=np.array([[step.missing for step in row] for row in steps]),
        share=np.array([[step.share for step in row] for row in steps]),
        value=np.array([value for _, value in leaves]),
    )
