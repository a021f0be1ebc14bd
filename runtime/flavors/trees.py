"""Trees of a fitted estimator: checked against crafted indices, and flattened for fast answers to few rows.

scikit-learn's histogram trees answer one row in a Python loop over trees, each call paying for six buffers:
1 to 3 ms for 100 trees. ``FlatTrees`` lays all nodes end to end and walks one level of every tree at once:

    tree       0           1
    node       0  1  2     3  4  5  6          a leaf is its own child
    left       1  1  2     4  4  6 ...
    roots      ^           ^
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.flavors.base import Floats
from runtime.flavors.errors import ArtifactInvalid


@dataclass(frozen=True, eq=False)
class FlatTrees:
    """All trees of one histogram gradient booster; arrays are [nodes], ``roots`` is [trees]."""

    roots: npt.NDArray[np.intp]
    feature: npt.NDArray[np.intp]
    threshold: Floats
    missing_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    value: Floats
    depth: int
    baseline: float
    link: Any

    @classmethod
    def of(cls, estimator: Any) -> FlatTrees | None:
        """The flat form, or None if the estimator has no such trees or splits on native categories."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kinds = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
        if type(estimator) not in kinds or estimator.n_trees_per_iteration_ != 1:
            return None
        trees = [predictor.nodes for (predictor,) in estimator._predictors]  # noqa: SLF001 - no public form
        if not trees or any(nodes["is_categorical"].any() for nodes in trees):
            return None
        roots = np.cumsum([0, *(len(nodes) for nodes in trees[:-1])])
        nodes = np.concatenate(trees)
        start = np.repeat(roots, [len(tree) for tree in trees])
        own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        return cls(
            roots=roots,
            feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.intp),
            threshold=np.ascontiguousarray(nodes["num_threshold"]),
            missing_left=nodes["missing_go_to_left"].astype(bool),
            left=np.where(leaf, own, nodes["left"] + start).astype(np.intp),
            right=np.where(leaf, own, nodes["right"] + start).astype(np.intp),
            value=np.ascontiguousarray(nodes["value"]),
            depth=int(nodes["depth"].max()),
            baseline=float(np.ravel(estimator._baseline_prediction)[0]),  # noqa: SLF001 - no public form
            link=estimator._loss.link,  # noqa: SLF001 - no public form
        )

    def predict(self, matrix: Floats) -> Floats:
        """Shape [rows]; tree values are added in scikit-learn's order, hence the same bits."""
        raw = np.array([self._raw(row) for row in matrix])
        return np.asarray(self.link.inverse(raw), dtype=np.float64)

    def _raw(self, row: Floats) -> float:
        at = self.roots
        missing = np.isnan(row)
        some_missing = bool(missing.any())
        for _ in range(self.depth):
            feature = self.feature[at]
            go_left = row[feature] <= self.threshold[at]
            if some_missing:
                go_left |= missing[feature] & self.missing_left[at]
            at = np.where(go_left, self.left[at], self.right[at])
        total = self.baseline
        for value in self.value[at].tolist():
            total += value
        return float(total)


def check_trees(estimator: Any) -> None:
    """Raises ``ArtifactInvalid`` if a node points out of its tree, back, or past a column, or lies about its depth."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

    for found, columns in _walk(estimator, None, (TreePredictor, Tree)):
        if isinstance(found, TreePredictor):
            nodes = found.nodes
            inner = ~nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"].any():
                raise ArtifactInvalid("a tree splits on native categories, which Fleetward never writes")
            _check(inner, nodes["left"], nodes["right"], nodes["feature_idx"], columns)
            _check_depth(inner, nodes)
        else:
            inner = (found.children_left != -1) | (found.children_right != -1)
            _check(inner, found.children_left, found.children_right, found.feature, columns)


def _check(inner: Any, left: Any, right: Any, feature: Any, columns: int | None) -> None:
    """A child stands after its parent and inside the tree, so every walk ends."""
    size, parents = len(inner), np.flatnonzero(inner)
    if not size:
        raise ArtifactInvalid("a tree has no nodes")
    for child in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        if np.any(child <= parents) or np.any(child >= size):
            raise ArtifactInvalid("a tree's node points outside its tree or back")
    wanted = feature[inner]
    if columns is None or np.any(wanted < 0) or np.any(wanted >= columns):
        raise ArtifactInvalid("a tree's node reads a column that is not there")


def _check_depth(inner: Any, nodes: Any) -> None:
    """``FlatTrees`` takes as many steps as the depth says: one too high would keep it busy for hours."""
    depth = nodes["depth"].astype(np.int64)
    below = depth[inner] + 1
    if depth[0] != 0 or any(np.any(depth[nodes[side][inner]] != below) for side in ("left", "right")):
        raise ArtifactInvalid("a tree's node is not as deep as it says")


def _walk(value: Any, columns: int | None, kinds: tuple[type, ...]) -> Iterator[tuple[Any, int | None]]:
    """Everything of ``kinds`` inside, with the number of columns of the estimator that holds it."""
    if isinstance(value, kinds):
        yield value, columns
        return
    if isinstance(value, np.ndarray):
        children = value.ravel().tolist() if value.dtype == object else []
    elif isinstance(value, list | tuple | set):
        children = list(value)
    elif isinstance(value, dict):
        children = list(value.values())
    elif type(value).__module__.startswith("sklearn."):
        children = list(getattr(value, "__dict__", {}).values())
        columns = getattr(value, "n_features_in_", columns)
    else:
        children = []
    for child in children:
        if child is not None and not isinstance(child, str | int | float):
            yield from _walk(child, columns, kinds)
