"""Contributions against Shapley's own formula, worked out over every coalition, and against other libraries."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.schema import Schema
from runtime.explaining.explanation import Explanation, NotAdditive, Scale
from runtime.explaining.leaves import Leaves, Nodes
from runtime.explaining.methods import _forest, _histogram, explain
from runtime.flavors import Encoding
from runtime.flavors.linear import FlatLinear
from runtime.flavors.rules import TablePredictor
from runtime.flavors.sklearn import SklearnPredictor
from runtime.statistics.profile import Profile
from tests.unit.flavors.boosters import SCHEMA, columns, target
from tests.unit.flavors.specimens import CHANCES, SPECIMENS, TABLE, asked, fitted_by, part, vendor

SEED = 5


def profile(schema: Schema = SCHEMA) -> Profile:
    given = columns()
    return Profile.from_columns({field.name: given[field.name] for field in schema.inputs})


def shapley(worth: Any, players: int) -> list[float]:
    """Shapley's formula over all coalitions; ``worth`` takes a frozenset."""
    found = []
    for own in range(players):
        others = [each for each in range(players) if each != own]
        total = 0.0
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - 1 - size) / math.factorial(players)
            for chosen in itertools.combinations(others, size):
                total += weight * (worth(frozenset(chosen) | {own}) - worth(frozenset(chosen)))
        found.append(total)
    return found


def expected(tree: Nodes, row: Any, known: frozenset[int], node: int = 0) -> float:
    """A tree's answer when only some columns are known: Algorithm 1 of TreeSHAP, as a recursion."""
    if tree.left[node] < 0:
        return float(tree.value[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    column = int(tree.feature[node])
    if column in known:
        value = row[column]
        go_left = bool(tree.missing_left[node]) if np.isnan(value) else value <= tree.threshold[node]
        return expected(tree, row, known, left if go_left else right)
    share = tree.cover[left] / tree.cover[node]
    return float(share * expected(tree, row, known, left) + (1 - share) * expected(tree, row, known, right))


def trees_of(monkeypatch: pytest.MonkeyPatch, read: Any, estimator: Any) -> tuple[list[Nodes], Leaves]:
    seen: list[Nodes] = []
    made = Leaves.__init__

    def remember(self: Leaves, trees: Any, width: int, start: float) -> None:
        seen.extend(trees)
        made(self, seen, width, start)

    monkeypatch.setattr(Leaves, "__init__", remember)
    return seen, read(estimator).leaves


@pytest.mark.parametrize(
    ("estimator", "read"),
    [("HistGradientBoostingRegressor", _histogram), ("DecisionTreeRegressor", _forest)],
)
def test_trees_give_the_shapley_values_of_every_coalition(
    monkeypatch: pytest.MonkeyPatch, estimator: str, read: Any
) -> None:
    parameters: dict[str, Any] = {"max_iter": 8} if read is _histogram else {"max_depth": 5}
    predictor: Any = fitted_by("sklearn", estimator, **parameters)
    matrix = predictor.encoding.matrix(part(asked(), 0, 12))
    matrix = matrix.astype(np.float32).astype(np.float64)
    trees, leaves = trees_of(monkeypatch, read, predictor.estimator)
    found = leaves.contributions(matrix)
    for row, contributions in zip(matrix, found, strict=True):
        exact = shapley(lambda known, row=row: sum(expected(tree, row, known) for tree in trees), 3)
        assert contributions == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=str)
def test_every_kind_of_version_is_explained_and_adds_up(specimen: Any, tmp_path: Path) -> None:
    with vendor() as (_, url):
        predictor = specimen.make(tmp_path, url)
        given = part(asked(), 0, 5)
        if predictor.flavor in {"onnx", "torch"}:  # some answer a gap with no number
            whole = ~np.isnan(given["hour"]) & ~np.isnan(given["distance"])
            given = {name: column[whole] for name, column in given.items()}
        found = explain(predictor, given, profile(predictor.schema), SEED)
        again = explain(predictor, given, profile(predictor.schema), SEED)
    assert list(found.contributions) == [field.name for field in predictor.schema.inputs]
    assert found.as_document() == again.as_document()
    method = {"trees": "tree_shap", "linear": "linear_shap", "table": "permutation"}.get(specimen.name)
    assert method in {None, found.method}


def test_a_line_gives_coefficient_times_distance_from_the_mean() -> None:
    predictor: Any = fitted_by("sklearn", "Ridge")
    given = part(asked(), 0, 4)
    found = explain(predictor, given, profile(), SEED)
    flat = FlatLinear.of(predictor.estimator)
    assert flat is not None
    assert flat.front is not None
    scaled = flat.front.apply(predictor.encoding.matrix(given))[:, 1]
    differences = np.diff(found.contributions["distance"])
    assert differences == pytest.approx(np.diff(scaled) * flat.coefficients[1])


def test_permutation_comes_close_to_all_coalitions_and_gives_nothing_to_a_column_not_read() -> None:
    predictor = TablePredictor(TABLE, SCHEMA)
    found = explain(predictor, part(asked(), 0, 5), profile(), SEED)
    assert found.contributions["hour"].tolist() == [0.0] * 5
    assert np.abs(found.contributions["distance"]).max() > 10


def test_native_categories_are_never_read_as_numbers() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    given = columns()
    encoding = Encoding.learn(given, SCHEMA)
    far = np.array([300.0 if dest == "ORD" else 0.0 for dest in given["dest"]])
    estimator = HistGradientBoostingRegressor(max_iter=15, categorical_features=[2], random_state=1)
    predictor = SklearnPredictor(estimator.fit(encoding.matrix(given), target(given) + far), SCHEMA, encoding)
    assert any(each.nodes["is_categorical"].any() for (each,) in estimator._predictors)
    rows = part(asked(), 0, 20)  # of which one or more go to ORD
    found = explain(predictor, rows, profile(), SEED)
    assert found.method == "permutation"
    is_ord = rows["dest"] == "ORD"
    assert found.contributions["dest"][is_ord].min() > found.contributions["dest"][~is_ord].max()


def test_a_chance_by_trees_adds_up_in_log_odds() -> None:
    predictor = fitted_by("sklearn", "HistGradientBoostingClassifier", CHANCES, max_iter=15)
    found = explain(predictor, part(asked(), 0, 5), profile(), SEED)
    assert found.scale is Scale.LOG_ODDS
    raw = found.base + sum(found.contributions.values())
    assert 1 / (1 + np.exp(-raw)) == pytest.approx(predictor.predict(part(asked(), 0, 5)), abs=1e-9)


def test_contributions_that_do_not_add_up_are_no_explanation() -> None:
    with pytest.raises(NotAdditive, match=r"row 1 as 4.0 where the output is 4.5: a gap of 0.5"):
        Explanation("tree_shap", Scale.OUTPUT, 1.0, {"a": np.array([1.0, 3.0])}, np.array([2.0, 4.5]), 1e-9, None)


def test_a_gap_that_is_no_number_is_no_explanation() -> None:
    with pytest.raises(NotAdditive, match="row 0"):
        Explanation("tree_shap", Scale.OUTPUT, 1.0, {"a": np.array([np.nan])}, np.array([2.0]), 1e-9, None)
