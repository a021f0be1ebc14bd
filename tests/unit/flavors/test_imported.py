"""Models fitted elsewhere: boosters' files and folders of MLflow answer as they did there, and no pickle is read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
import yaml
from sklearn.linear_model import LinearRegression, LogisticRegression
from skops import io

from runtime.domain.errors import SpecError
from runtime.domain.ids import digest_of
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.training import Training
from runtime.flavors import ArtifactInvalid, Storable, dump, load
from runtime.flavors.fitting import bring
from tests.unit.flavors.boosters import SCHEMA as WITH_TEXT

NAMES = ("distance", "hour")
ROWS = {name: np.random.default_rng(3 + at).uniform(0, 10, 300) for at, name in enumerate(NAMES)}
MATRIX = np.stack([ROWS[name] for name in NAMES], axis=1)
TARGET = 3 * ROWS["distance"] - ROWS["hour"]
CLASSES = (TARGET.mean() < TARGET).astype(int)


def schema(output: str = "prediction", names: tuple[str, ...] = ("hour", "distance")) -> Schema:
    """In another order than the models were fitted on: what a column is, its name says."""
    inputs = tuple(Field(name=name, kind=FieldKind.NUMBER) for name in names)
    return Schema(inputs=inputs, outputs=(Field(name=output, kind=FieldKind.NUMBER),))


def xgboost_model(objective: str = "reg:squarederror", target: Any = TARGET, names: Any = NAMES) -> xgb.Booster:
    data = xgb.DMatrix(MATRIX, label=target, feature_names=list(names) if names else None)
    more = {"num_class": 2} if objective == "multi:softprob" else {}
    return xgb.train({"objective": objective, "nthread": 1, "max_depth": 3, **more}, data, 10)


def lightgbm_model(objective: str = "regression", target: Any = TARGET, names: Any = NAMES) -> lgb.Booster:
    data = lgb.Dataset(MATRIX, label=target, feature_name=list(names) if names else "auto")
    fixed = {"objective": objective, "verbosity": -1, "num_threads": 1, "deterministic": True}
    return lgb.train(fixed, data, 10)


@pytest.fixture(autouse=True)
def in_the_job_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def brought(section: dict[str, Any], given: Schema | None = None) -> Storable:
    return bring(Training.model_validate(section), given or schema())


def booster(trainer: str, content: bytes, given: Schema | None = None, **more: str) -> Storable:
    Path("model").write_bytes(content)
    return brought({"trainer": trainer, "booster": {"file": "model", **more}}, given)


def folder(flavors: dict[str, Any], files: dict[str, bytes], *, names: tuple[str, ...] | None = NAMES) -> None:
    """A model as MLflow writes it."""
    described: dict[str, Any] = {"artifact_path": "model", "flavors": flavors}
    if names is not None:
        described["signature"] = {"inputs": json.dumps([{"type": "double", "name": name} for name in names])}
    Path("model").mkdir()
    Path("model/MLmodel").write_text(yaml.safe_dump(described))
    for name, content in files.items():
        Path("model", name).write_bytes(content)


def from_mlflow(given: Schema | None = None, **more: str) -> Storable:
    return brought({"trainer": "mlflow", "mlflow": {"folder": "model", **more}}, given)


def as_served(predictor: Storable) -> Any:
    """What its artifact answers when it is loaded again."""
    return load(dump(predictor)).predict(ROWS)


# --- boosters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "ubj"])
@pytest.mark.parametrize("names", [NAMES, None], ids=["named", "unnamed"])
def test_an_xgboost_file_answers_as_it_did_where_it_was_fitted(form: str, names: Any) -> None:
    model = xgboost_model(names=names)
    found = booster("xgboost", bytes(model.save_raw(raw_format=form)), None if names else schema(names=NAMES))
    assert found.flavor == "xgboost"
    assert np.array_equal(as_served(found), model.inplace_predict(MATRIX, validate_features=False).astype(float))


@pytest.mark.parametrize("names", [NAMES, None], ids=["named", "unnamed"])
def test_a_lightgbm_file_answers_as_it_did_where_it_was_fitted(names: Any) -> None:
    model = lightgbm_model(names=names)
    found = booster("lightgbm", model.model_to_string().encode(), None if names else schema(names=NAMES))
    assert found.flavor == "lightgbm"
    assert np.array_equal(as_served(found), model.predict(MATRIX))


def test_a_booster_of_two_classes_gives_their_probability() -> None:
    of_classes = schema("probability")
    model = xgboost_model("binary:logistic", CLASSES)
    found = as_served(booster("xgboost", bytes(model.save_raw(raw_format="json")), of_classes))
    assert np.array_equal(found, model.inplace_predict(MATRIX, validate_features=False).astype(float))
    assert 0 < found.min() < found.max() < 1
    other = lightgbm_model("binary", CLASSES)
    text = other.model_to_string().encode()
    assert np.array_equal(as_served(booster("lightgbm", text, of_classes)), other.predict(MATRIX))


@pytest.mark.parametrize(
    ("trainer", "objective", "output"),
    [
        ("xgboost", "binary:logistic", "prediction"),
        ("xgboost", "binary:logitraw", "probability"),
        ("xgboost", "multi:softprob", "prediction"),
        ("xgboost", "reg:squarederror", "probability"),
        ("lightgbm", "binary", "prediction"),
        ("lightgbm", "regression", "probability"),
    ],
)
def test_a_booster_of_another_task_is_refused(trainer: str, objective: str, output: str) -> None:
    if trainer == "xgboost":
        content = bytes(xgboost_model(objective, CLASSES).save_raw("json"))
    else:
        content = lightgbm_model(objective, CLASSES).model_to_string().encode()
    with pytest.raises(ArtifactInvalid, match=f"was fitted for {objective}, its schema is of a "):
        booster(trainer, content, schema(output))


def test_a_booster_of_other_columns_is_refused() -> None:
    content = bytes(xgboost_model().save_raw(raw_format="json"))
    with pytest.raises(ArtifactInvalid, match="fitted on the columns distance, hour, its schema has hour, speed"):
        booster("xgboost", content, schema(names=("hour", "speed")))
    with pytest.raises(ArtifactInvalid, match="takes numbers alone, its schema has the text 'dest'"):
        booster("xgboost", content, WITH_TEXT)
    unnamed = lightgbm_model(names=None).model_to_string().encode()
    with pytest.raises(ArtifactInvalid, match="takes 2 columns, its encoding gives 3"):
        booster("lightgbm", unnamed, schema(names=("a", "b", "c")))


@pytest.mark.parametrize("trainer", ["xgboost", "lightgbm"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"tree\n", pickle.dumps({"a": 1})], ids=["empty", "cut", "head", "pickle"]
)
def test_a_file_that_is_no_booster_is_refused(trainer: str, content: bytes) -> None:
    with pytest.raises(ArtifactInvalid):
        booster(trainer, content)


def test_a_file_that_is_another_than_the_spec_says_is_refused() -> None:
    content = bytes(xgboost_model().save_raw(raw_format="json"))
    booster("xgboost", content, digest=digest_of(content))
    with pytest.raises(SpecError, match=r"train\.booster\.file"):
        booster("xgboost", content, digest=digest_of(b"another"))


# --- folders of MLflow -------------------------------------------------------------------------------


def test_a_booster_of_mlflow_answers_as_it_did() -> None:
    model = xgboost_model(names=None)
    folder({"xgboost": {"data": "model.ubj"}, "python_function": {}}, {"model.ubj": bytes(model.save_raw("ubj"))})
    expected = model.inplace_predict(MATRIX, validate_features=False).astype(float)
    assert np.array_equal(as_served(from_mlflow()), expected)


def test_a_lightgbm_model_of_mlflow_answers_as_it_did() -> None:
    model = lightgbm_model()
    folder({"lightgbm": {"data": "model.lgb"}}, {"model.lgb": model.model_to_string().encode()}, names=None)
    assert np.array_equal(as_served(from_mlflow()), model.predict(MATRIX))


@pytest.mark.parametrize("output", ["prediction", "probability"])
def test_a_scikit_learn_model_of_mlflow_comes_through_skops(output: str) -> None:
    of_classes = output == "probability"
    made = LogisticRegression().fit(MATRIX, CLASSES) if of_classes else LinearRegression().fit(MATRIX, TARGET)
    flavor = {"pickled_model": "model.skops", "serialization_format": "skops"}
    folder({"sklearn": flavor}, {"model.skops": io.dumps(made)})
    expected = made.predict_proba(MATRIX)[:, 1] if of_classes else made.predict(MATRIX)
    assert as_served(from_mlflow(schema(output))) == pytest.approx(expected)


def linear_in_onnx() -> Any:
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType

    made = LinearRegression().fit(MATRIX[:, ::-1], TARGET)
    kind = DoubleTensorType([None, 2])
    return skl2onnx.to_onnx(made, initial_types=[("columns", kind)], target_opset={"": 17, "ai.onnx.ml": 3})


def test_an_onnx_model_of_mlflow_answers_as_it_did() -> None:
    folder({"onnx": {"data": "model.onnx"}}, {"model.onnx": linear_in_onnx().SerializeToString()})
    assert as_served(from_mlflow()) == pytest.approx(TARGET)


def test_an_onnx_model_with_its_weights_in_other_files_is_refused() -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder({"onnx": {"data": "model.onnx"}}, {})
    weights = numpy_helper.from_array(np.array([[-1.0], [3.0]]), "weights")
    given, answer = (
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, width]) for name, width in (("x", 2), ("y", 1))
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "g", [given], [answer], [weights])
    onnx.save_model(helper.make_model(graph), "model/model.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(SpecError, match="save_as_external_data=False"):
        from_mlflow()
    Path("model/model.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactInvalid, match="its ONNX file cannot be read"):
        from_mlflow()


@pytest.mark.parametrize(
    ("name", "flavor"),
    [
        ("sklearn", {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}),
        ("sklearn", {"pickled_model": "model.skops"}),
        ("lightgbm", {"data": "model.pkl"}),
    ],
)
def test_a_pickle_is_refused_before_it_is_read(name: str, flavor: dict[str, str]) -> None:
    folder({name: flavor}, {})  # there is no file at all: it is not looked for
    with pytest.raises(SpecError, match=r"a model that is no pickle, since reading one runs what is written in it"):
        from_mlflow()


def test_a_file_outside_the_folder_is_refused() -> None:
    folder({"xgboost": {"data": "../secret.json"}}, {})
    with pytest.raises(SpecError, match="a file inside the folder"):
        from_mlflow()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"flavors: [", "a readable MLmodel"),
        (b"[]", "an MLmodel that lists flavors"),
        (b"flavors: {pytorch: {}}", "the flavor one of onnx, xgboost, lightgbm, sklearn; it has pytorch"),
        (b"flavors: {onnx: {}}", "names its file in data"),
    ],
    ids=["no yaml", "no flavors", "another flavor", "no file"],
)
def test_a_folder_that_is_no_model_is_named(content: bytes, said: str) -> None:
    folder({}, {"MLmodel": content})
    with pytest.raises(SpecError, match=said):
        from_mlflow()


def test_the_spec_chooses_among_flavors() -> None:
    model = lightgbm_model()
    text = model.model_to_string().encode()
    folder({"onnx": {"data": "none.onnx"}, "lightgbm": {"data": "model.lgb"}}, {"model.lgb": text})
    assert from_mlflow(flavor="lightgbm", digest=digest_of(text)).flavor == "lightgbm"
    with pytest.raises(SpecError, match=r"none\.onnx"):
        from_mlflow()
    with pytest.raises(SpecError, match="the flavor xgboost"):
        from_mlflow(flavor="xgboost")


# --- the spec ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"trainer": "sklearn", "booster": {"file": "m"}, "estimator": "Ridge"}, "no section booster with trainer"),
        ({"trainer": "xgboost", "booster": {"file": "m"}, "estimator": "XGBRegressor"}, "no estimator with a booster"),
        ({"trainer": "mlflow"}, "a section mlflow that says where it comes from"),
        ({"trainer": "mlflow", "mlflow": {"folder": "../m"}}, "a path inside the folder"),
    ],
)
def test_a_section_that_does_not_fit_is_named(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Training.model_validate(section)


def test_what_is_brought_is_not_fitted_and_says_what_it_was_made_by() -> None:
    training = Training.model_validate({"trainer": "xgboost", "booster": {"file": "a/model.json"}})
    assert (training.is_fitted, training.made_by) == (False, "a/model.json")
    training = Training.model_validate({"trainer": "mlflow", "mlflow": {"folder": "a/model"}})
    assert (training.is_fitted, training.made_by) == (False, "a/model")
