"""A scikit-learn estimator's twin in ONNX: converted, compared with the original, and kept only where they agree.

    matrix -> Front (imputer and scaler, in numpy, exact) -> the last step in ONNX -> answer

Trees are converted in float32, which is what scikit-learn's trees compare in; everything else in float64.
skl2onnx writes no tree's way for missing values; ``_missing_ways`` does. That is why rows with gaps are asked about
too: a twin that was compared on whole rows alone answered a gap with an error of half the target's range.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from runtime.flavors.base import Floats
from runtime.flavors.linear import Front
from runtime.flavors.session import Session

_log = logging.getLogger(__name__)

FILE = "twin.onnx"

TOLERANCE = 1e-6
"""Of the range of the original's answers: what float32 sums over trees may differ by."""

_OPSETS = {"": 17, "ai.onnx.ml": 3}
_LEAST_RANGE = 1e-9
_PROBE_ROWS = 200


@dataclass(frozen=True, eq=False)
class OnnxTwin:
    """The last step as ONNX behind the front of the original. ``compared`` and ``difference`` say how they agreed.

    ``chance``: it answers a probability, which a sum in float32 may leave by a little.
    """

    front: Front | None
    session: Session
    chance: bool
    compared: int
    difference: float

    def predict(self, matrix: Floats) -> Floats:
        """Shape [rows]."""
        given = matrix if self.front is None else self.front.apply(matrix)
        name, kind = self._input
        found = self.session.run({name: given.astype(kind, copy=False)})
        return np.clip(found, 0.0, 1.0) if self.chance else found

    @cached_property
    def _input(self) -> tuple[str, type[np.float32 | np.float64]]:
        ((name, (kind, _)),) = self.session.inputs.items()
        return name, np.float32 if kind == "tensor(float)" else np.float64


def twin_of(estimator: Any, original: Any, matrix: Floats) -> OnnxTwin | None:
    """The twin of a fitted estimator, or None where it cannot be converted or does not agree.

    ``original`` answers a matrix as the estimator does; ``matrix`` is rows of the test set, shape [rows, columns].
    """
    try:
        front, last = Front.split(estimator)
        session = Session(_convert(last, matrix.shape[1]))
        probes = _probes(matrix)
        twin = OnnxTwin(front, session, hasattr(last, "predict_proba"), len(probes), 0.0)
        expected = original(probes)
        # A batch and single rows may take different ways through the graph.
        found = np.concatenate((twin.predict(probes), *(twin.predict(row[None]) for row in probes[:20])))
        expected = np.concatenate((expected, expected[:20]))
    except Exception as error:  # noqa: BLE001 - a converter raises whatever it likes, and the original serves
        _log.info("no twin in ONNX of %s: %s: %s", type(estimator).__name__, type(error).__name__, error)
        return None
    difference = float(np.abs(found - expected).max())
    allowed = TOLERANCE * max(float(np.ptp(expected)), _LEAST_RANGE)
    if not difference <= allowed:  # NaN does not agree
        name = type(estimator).__name__
        _log.info("no twin in ONNX of %s: it differs by %g, where %g is allowed", name, difference, allowed)
        return None
    return replace(twin, difference=difference)


def _convert(last: Any, columns: int) -> bytes:
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = FloatTensorType if _has_trees(last) else DoubleTensorType
    options = {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    model = skl2onnx.to_onnx(
        last, initial_types=[("columns", kind([None, columns]))], target_opset=_OPSETS, options=options
    )
    _missing_ways(model, last)
    model.producer_version = ""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _has_trees(last: Any) -> bool:
    """In float64, skl2onnx 1.20 looks for a tree's thresholds without end."""
    from sklearn.ensemble import BaseEnsemble
    from sklearn.tree import BaseDecisionTree

    return isinstance(last, BaseEnsemble | BaseDecisionTree)


def _missing_ways(model: Any, last: Any) -> None:
    """Writes into each node which way a missing value goes, as scikit-learn's trees learnt it."""
    members = getattr(last, "estimators_", [last])
    trees = [member.tree_ for member in np.ravel(np.array(members, dtype=object)) if hasattr(member, "tree_")]
    for node in model.graph.node:
        if node.op_type not in {"TreeEnsembleRegressor", "TreeEnsembleClassifier"} or not trees:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        places = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
        ways = [int(trees[tree].missing_go_to_left[at]) for tree, at in places]
        tracks = attributes.get("nodes_missing_value_tracks_true")
        if tracks is None:
            tracks = node.attribute.add(name="nodes_missing_value_tracks_true", type=7)
        del tracks.ints[:]
        tracks.ints.extend(ways)


def _probes(matrix: Floats) -> Floats:
    """Rows of the test set as they are, and some again with a gap in each column in turn, and in all."""
    rows = matrix[np.linspace(0, len(matrix) - 1, min(len(matrix), _PROBE_ROWS)).astype(np.intp)]
    some = rows[:: max(1, len(rows) // 20)]
    gaps = []
    for column in range(matrix.shape[1]):
        changed = some.copy()
        changed[:, column] = np.nan
        gaps.append(changed)
    return np.concatenate((rows, *gaps, np.full((1, matrix.shape[1]), np.nan)))
