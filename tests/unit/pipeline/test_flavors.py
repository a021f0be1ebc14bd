"""A spec of every flavor goes the whole way: read, fitted or brought, judged, packaged, loaded again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from examples.flavors.data import load as loans
from runtime.domain.errors import DataError, FleetwardError, SpecError
from runtime.domain.load import load_spec, parse_spec
from runtime.domain.spec import Spec
from runtime.flavors import FlavorMissing, load, outputs
from runtime.flavors.load import FLAVORS
from runtime.flavors.sklearn import SklearnPredictor
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.package import baseline_document
from runtime.pipeline.search import check_search
from runtime.pipeline.train import TrainedModel
from tests.unit.pipeline.making import made_of

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "flavors"
SPECS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "table")


def spec_of(name: str) -> Spec:
    return load_spec(FOLDER / f"{name}.yaml")


def trained(spec: Spec, frame: pd.DataFrame | None = None) -> TrainedModel:
    return made_of(spec, loans() if frame is None else frame)


def checked_and_trained(spec: Spec) -> TrainedModel:
    check_search(spec)
    return trained(spec)


@pytest.fixture(autouse=True)
def in_the_job_folder(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.chdir(root)


def test_every_flavor_has_an_example() -> None:
    assert {spec_of(name).train.trainer for name in SPECS} == set(FLAVORS)


@pytest.mark.parametrize("name", [name for name in SPECS if name != "remote"])
def test_an_example_is_made_judged_and_loaded_again(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch", reason="torch is an optional extra")
    spec = spec_of(name)
    check_search(spec)
    made = trained(spec)
    report = evaluate(spec, made, load(made.artifact))
    assert report.passed, report.failures
    assert made.predictor.flavor == spec.train.trainer
    assert made.estimator == spec.train.made_by
    baseline = baseline_document(made)
    assert baseline["rows"] > 100


def test_a_forest_is_served_by_its_twin_and_keeps_the_original() -> None:
    made = trained(spec_of("sklearn"))
    again = load(made.artifact)
    assert isinstance(again, SklearnPredictor)
    assert again.twin is not None
    matrix = again.encoding.matrix(made.window.columns)
    assert again.predict_matrix(matrix) == pytest.approx(again.answer_original(matrix), abs=1e-6)
    assert again.manifest().twin is not None


def test_a_classification_gives_a_probability_and_a_label_and_says_how_good_it_is() -> None:
    made = trained(spec_of("lightgbm"))
    report = evaluate(spec_of("lightgbm"), made, None)
    assert [field.name for field in made.predictor.schema.outputs] == ["probability", "label"]
    found = outputs(made.predictor.schema, made.predictor.predict(made.window.columns))
    assert set(found["label"].tolist()) == {0.0, 1.0}
    assert report.metrics["brier"] < report.metrics["baseline_brier"]
    assert report.metrics["log_loss"] < report.metrics["baseline_log_loss"]
    assert report.metrics["accuracy"] > 0.5
    assert report.metrics["baseline_roc_auc"] == 0.5, "a constant ranks nothing"
    assert made.holdout.naive == pytest.approx(float(made.window.target[: made.window.target.size * 4 // 5].mean()))


def test_a_classification_of_other_targets_than_0_and_1_is_refused() -> None:
    with pytest.raises(DataError, match="target 'late' is neither 0 nor 1 in 600 of 600 rows"):
        trained(spec_of("sklearn"), loans().assign(late=np.full(600, 2)))


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("sklearn", "metric: log_loss", "metric: mae", "train.metric: got 'mae'; expected log_loss, brier, roc_auc"),
        ("xgboost", "estimator: XGBRegressor, ", "", "train.estimator: got nothing; expected the name of an estimator"),
        ("onnx", "  onnx:", "  rules:", "train.rules"),
        ("decision-table", "rules: {table: examples/flavors/table.yaml}", "rules: {}", "either table"),
        ("decision-table", "examples/flavors/table", "../table", "expected a path inside the folder that travels"),
        ("remote", "https://vendor", "http://vendor", "https, since a credential is sent there"),
        ("remote", "https://vendor", "https://me:secret@vendor", "an address without; name a variable"),
        ("remote", "VENDOR_KEY ", "s3cret-value ", "train.remote.credential"),
        ("remote", "timeout: 2s", "timeout: 0s", "train.remote.timeout"),
    ],
)
def test_a_train_section_that_does_not_fit_is_named(name: str, old: str, new: str, reason: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert old in text
    with pytest.raises(SpecError) as refused:
        parse_spec(text.replace(old, new))
    assert reason.removeprefix("expected ") in str(refused.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("xgboost", "XGBRegressor", "XGBClassifier", "train.estimator: got 'XGBClassifier'; expected XGBRegressor"),
        ("lightgbm", "num_leaves", "num_leafs", "expected a parameter of LGBMClassifier; did you mean num_leaves"),
        ("onnx", "days.onnx", "none.onnx", "train.onnx.file: got 'examples/flavors/models/none.onnx'; expected a file"),
        ("onnx", "[income, amount]", "[income]", "its ONNX graph takes 2 columns, its schema has 1"),
        ("onnx", "[income, amount]", "[income, purpose]", "the text 'purpose'"),
        ("function", "days_late", "days_early", "examples.flavors.by_hand:days_early is not in the code at hand"),
        ("decision-table", "[income, amount, purpose]", "[amount, purpose]", "rule 4 asks for 'income'"),
    ],
)
def test_what_cannot_be_made_says_why(name: str, old: str, new: str, reason: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert old in text
    spec = parse_spec(text.replace(old, new))
    with pytest.raises(FleetwardError) as refused:
        checked_and_trained(spec)
    assert reason in str(refused.value)


def test_a_flavor_whose_library_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = trained(spec_of("lightgbm")).artifact
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(FlavorMissing, match="flavor 'lightgbm' needs 'lightgbm', which is not installed here"):
        load(artifact)
