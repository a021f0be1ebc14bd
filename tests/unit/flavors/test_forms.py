"""What answers in place of scikit-learn answers as scikit-learn does, or does not answer at all."""

import re
from typing import Any

import numpy as np
import pytest

from runtime.flavors import ArtifactInvalid, dump, load
from runtime.flavors.container import pack, unpack
from runtime.flavors.session import Session
from runtime.flavors.sklearn import SklearnPredictor
from runtime.flavors.table import DecisionTable
from runtime.flavors.twin import TOLERANCE, twin_of
from tests.unit.flavors.boosters import SCHEMA, columns
from tests.unit.flavors.specimens import CHANCES, asked, fitted_by, graph_by_column

LINEAR = ["Ridge", "LinearRegression", "Lasso", "ElasticNet", "HuberRegressor", "BayesianRidge", "LinearSVR"]
TWINS: list[tuple[str, dict[str, Any]]] = [
    ("RandomForestRegressor", {"n_estimators": 20}),
    ("ExtraTreesRegressor", {"n_estimators": 20}),
    ("DecisionTreeRegressor", {}),
    ("GradientBoostingRegressor", {"n_estimators": 20}),
    ("MLPRegressor", {"solver": "lbfgs", "max_iter": 400}),
]


def made(estimator: str, schema: Any = SCHEMA, **parameters: Any) -> tuple[SklearnPredictor, Any]:
    predictor = fitted_by("sklearn", estimator, schema, **parameters)
    assert isinstance(predictor, SklearnPredictor)
    return predictor, predictor.encoding.matrix(columns(300, seed=5))


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_model_in_numpy_gives_the_same_bits(name: str) -> None:
    predictor, matrix = made(name)
    assert predictor._linear is not None
    assert predictor.twin is None
    for rows in (1, 300):
        assert predictor.predict_matrix(matrix[:rows]).tobytes() == predictor.answer_original(matrix[:rows]).tobytes()


def test_a_logistic_regression_in_numpy_gives_the_same_bits() -> None:
    predictor, matrix = made("LogisticRegression", CHANCES)
    assert predictor._linear is not None
    assert predictor.predict_matrix(matrix).tobytes() == predictor.answer_original(matrix).tobytes()


def test_a_classifying_booster_answers_few_rows_with_the_same_bits() -> None:
    predictor, matrix = made("HistGradientBoostingClassifier", CHANCES, max_iter=15)
    assert predictor._flat is not None
    singly = np.concatenate([predictor.predict_matrix(row[None]) for row in matrix])
    assert singly.tobytes() == predictor.answer_original(matrix).tobytes()


@pytest.mark.parametrize(("name", "parameters"), TWINS)
def test_a_twin_answers_gaps_as_the_original_does(name: str, parameters: dict[str, Any]) -> None:
    predictor, matrix = made(name, **parameters)
    assert predictor.twin is not None
    assert np.isnan(matrix).any()
    allowed = 2 * TOLERANCE * float(np.ptp(predictor.answer_original(matrix)))
    assert np.abs(predictor.predict_matrix(matrix) - predictor.answer_original(matrix)).max() <= allowed


def test_a_twin_that_does_not_agree_is_not_kept() -> None:
    predictor, matrix = made("RandomForestRegressor", n_estimators=5)
    estimator = predictor.estimator
    assert twin_of(estimator, predictor.answer_original, matrix) is not None
    assert twin_of(estimator, lambda rows: predictor.answer_original(rows) + 0.01, matrix) is None
    assert twin_of(estimator, lambda rows: np.full(len(rows), np.nan), matrix) is None


@pytest.mark.parametrize("name", ["KNeighborsRegressor", "SVR"])
def test_an_estimator_whose_graph_breaks_ties_otherwise_or_cannot_run_serves_as_it_is(name: str) -> None:
    predictor, matrix = made(name)
    assert predictor.twin is None
    assert predictor.predict_matrix(matrix).tobytes() == predictor.answer_original(matrix).tobytes()


def test_what_cannot_be_converted_serves_as_it_is() -> None:
    predictor, _ = made("HistGradientBoostingRegressor", max_iter=5)
    assert predictor.twin is None
    assert twin_of(predictor.estimator, predictor.answer_original, predictor.encoding.matrix(asked())) is None


def test_an_artifact_with_a_twin_of_other_columns_is_refused() -> None:
    predictor, _ = made("RandomForestRegressor", n_estimators=5)
    manifest, files = unpack(dump(predictor))
    with pytest.raises(ArtifactInvalid, match="its twin takes"):
        load(pack(manifest, {**files, "twin.onnx": graph_by_column()}))


def test_a_graph_that_reads_other_files_is_refused() -> None:
    import onnx

    model = onnx.load_model_from_string(graph_by_column())
    tensor = model.graph.initializer[0]
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ArtifactInvalid, match="its ONNX graph reads tensors from other files"):
        _ = Session(model.SerializeToString()).inputs


