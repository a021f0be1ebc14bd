"""The LightGBM flavor: a booster in LightGBM's own text, answered on one thread."""

from __future__ import annotations

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
from runtime.flavors.lightgbm_text import check_text
from runtime.flavors.tabular import TabularPredictor, encoding_of

FLAVOR = "lightgbm"
FILE = "model.txt"

_ESTIMATORS = {Task.REGRESSION: "LGBMRegressor", Task.CLASSIFICATION: "LGBMClassifier"}


class LightgbmPredictor(TabularPredictor):
    """A booster with the encoding of its columns; gaps go the way that training learnt for them."""

    def __init__(self, model: bytes, schema: Schema, encoding: Encoding) -> None:
        super().__init__(schema, encoding)
        self.model = model
        self.booster = _booster(model)

    def __reduce__(self) -> tuple[type[LightgbmPredictor], tuple[bytes, Schema, Encoding]]:
        """Its text, so that pickling gives what the artifact would."""
        return LightgbmPredictor, (self.model, self._schema, self.encoding)

    @property
    def flavor(self) -> str:
        """``lightgbm``."""
        return FLAVOR

    def _answer(self, matrix: Floats) -> Floats:
        return np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)

    _chances = _answer


def make(name: str, parameters: Mapping[str, Any], seed: int, task: Task) -> Any:
    """An unfitted estimator. Raises ``SpecError`` for an unknown name or parameter, or the other task's."""
    if name != _ESTIMATORS[task]:
        raise wrong("train.estimator", name, f"{_ESTIMATORS[task]}{close(name, [_ESTIMATORS[task]])}")
    import lightgbm

    # Rows by rows on one thread, so that the same rows give the same trees.
    fixed = {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    estimator = getattr(lightgbm, name)(**fixed)
    set_parameters(estimator, name, parameters, seed)
    return estimator


def fitted(estimator: Any, schema: Schema, encoding: Encoding) -> LightgbmPredictor:
    """The predictor of a fitted estimator, by way of its text: what was trained is what will be loaded."""
    return LightgbmPredictor(estimator.booster_.model_to_string().encode(), schema, encoding)


def adopted(model: bytes, schema: Schema, names: Sequence[str] | None = None) -> LightgbmPredictor:
    """The predictor of a booster fitted elsewhere. ``names``: its columns, if it keeps none itself.

    All its trees answer. Raises ``ArtifactInvalid`` if it was fitted for another task, or on other columns.
    """
    booster = _booster(model)
    objective = str(booster.dump_model(num_iteration=1).get("objective", "")).partition(" ")[0] or "custom"
    of_another = objective in {"binary", "multiclass", "multiclassova", "lambdarank", "rank_xendcg", "cross_entropy"}
    if objective != "binary" if schema.task is Task.CLASSIFICATION else of_another:
        raise ArtifactInvalid(f"its booster was fitted for {objective}, its schema is of a {schema.task.value}")
    own = booster.feature_name()
    unnamed = own == [f"Column_{number}" for number in range(len(own))]
    encoding = encoding_named(names if unnamed else own, schema)
    return load(Manifest(flavor=FLAVOR, model_schema=schema, encoding=encoding), {FILE: model})


def files(predictor: LightgbmPredictor) -> dict[str, bytes]:
    """The booster's text."""
    return {FILE: predictor.model}


def load(manifest: Manifest, files: Mapping[str, bytes]) -> LightgbmPredictor:
    """The predictor of a manifest and its file. Raises ``ArtifactInvalid``."""
    if list(files) != [FILE]:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {FILE}")
    encoding = encoding_of(manifest, _booster(files[FILE]).num_feature())
    return LightgbmPredictor(files[FILE], manifest.model_schema, encoding)


def _booster(model: bytes) -> Any:
    import lightgbm

    check_text(model)
    try:
        return lightgbm.Booster(model_str=model.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise ArtifactInvalid(f"its LightGBM file cannot be read: {str(error).splitlines()[0]}") from error
