"""A fleet is trained alike whichever way its space is searched, and a model that kills its worker fails alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from runtime.domain.events import TrainingFailed
from runtime.domain.spec import Spec
from runtime.flavors import Floats
from runtime.flavors.own import Given
from runtime.local_cluster import LocalCluster
from runtime.pipeline import fleet
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.prepare import prepare
from runtime.pipeline.train import TrainedModel
from runtime.storage.objects import ObjectStore
from tests.unit.pipeline.flights import SPEC, a_spec
from tests.unit.pipeline.flights import load as flights

SOURCE = {"source": "tests.cluster.test_training:load", "features": ["hour", "dest", "poison"]}
HEALTHY = ["flight-time-AA", "flight-time-UA"]


def load() -> pd.DataFrame:
    """The flights, with a mark on one carrier's."""
    frame = flights()
    return frame.assign(poison=(frame["carrier"] == "B6").astype(float))


def fit(matrix: Floats, target: Floats, given: Given) -> Any:
    """Ends its process on the marked rows, as what runs out of memory does."""
    if matrix[:, given.columns.index("poison")].any():
        os._exit(9)
    estimator = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5, random_state=given.seed)
    return estimator.set_params(**given.parameters).fit(matrix, target)


def a_search(**search: Any) -> Spec:
    train = {
        "trainer": "own",
        "own": {"function": "tests.cluster.test_training:fit"},
        "search": {"learning_rate": "loguniform(0.02, 0.5)"},
        "trials": 3,
        "folds": 2,
    }
    data = SPEC.as_document()["data"] | SOURCE
    return a_spec(data=data, train=train | search, for_each={"by": ["carrier"], "min_rows": 40})


def artifacts(found: dict[str, TrainedModel | TrainingFailed]) -> dict[str, bytes]:
    return {name: each.artifact for name, each in found.items() if isinstance(each, TrainedModel)}


def test_ways_to_search_agree_and_a_model_that_ends_its_worker_fails_alone(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "CHUNKS_A_CORE", 1)
    store = ObjectStore.open(str(tmp_path))
    dataset = prepare(a_search(), store=store)
    healthy = replace(dataset, partitions=tuple(each for each in dataset.partitions if each.model in HEALTHY))

    def trained(given: PreparedDataset, **search: Any) -> dict[str, TrainedModel | TrainingFailed]:
        return {each.model: each for each in fleet.train_fleet(a_search(**search), given, store=store, batch="b")}

    where_they_train = trained(dataset)
    (failure,) = [each for each in where_they_train.values() if isinstance(each, TrainingFailed)]
    assert failure.model == "flight-time-B6"
    assert failure.reason.startswith("carrier B6: its worker's process ended")
    assert len(artifacts(where_they_train)) == 5, "one of them shared a task with the model that failed"
    by_tune = artifacts(trained(healthy))
    assert by_tune == {name: artifacts(where_they_train)[name] for name in HEALTHY}
    assert set(artifacts(trained(healthy, search_by="bayesian", early_stopping="asha"))) == set(HEALTHY)
