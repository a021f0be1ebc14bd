"""A version is its bytes: the same model, the same digest; and bytes that could do harm are never loaded."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from skops import io

from runtime.domain.errors import SchemaMismatch
from runtime.domain.ids import digest_of
from runtime.flavors import ArtifactInvalid, Encoding, UntrustedTypes, load
from runtime.flavors.container import Manifest, pack, unpack, write_zip
from runtime.flavors.sklearn import FEW_ROWS, SklearnPredictor, dump
from tests.unit.flavors.boosters import BOOSTER, SCHEMA, columns, fitted

LOSSES: dict[str, dict[str, Any]] = {
    "squared_error": {},
    "absolute_error": {},
    "poisson": {},
    "gamma": {},
    "quantile": {"quantile": 0.8},
}


def first(given: dict[str, Any], rows: int) -> dict[str, Any]:
    return {name: column[:rows] for name, column in given.items()}


@pytest.mark.parametrize("estimator", [BOOSTER, "Ridge", "DecisionTreeRegressor"])
def test_the_same_model_has_the_same_bytes(estimator: str) -> None:
    artifact = dump(fitted(estimator))
    assert digest_of(artifact) == digest_of(dump(fitted(estimator)))
    assert dump(pickle.loads(pickle.dumps(fitted(estimator)))) == artifact


def test_what_was_loaded_has_the_bytes_it_was_loaded_from() -> None:
    artifact = dump(fitted())
    again = load(artifact)
    assert isinstance(again, SklearnPredictor)
    assert dump(again) == artifact


def test_another_model_has_other_bytes() -> None:
    assert dump(fitted()) != dump(fitted(learning_rate=0.2))


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (BOOSTER, {}),
        (BOOSTER, {"loss": "poisson"}),
        ("Ridge", {}),
        ("RandomForestRegressor", {"n_estimators": 5}),
        ("GradientBoostingRegressor", {"n_estimators": 5}),
        ("KNeighborsRegressor", {"algorithm": "brute"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_was_loaded_predicts_bit_for_bit_alike(estimator: str, parameters: dict[str, Any]) -> None:
    trained = fitted(estimator, **parameters)
    again = load(dump(trained))
    asked = columns(300, seed=2)
    assert again.predict(asked).tobytes() == trained.predict(asked).tobytes()
    assert again.predict(first(asked, 1)).tobytes() == trained.predict(first(asked, 1)).tobytes()
    assert again.schema == trained.schema


@pytest.mark.parametrize("loss", LOSSES)
def test_few_rows_are_answered_bit_for_bit_as_scikit_learn_does(loss: str) -> None:
    predictor = fitted(loss=loss, **LOSSES[loss])
    matrix = predictor.encoding.matrix(columns(400, seed=3))
    matrix[:4] = [[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [0.0] * 3]
    expected = predictor.predict_matrix(matrix)  # too many rows for the flat trees
    assert np.array_equal(expected[3:], predictor.estimator.predict(matrix[3:]))
    for size in (1, 3, FEW_ROWS):
        parts = [predictor.predict_matrix(matrix[start : start + size]) for start in range(0, len(matrix), size)]
        assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert predictor._flat is not None


def test_rows_one_by_one_and_all_at_once_are_the_same() -> None:
    predictor, asked = fitted(), columns(50, seed=4)
    singly = [predictor.predict({name: column[row : row + 1] for name, column in asked.items()}) for row in range(50)]
    assert np.concatenate(singly).tobytes() == predictor.predict(asked).tobytes()


def test_no_rows_are_no_predictions() -> None:
    assert fitted().predict(first(columns(), 0)).tolist() == []


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="distance: got nothing"):
        fitted().predict({"hour": np.array([1.0]), "dest": np.array(["LAX"], dtype=object)})


# --- bytes that are refused ------------------------------------------------------------------------


class Sneaky(Ridge):  # type: ignore[misc]  # scikit-learn has no annotations
    """A type of nobody's allow-list."""


