"""Which method explains which version.

    tree_shap     xgboost, lightgbm (their own), scikit-learn's trees, forests and histogram boosters      exact
    linear_shap   scikit-learn's linear models of one target                                              exact
    permutation   every other kind, as a black box: Shapley values over sampled orders of columns           sampled

Trees that split on native categories (scikit-learn's histogram boosters can) are not read as numbers: they go the way
of ``permutation``. Tree and linear methods add up on the scale of the model's link, permutation on that of the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.domain.errors import Unsupported
from runtime.explaining.background import drawn
from runtime.explaining.explanation import Explanation, Scale
from runtime.explaining.kept import Kept
from runtime.explaining.leaves import Leaves, Nodes
from runtime.flavors import Columns, Floats, Predictor
from runtime.flavors.linear import FlatLinear, Front
from runtime.flavors.trees import FlatTrees
from runtime.statistics.profile import Profile

BACKGROUND_ROWS = 256
ORDERS = 64
"""Sampled orders of columns, half of them the other half read backwards."""
_EXACT, _SINGLE = 1e-9, 1e-4
"""Tolerances of sums in double precision, and of those with single precision in them (xgboost, ONNX twins)."""

_LINKS = {"IdentityLink": Scale.OUTPUT, "LogitLink": Scale.LOG_ODDS, "LogLink": Scale.LOG}
_TREES = frozenset(["DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"])


@dataclass(frozen=True, slots=True, eq=False)
class _Trees:
    """An estimator's leaves, and how they are asked."""

    leaves: Leaves
    scale: Scale
    in_single: bool

    @property
    def size_bytes(self) -> int:
        """Of the leaves."""
        return self.leaves.size_bytes


_KEPT: Kept[Predictor, _Trees] = Kept()


def explain(predictor: Predictor, columns: Columns, profile: Profile, seed: int) -> Explanation:
    """Why the predictor answers these columns as it does.

    ``profile`` is its baseline. The same arguments give the same explanation. Raises ``NotAdditive``, and what
    ``predict`` raises. ``Unsupported`` for more than two classes: a class's number is no amount that adds up.
    """
    if predictor.schema.gives_class:
        raise Unsupported(f"explanations of {predictor.schema.class_count} classes")
    own = getattr(predictor, "flavor", "")
    known: Any = predictor
    if own == "xgboost":
        return _xgboost(known, columns)
    if own == "lightgbm":
        return _lightgbm(known, columns)
    if own == "sklearn":
        found = _linear(known, columns, profile, seed) or _trees(known, columns)
        if found is not None:
            return found
    return _permutation(predictor, columns, profile, seed)


def _xgboost(predictor: Any, columns: Columns) -> Explanation:
    import xgboost

    matrix = predictor.encoding.matrix(columns)
    found = predictor.booster.predict(xgboost.DMatrix(matrix), pred_contribs=True, validate_features=False)
    return _boosted(predictor, matrix, np.asarray(found, dtype=np.float64), _objective_scale(predictor), _SINGLE)


def _lightgbm(predictor: Any, columns: Columns) -> Explanation:
    matrix = predictor.encoding.matrix(columns)
    found = predictor.booster.predict(matrix, pred_contrib=True, num_threads=1)
    return _boosted(predictor, matrix, np.asarray(found, dtype=np.float64), _objective_scale(predictor), _EXACT)


def _objective_scale(predictor: Any) -> Scale:
    if predictor.classifies:
        return Scale.LOG_ODDS
    if predictor.flavor == "lightgbm":
        objective = predictor.booster.dump_model()["objective"].split()[0]
    else:
        import json

        objective = json.loads(predictor.booster.save_config())["learner"]["objective"]["name"].partition(":")[2]
    return Scale.LOG if objective in {"poisson", "gamma", "tweedie"} else Scale.OUTPUT


def _boosted(predictor: Any, matrix: Floats, found: Floats, scale: Scale, tolerance: float) -> Explanation:
    """The last column is the base, the same in every row."""
    base = float(found[0, -1]) if len(found) else 0.0
    outputs = predictor.predict_matrix(matrix)
    return _explanation("tree_shap", scale, base, (predictor, found[:, :-1], outputs), tolerance, None)


def _trees(predictor: Any, columns: Columns) -> Explanation | None:
    """None if the estimator has no trees that are read here."""
    front, last = Front.split(predictor.estimator)
    found = _KEPT.of(predictor, lambda: _histogram(predictor.estimator) or _forest(last))
    if found is None:
        return None
    matrix = predictor.encoding.matrix(columns)
    given = matrix if front is None else front.apply(matrix)
    if found.in_single:  # as scikit-learn compares
        given = given.astype(np.float32).astype(np.float64)
    leaves = found.leaves
    contributions, outputs = leaves.contributions(given), predictor.predict_matrix(matrix)
    tolerance = _EXACT if predictor.twin is None else _SINGLE
    return _explanation("tree_shap", found.scale, leaves.base, (predictor, contributions, outputs), tolerance, None)


