"""A classifier trained on real data is served: probability and label out, the class itself back as the truth."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pytest

from examples.classes.data import cells, wines
from runtime.domain.grant import SignedGrant
from runtime.domain.ids import digest_of
from runtime.domain.routes import Servable
from runtime.flavors import load
from runtime.monitoring.judged import classes_of, performance
from runtime.pipeline.train import TrainedModel
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from tests.unit.pipeline.test_classification import made, spec_of
from tests.unit.serving.conftest import NOW, Client, Kept, Shop, route, routes

ROWS = 20


def servable(shop: Shop, trained: TrainedModel) -> Servable:
    digest = digest_of(trained.artifact)
    shop.content[digest] = trained.artifact
    any_version = shop.servable(1, 10, schema=trained.predictor.schema)
    grant = any_version.signed.grant.model_copy(update={"artifact": digest, "package": digest})
    return any_version.model_copy(update={"signed": SignedGrant(grant=grant, key_id="k", signature="good")})


def client_of(name: str, shop: Shop, kept: Kept) -> Client:
    pool = Pool(
        "replica-1",
        check=shop.check,
        fetch=shop.fetch,
        load=load,
        on_refused=shop.refused.append,
        clock=lambda: NOW,
    )
    pool.apply(routes(route(servable(shop, made(name)))))
    assert not shop.refused

    async def on_shutdown() -> None:
        """Nothing to close."""

    return Client(Application(Service(pool, kept, lambda: NOW, lambda: True, "0.1.0"), on_shutdown))


@pytest.fixture(scope="module")
def warm() -> None:
    """Both models, before any request's time runs."""
    made("cells")
    made("wines")


@pytest.fixture
def tumours(warm: None, shop: Shop, kept: Kept) -> Iterator[Client]:
    client = client_of("cells", shop, kept)
    yield client
    client.close()


@pytest.fixture
def growers(warm: None, shop: Shop, kept: Kept) -> Iterator[Client]:
    client = client_of("wines", shop, kept)
    yield client
    client.close()


def asked(client: Client, name: str) -> dict[str, list[float]]:
    """The answers to the newest rows, by output."""
    frame = {"cells": cells, "wines": wines}[name]().tail(ROWS)
    inputs = [
        {"name": each, "datatype": "FP64", "shape": [ROWS], "data": frame[each].tolist()}
        for each in spec_of(name).data.features
    ]
    answer = client.send("POST", "/v2/models/m/infer", content=orjson.dumps({"inputs": inputs}))
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def told(client: Client, kept: Kept, actuals: list[Any]) -> Any:
    body = {"decision_id": kept.decisions[-1].decision_id, "actuals": actuals}
    return client.send("POST", "/v2/models/m/outcomes", content=json.dumps(body))


def test_two_classes_answer_a_probability_and_its_label_and_take_the_class_as_the_truth(
    tumours: Client, kept: Kept
) -> None:
    answers = asked(tumours, "cells")
    assert list(answers) == ["probability", "label"]
    assert answers["label"] == [float(each >= 0.5) for each in answers["probability"]]
    assert kept.decisions[-1].outputs == answers["probability"]
    truth = cells().finding.tail(ROWS)
    assert told(tumours, kept, truth.tolist()).json()["accepted"] == ROWS
    assert kept.truths[-1].actuals == [float(each == "malignant") for each in truth]
    rows = list(zip(kept.decisions[-1].outputs, kept.truths[-1].actuals, strict=True))
    metrics = performance(rows, classes_of(spec_of("cells"))).metrics
    assert metrics["accuracy"] > 0.8


def test_three_classes_answer_the_label_and_name_what_it_stands_for(growers: Client, kept: Kept) -> None:
    answers = asked(growers, "wines")
    assert list(answers) == ["label"]
    assert set(answers["label"]) <= {0.0, 1.0, 2.0}
    assert growers.send("GET", "/v2/models/m").json()["classes"] == ["a", "b", "c"]
    assert told(growers, kept, wines().grower.tail(ROWS).tolist()).status_code == 200
    rows = list(zip(kept.decisions[-1].outputs, kept.truths[-1].actuals, strict=True))
    metrics = performance(rows, classes_of(spec_of("wines"))).metrics
    assert set(metrics) == {"mae", "accuracy", "f1"}
    assert metrics["accuracy"] > 0.8


@pytest.mark.parametrize("actual", ["benignant", 2, 0.5, -1, True, None, [1]])
def test_a_truth_that_is_no_class_is_refused_with_the_classes(tumours: Client, kept: Kept, actual: Any) -> None:
    asked(tumours, "cells")
    answer = told(tumours, kept, [0, actual])
    assert answer.status_code == 400
    assert "actuals[1]" in answer.json()["error"]
    assert "expected 'benign', 'malignant', or a class's number from 0 to 1" in answer.json()["error"]
    assert kept.truths == []


def test_a_truth_may_be_a_classs_number_and_come_as_arrow(tumours: Client, kept: Kept) -> None:
    asked(tumours, "cells")
    decision = kept.decisions[-1].decision_id
    for actual in (
        pa.array([1, 0]),
        pa.array(["malignant", "benign"]),
        pa.array(["malignant", "benign"]).dictionary_encode(),
    ):
        table = pa.table({"decision_id": [decision] * 2, "row": [0, 1], "actual": actual})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        headers = {"content-type": "application/vnd.apache.arrow.stream"}
        answer = tumours.send("POST", "/v2/models/m/outcomes", content=sink.getvalue().to_pybytes(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert kept.truths[-1].actuals == [1.0, 0.0]
