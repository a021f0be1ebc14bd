"""A probability is explained on the scale of its log odds; a class's number is no amount, and is not explained."""

import numpy as np
import pytest

from runtime.domain.errors import Unsupported
from runtime.explaining.explanation import Scale
from runtime.explaining.methods import explain
from runtime.pipeline.package import baseline_document
from runtime.statistics.profile import Profile
from tests.unit.pipeline.test_classification import made


def profile_of(name: str) -> Profile:
    return Profile.from_document(baseline_document(made(name))["features"])


def test_a_probability_of_real_data_is_explained_and_adds_up() -> None:
    trained = made("cells")
    columns = {name: column[:5] for name, column in trained.holdout.rows.columns.items()}
    found = explain(trained.predictor, columns, profile_of("cells"), 0)
    assert (found.method, found.scale) == ("linear_shap", Scale.LOG_ODDS)
    assert np.array_equal(found.outputs, trained.predictor.predict(columns))
    assert set(found.contributions) == set(columns)


def test_more_than_two_classes_are_not_explained() -> None:
    trained = made("wines")
    with pytest.raises(Unsupported, match="explanations of 3 classes"):
        explain(trained.predictor, trained.holdout.rows.columns, profile_of("wines"), 0)