def _histogram(estimator: Any) -> _Trees | None:
    flat = FlatTrees.of(estimator)
    scale = None if flat is None else _LINKS.get(type(flat.link).__name__)
    if flat is None or scale is None:
        return None
    trees = [_histogram_nodes(each.nodes) for (each,) in estimator._predictors]  # noqa: SLF001 - no public form
    return _Trees(Leaves(trees, estimator.n_features_in_, flat.baseline), scale, in_single=False)


def _histogram_nodes(nodes: Any) -> Nodes:
    leaf = nodes["is_leaf"].astype(bool)
    return Nodes(
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        value=nodes["value"],
        cover=nodes["count"].astype(np.float64),
    )


def _forest(estimator: Any) -> _Trees | None:
    """A tree, or a mean of trees; of a classifier, the share of the second class."""
    kind = type(estimator)
    name = kind.__name__.removesuffix("Regressor").removesuffix("Classifier")
    if not kind.__module__.startswith("sklearn.") or name not in _TREES:
        return None
    each = getattr(estimator, "estimators_", [estimator])
    values = [one.tree_.value for one in each]
    if any(value.shape[1] != 1 or value.shape[2] > 2 for value in values):
        return None
    trees = [_nodes(one.tree_, value[:, 0, -1] / len(each)) for one, value in zip(each, values, strict=True)]
    return _Trees(Leaves(trees, estimator.n_features_in_, 0.0), Scale.OUTPUT, in_single=True)


def _nodes(tree: Any, value: Floats) -> Nodes:
    return Nodes(
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=np.asarray(tree.missing_go_to_left).astype(bool),
        left=tree.children_left,
        right=tree.children_right,
        value=value,
        cover=tree.weighted_n_node_samples,
    )


def _linear(predictor: Any, columns: Columns, profile: Profile, seed: int) -> Explanation | None:
    flat = FlatLinear.of(predictor.estimator)
    if flat is None:
        return None
    rows = drawn(profile, predictor.schema, BACKGROUND_ROWS, np.random.default_rng(seed))
    matrix, compared = predictor.encoding.matrix(columns), predictor.encoding.matrix(rows)
    if flat.front is not None:
        given, mean = flat.front.apply(matrix), flat.front.apply(compared).mean(axis=0)
    else:
        given, mean = matrix, compared.mean(axis=0)
    if np.isnan(mean).any():
        return None
    base = float(mean @ flat.coefficients) + flat.intercept
    contributions, outputs = (given - mean) * flat.coefficients, predictor.predict_matrix(matrix)
    scale = Scale.LOG_ODDS if flat.logistic else Scale.OUTPUT
    return _explanation("linear_shap", scale, base, (predictor, contributions, outputs), _EXACT, seed)


def _explanation(
    method: str, scale: Scale, base: float, found: tuple[Any, Floats, Floats], tolerance: float, seed: int | None
) -> Explanation:
    """Columns that the encoding left out contribute nothing, and are named all the same."""
    predictor, contributions, outputs = found
    zero = np.zeros(len(outputs))
    by_name = dict(zip(predictor.encoding.columns, contributions.T, strict=True))
    named = {field.name: by_name.get(field.name, zero) for field in predictor.schema.inputs}
    return Explanation(method, scale, base, named, outputs, tolerance, seed)


def _permutation(predictor: Predictor, columns: Columns, profile: Profile, seed: int) -> Explanation:
    """Sampled Shapley values (Castro et al. 2009): each order walks from a drawn row to the given one.

    All rows share the drawn rows and orders, so one base serves them, and each walk's steps add up to the output.
    """
    names = [field.name for field in predictor.schema.inputs]
    chance = np.random.default_rng(seed)
    compared = drawn(profile, predictor.schema, ORDERS // 2, chance)
    forward = np.array([chance.permutation(len(names)) for _ in range(ORDERS // 2)])
    orders = np.concatenate((forward, forward[:, ::-1]))
    ranks = np.argsort(orders, axis=1)
    taken = ranks[:, None, :] < np.arange(len(names) + 1)[None, :, None]  # [orders, steps, columns]
    outputs = predictor.predict(columns)
    found = np.empty((len(outputs), len(names)))
    base = 0.0
    for row in range(len(outputs)):
        asked = {}
        for at, name in enumerate(names):
            mask = taken[:, :, at]
            other = np.concatenate((compared[name], compared[name]))[:, None]
            own = np.full(mask.shape, columns[name][row], dtype=columns[name].dtype)
            asked[name] = np.where(mask, own, other).ravel()
        answers = predictor.predict(asked).reshape(len(orders), len(names) + 1)
        base = float(answers[:, 0].mean())
        steps = np.diff(answers, axis=1)
        found[row] = np.take_along_axis(steps, ranks, axis=1).mean(axis=0)
    by_name = {name: found[:, at] for at, name in enumerate(names)}
    return Explanation("permutation", Scale.OUTPUT, base, by_name, outputs, _SINGLE, seed)