def packed(estimator: Any) -> bytes:
    encoding = Encoding(columns=("hour", "distance"), categories={})
    manifest = Manifest(flavor="sklearn", model_schema=SCHEMA, encoding=encoding)
    return pack(manifest, {"model.skops": io.dumps(estimator)})


def test_untrusted_types_are_named_and_nothing_is_built() -> None:
    sneaky = Sneaky().fit(np.ones((3, 2)), np.ones(3))
    with pytest.raises(UntrustedTypes) as refused:
        load(packed(sneaky))
    (name,) = refused.value.types
    assert name.endswith("Sneaky")
    assert str(refused.value) == f"artifact refused: it needs types that are not on the allow-list: {name}"
    assert pickle.loads(pickle.dumps(refused.value)).types == refused.value.types


def test_a_wrong_number_of_columns_is_refused() -> None:
    ridge = Ridge().fit(np.ones((3, 3)), np.ones(3))
    with pytest.raises(ArtifactInvalid, match="its estimator takes 3 columns, its encoding gives 2"):
        load(packed(ridge))


def test_an_estimator_that_was_never_fitted_is_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="its estimator takes None columns, its encoding gives 2"):
        load(packed(Ridge()))


def test_what_predicts_nothing_is_refused() -> None:
    with pytest.raises(ArtifactInvalid, match="it holds a dict, which predicts nothing"):
        load(packed({"a": 1}))


def test_a_skops_file_that_is_none_is_refused() -> None:
    manifest, _ = unpack(dump(fitted()))
    with pytest.raises(ArtifactInvalid, match="it is no zip container"):
        load(pack(manifest, {"model.skops": b"not a zip"}))
    with pytest.raises(ArtifactInvalid, match="its skops file cannot be read: KeyError"):
        load(pack(manifest, {"model.skops": write_zip({"other": b""})}))
    with pytest.raises(ArtifactInvalid, match="its skops file cannot be read: JSONDecodeError"):
        load(pack(manifest, {"model.skops": write_zip({"schema.json": b"{"})}))


def set_node(**fields: Any) -> Callable[[Any], None]:
    """Writes into the root of the first tree."""

    def change(estimator: Any) -> None:
        nodes = estimator._predictors[0][0].nodes
        for name, value in fields.items():
            nodes[name][0] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_node(left=100_000), "a tree's node points outside its tree or back"),
        (set_node(right=2**32 - 1), "a tree's node points outside its tree or back"),
        (set_node(left=0), "a tree's node points outside its tree or back"),
        (set_node(feature_idx=3), "a tree's node reads a column that is not there"),
        (set_node(feature_idx=-1), "a tree's node reads a column that is not there"),
        (set_node(is_categorical=1), "a tree splits on native categories, which Fleetward never writes"),
        (set_node(depth=2**32 - 1), "a tree's node is not as deep as it says"),
    ],
    ids=["left", "right", "circle", "column", "negative column", "categories", "depth"],
)
def test_a_boosted_tree_with_a_hostile_node_is_refused(change: Callable[[Any], None], reason: str) -> None:
    predictor = fitted()
    change(predictor.estimator)
    with pytest.raises(ArtifactInvalid, match=reason):
        load(dump(predictor))


def test_a_tree_without_nodes_is_refused() -> None:
    predictor = fitted()
    del predictor.estimator._predictors[0][0].nodes
    with pytest.raises(ArtifactInvalid, match="its skops file cannot be read: AttributeError"):
        load(dump(predictor))


@pytest.mark.parametrize(("name", "value"), [("children_left", 10_000), ("children_right", 0), ("feature", 50)])
def test_a_forest_with_a_hostile_node_is_refused(name: str, value: int) -> None:
    predictor = fitted("RandomForestRegressor", n_estimators=2)
    getattr(predictor.estimator.estimators_[1].tree_, name)[0] = value
    with pytest.raises(ArtifactInvalid, match="a tree's node"):
        load(dump(predictor))
