"""``:explain`` gives what each feature contributed to an answer that was decided and kept like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.domain.ids import digest_of
from runtime.serving import explanations
from runtime.serving.explanations import ROWS
from runtime.serving.http import Application, Service
from runtime.statistics.profile import Profile
from tests.unit.serving.conftest import NOW, Client, Kept, Shop, Times, route, routes

PATH = "/v1/models/m:explain"


@pytest.fixture
def explained(shop: Shop, kept: Kept) -> Iterator[Client]:
    """A replica whose model ``m`` has a baseline."""
    pool = shop.pool()
    generator = np.random.default_rng(7)
    profile = Profile.from_columns({name: generator.normal(3.0, 1.0, 500) for name in ("a", "b")})
    content = json.dumps({"features": profile.as_document()}).encode()
    shop.content[digest_of(content)] = content
    pool.apply(routes(route(shop.servable(1, 10).model_copy(update={"baseline": digest_of(content)}))))

    async def on_shutdown() -> None:
        """Nothing to close."""

    client = Client(Application(Service(pool, kept, lambda: NOW, lambda: True, "0.1.0"), on_shutdown))
    yield client
    client.close()


def explain(client: Client, instances: Any, **more: Any) -> Any:
    return client.send("POST", PATH, content=json.dumps({"instances": instances}), **more)


def test_contributions_add_up_to_the_answer_that_was_kept(explained: Client, kept: Kept) -> None:
    response = explain(explained, [[2.0, 1.0], [5.0, 1.0]])
    assert response.status_code == 200, response.text
    document = response.json()
    (decision,) = kept.decisions
    assert (decision.outputs, decision.decision_id) == ([20.0, 50.0], document["decision_id"])
    assert response.headers["fleetward-decision-id"] == decision.decision_id
    assert (document["method"], document["model_version"], document["seed"]) == ("permutation", "1", 0)
    for row, output in zip(document["explanations"], decision.outputs, strict=True):
        assert row["output"] == output
        assert row["contributions"]["b"] == 0.0, "b is not read"
        assert document["base"] + sum(row["contributions"].values()) == pytest.approx(output)
    assert explain(explained, [[2.0, 1.0], [5.0, 1.0]]).json()["explanations"] == document["explanations"]


@pytest.mark.parametrize(
    ("instances", "status", "told"),
    [
        ([[1.0]], 422, "instances"),
        ([[1.0, 1.0]] * (ROWS + 1), 400, f"{ROWS + 1} rows"),
        ("rows", 400, "a list of rows"),
    ],
)
def test_what_cannot_be_explained_is_said(explained: Client, instances: Any, status: int, told: str) -> None:
    response = explain(explained, instances)
    assert (response.status_code, told in response.json()["error"]) == (status, True), response.text


def test_a_version_whose_route_names_no_baseline_is_answered_501(client: Client) -> None:
    response = explain(client, [[2.0, 1.0]])
    assert response.status_code == 501
    assert "explanations of model 'm' version 1" in response.json()["error"]


def test_a_baseline_that_the_store_cannot_give_is_503(explained: Client, shop: Shop) -> None:
    shop.away = True
    assert explain(explained, [[2.0, 1.0]]).status_code == 503


def test_an_answer_that_comes_out_otherwise_is_not_explained(
    explained: Client, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version answers by a tenth more once its answer is kept."""
    monkeypatch.setattr(kept, "record", lambda *_: monkeypatch.setattr(Times, "predict", _a_tenth_more))
    response = explain(explained, [[2.0, 1.0]])
    assert response.status_code == 500
    assert "20.0 was recorded, its version answers 22.0 now" in response.json()["error"]


def _a_tenth_more(times: Times, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.asarray(columns["a"] * (times.factor + 1))


def test_more_than_may_wait_are_turned_away(explained: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "WAITING", 0)
    response = explain(explained, [[2.0, 1.0]])
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
