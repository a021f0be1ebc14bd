"""The XGBoost flavor: a booster in XGBoost's own JSON, answered on one thread."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.domain.schema import Schema, Task
from runtime.flavors.base import Floats
from runtime.flavors.brought import encoding_named
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.estimators import close, set_parameters, wrong
from runtime.flavors.tabular import TabularPredictor, encoding_of

FLAVOR = "xgboost"
FILE = "model.json"

_ESTIMATORS = {Task.REGRESSION: "XGBRegressor", Task.CLASSIFICATION: "XGBClassifier"}


class XgboostPredictor(TabularPredictor):
    """A booster with the encoding of its columns; gaps go the way that training learnt for them."""

    def __init__(self, model: bytes, schema: Schema, encoding: Encoding) -> None:
        super().__init__(schema, encoding)
        self.model = model
        self.booster = _booster(model)

    def __reduce__(self) -> tuple[type[XgboostPredictor], tuple[bytes, Schema, Encoding]]:
        """Its JSON, so that pickling gives what the artifact would."""
        return XgboostPredictor, (self.model, self._schema, self.encoding)

    @property
    def flavor(self) -> str:
        """``xgboost``."""
        return FLAVOR

    def _answer(self, matrix: Floats) -> Floats:
        return np.asarray(self.booster.inplace_predict(matrix, validate_features=False), dtype=np.float64)

    _chances = _answer


def make(name: str, parameters: Mapping[str, Any], seed: int, task: Task) -> Any:
    """An unfitted estimator. Raises ``SpecError`` for an unknown name or parameter, or the other task's."""
    if name != _ESTIMATORS[task]:
        raise wrong("train.estimator", name, f"{_ESTIMATORS[task]}{close(name, [_ESTIMATORS[task]])}")
    import xgboost

    estimator = getattr(xgboost, name)(n_jobs=1)
    set_parameters(estimator, name, parameters, seed)
    return estimator


def fitted(estimator: Any, schema: Schema, encoding: Encoding) -> XgboostPredictor:
    """The predictor of a fitted estimator, by way of its JSON: what was trained is what will be loaded."""
    return XgboostPredictor(bytes(estimator.get_booster().save_raw(raw_format="json")), schema, encoding)


def adopted(model: bytes, schema: Schema, names: Sequence[str] | None = None) -> XgboostPredictor:
    """The predictor of a booster fitted elsewhere, JSON or UBJSON. ``names``: its columns, if it keeps none itself.

    All its trees answer. Raises ``ArtifactInvalid`` if it was fitted for another task, or on other columns.
    """
    booster = _booster(model)
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    of_another = objective.partition(":")[0] in {"binary", "multi", "rank", "survival"}
    if objective != "binary:logistic" if schema.task is Task.CLASSIFICATION else of_another:
        raise ArtifactInvalid(f"its booster was fitted for {objective}, its schema is of a {schema.task.value}")
    if "c" in (booster.feature_types or ()):
        raise ArtifactInvalid("its booster takes categories as XGBoost numbered them, which is not known here")
    encoding = encoding_named(booster.feature_names or names, schema)
    kept = bytes(booster.save_raw(raw_format="json"))
    return load(Manifest(flavor=FLAVOR, model_schema=schema, encoding=encoding), {FILE: kept})


def files(predictor: XgboostPredictor) -> dict[str, bytes]:
    """The booster's JSON."""
    return {FILE: predictor.model}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> XgboostPredictor:
    """The predictor of a manifest and its file. Raises ``ArtifactInvalid``."""
    if list(files) != [FILE]:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {FILE}")
    encoding = encoding_of(manifest, _booster(files[FILE]).num_features())
    return XgboostPredictor(files[FILE], manifest.model_schema, encoding)


def _booster(model: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster()
    if not model.startswith(b"{"):
        raise ArtifactInvalid("its XGBoost file is no JSON")
    try:
        booster.load_model(bytearray(model))
        booster.set_param({"nthread": 1})
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise ArtifactInvalid(f"its XGBoost file cannot be read: {str(error).splitlines()[0]}") from error
    return booster