# --- LightGBM's text -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (r"left_child=\d+", "left_child=9999", "points outside itself or back"),
        (r"right_child=-?\d+", "right_child=0", "points outside itself or back"),
        (r"right_child=-?\d+", "right_child=-99", "points outside itself or back"),
        (r"split_feature=\d+", "split_feature=7", "reads a column that is not there"),
        (r"num_leaves=\d+", "num_leaves=99", "lists of the wrong length"),
        ("num_cat=0", "num_cat=1", "is not one that Fleetward writes"),
        ("end of trees", "end of tress", "does not end where its trees do"),
        ("max_feature_idx=2", "max_feature_idx=x", "cannot be read: ValueError"),
    ],
)
def test_a_lightgbm_tree_that_was_tampered_with_is_refused(old: str, new: str, reason: str) -> None:
    predictor = fitted_by("lightgbm", "LGBMRegressor", n_estimators=3)
    manifest, files = unpack(dump(predictor))
    text = files["model.txt"].decode()
    changed, count = re.subn(old, new, text, count=1)
    assert count
    head, sizes, rest = changed.partition("tree_sizes=")
    first, _, others = rest.partition(" ")
    grown = len(changed) - len(text) if old not in {"end of trees", "max_feature_idx=2"} else 0
    changed = f"{head}{sizes}{int(first) + grown} {others}"
    with pytest.raises(ArtifactInvalid, match=reason):
        load(pack(manifest, {"model.txt": changed.encode()}))


# --- decision tables -------------------------------------------------------------------------------


def answers(rules: str, **given: list[Any]) -> list[float]:
    rows: dict[str, list[Any]] = {"hour": [1.0], "distance": [100.0], "dest": ["LAX"], **given}
    size = max(len(values) for values in rows.values())
    made: dict[str, Any] = {
        name: np.array(values * (size // len(values)), dtype=object if name == "dest" else np.float64)
        for name, values in rows.items()
    }
    found = DecisionTable(f"rules:\n{rules}\n  - {{then: 0}}".encode(), SCHEMA).predict(made, size)
    return [float(each) for each in found]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('"< 5"', [1, 0, 0, 0]),
        ('"<= 5"', [1, 1, 0, 0]),
        ('"> 5"', [0, 0, 1, 0]),
        ('">=5"', [0, 1, 1, 0]),
        ('"[5, 6)"', [0, 1, 0, 0]),
        ('"(5, 6]"', [0, 0, 1, 0]),
        ("5", [0, 1, 0, 0]),
        ("[4, 6]", [1, 0, 1, 0]),
        ("missing", [0, 0, 0, 1]),
        ("present", [1, 1, 1, 0]),
    ],
)
def test_a_condition_on_a_number_holds_where_it_says(condition: str, expected: list[float]) -> None:
    rule = f"  - {{when: {{distance: {condition}}}, then: 1}}"
    assert answers(rule, distance=[4, 5, 6, np.nan]) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("LAX", [1, 0, 0]), ("[LAX, ORD]", [1, 1, 0]), ("missing", [0, 0, 1]), ("present", [1, 1, 0])],
)
def test_a_condition_on_a_text_holds_where_it_says(condition: str, expected: list[float]) -> None:
    assert answers(f"  - {{when: {{dest: {condition}}}, then: 1}}", dest=["LAX", "ORD", None]) == expected


def test_the_first_rule_that_holds_answers() -> None:
    rules = '  - {when: {distance: "< 5"}, then: 1}\n  - {when: {distance: "< 9", dest: LAX}, then: 2}'
    assert answers(rules, distance=[4, 8, 10]) == [1, 2, 0]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("rules: []", "its table is not valid at rules: Tuple should have at least 1 item"),
        ("rules: [{when: {hour: 1}, then: 1}]", "must have no condition; every rule has some"),
        ("rules: [{then: 1}, {then: 2}]", "must have no condition; rule 1 of 2 has none"),
        ("rules: [{when: {speed: 1}, then: 1}, {then: 0}]", "rule 1 asks for 'speed', which is no column"),
        ("rules: [{when: {hour: noon}, then: 1}, {then: 0}]", "rule 1 asks for hour 'noon', where hour is number"),
        ("rules: [{when: {dest: 5}, then: 1}, {then: 0}]", "rule 1 asks for dest 5, where dest is text"),
        ("rules: [{when: {hour: 5}, then: .inf}, {then: 0}]", "its table is not valid at rules.0.then"),
        ("rules: [", "its table is not well-formed YAML"),
        ("- 1", "its table is not valid at document"),
    ],
)
def test_a_table_that_does_not_fit_says_where(table: str, reason: str) -> None:
    with pytest.raises(ArtifactInvalid) as refused:
        DecisionTable(table.encode(), SCHEMA)
    assert reason in str(refused.value)


def test_a_probability_stays_one() -> None:
    with pytest.raises(ArtifactInvalid, match="rule 1 answers 7, which is no probability"):
        DecisionTable(b"rules: [{then: 7}]", CHANCES)


def test_a_function_whose_source_changed_is_refused() -> None:
    from runtime.domain.training import Rules
    from runtime.flavors.rules import bring

    manifest, files = unpack(dump(bring(Rules(function="examples.flavors.by_hand:days_late"), SCHEMA)))
    with pytest.raises(ArtifactInvalid, match=r"the source of examples\.flavors\.by_hand:days_late at hand has digest"):
        load(pack(manifest, {"function.py": files["function.py"] + b"\n"}))
