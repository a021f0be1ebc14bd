import asyncio
from typing import Any

import orjson
import pytest

from runtime.domain.decision import Variant
from runtime.domain.events import Stage
from runtime.domain.ids import new_id
from runtime.domain.spec import Capture as Policy
from runtime.serving import body, handlers
from runtime.serving.http import Application
from runtime.serving.pool import Pool
from tests.unit.serving.conftest import Client, Kept, Shop, route, routes


def test_an_answer_names_its_decision_and_the_decision_is_kept_before(client: Client, kept: Kept) -> None:
    response = client.infer(id="r1")
    document = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert document["outputs"] == [{"name": "y", "shape": [1], "datatype": "FP64", "data": [20.0]}]
    assert (document["model_name"], document["model_version"], document["id"]) == ("m", "1", "r1")
    [decision] = kept.decisions
    assert decision.decision_id == document["parameters"]["decision_id"] == response.headers["fleetward-decision-id"]
    assert decision.caller == "anonymous"


def test_caller_trace_and_idempotency_key_come_from_headers(client: Client, kept: Kept) -> None:
    key = new_id()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"fleetward-caller": "crew-planning", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    client.infer(headers={**headers, "idempotency-key": key.upper()})
    [decision] = kept.decisions
    assert (decision.caller, decision.trace_id, decision.decision_id) == ("crew-planning", trace, key)


def test_a_shadow_is_kept_beside_after_the_answer(client: Client, kept: Kept, shop: Shop, pool: Pool) -> None:
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    assert client.infer().json()["outputs"][0]["data"] == [20.0]
    assert [(each.version, each.variant) for each in kept.decisions] == [(1, Variant.CHAMPION), (2, Variant.SHADOW)]


@pytest.mark.parametrize("policy", [Policy(), Policy(policy="strict"), Policy(policy="sampled", share=0.5)])
def test_decisions_and_outcomes_are_kept_as_the_models_policy_says(
    client: Client, kept: Kept, shop: Shop, pool: Pool, policy: Policy
) -> None:
    changed = route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW).model_copy(update={"capture": policy})
    pool.apply(routes(changed))
    decision_id = client.infer().json()["parameters"]["decision_id"]
    body = orjson.dumps({"outcomes": [{"decision_id": decision_id, "actual": 1.0}]})
    assert client.send("POST", "/v2/models/m/outcomes", content=body).status_code == 200
    assert kept.policies == [policy] * 3


def test_many_rows_are_predicted_off_the_loop_with_the_same_answer(client: Client, kept: Kept) -> None:
    rows = handlers.ROWS_ON_LOOP + 1
    body = {"inputs": [{"name": "x", "shape": [rows, 2], "datatype": "FP64", "data": [2.0, 1.0] * rows}]}
    response = client.send("POST", "/v2/models/m/infer", content=orjson.dumps(body))
    assert response.json()["outputs"][0]["data"] == [20.0] * rows
    assert kept.decisions[0].rows == rows


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v2/models/nobody/infer", 404, "no model is named 'nobody'"),
        ("POST", "/v2/models/m/versions/9/infer", 404, "has no version 9"),
        ("POST", "/v2/models/off/infer", 503, "it is suspended"),
        ("POST", "/v2/models/m/infer", 400, "body: got"),
        ("POST", "/v2/models/nobody/outcomes", 404, "no model is named"),
        ("POST", "/v2/models/m/outcomes", 400, "body: got"),
        ("GET", "/v2/models/m/infer", 405, "does not take GET, but POST"),
        ("GET", "/v2/models/nobody", 404, "no model"),
        ("GET", "/v2/models/m/versions/9", 404, "has no version 9"),
        ("GET", "/v2/models/off", 503, "it is suspended"),
        ("GET", "/", 404, "nothing is at GET /"),
        ("DELETE", "/v2/models/m", 405, "does not take DELETE, but GET"),
        ("GET", "/v2/models/m/config", 501, "not supported"),
        ("GET", "/v2/systemsharedmemory/status", 501, "not supported"),
        ("POST", "/v2/cudasharedmemory/region/r/register", 501, "not supported"),
        ("POST", "/v2/repository/models/m/load", 501, "not supported"),
    ],
)
def test_every_error_is_a_problem_document_with_an_error_beside(
    client: Client, method: str, path: str, status: int, words: str
) -> None:
    response = client.send(method, path)
    document = response.json()
    assert response.status_code == document["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert words in document["error"]
    assert document["detail"] == document["error"]


def test_a_mismatch_is_422_with_feature_found_and_expected_as_members(client: Client, kept: Kept) -> None:
    response = client.infer(inputs=[{"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]}])
    assert response.status_code == 422
    assert response.json()["where"] == "input 'b'"
    assert response.json()["found"] == "no such tensor"
    assert response.json()["expected"] == "features a, b"
    assert not kept.decisions


@pytest.mark.parametrize("headers", [{"fleetward-caller": "two words"}, {"idempotency-key": "7"}])
def test_a_wrong_header_is_malformed(client: Client, headers: dict[str, str]) -> None:
    assert client.infer(headers=headers).status_code == 400


def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_announced(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LARGEST_BODY", 100)

    async def parts() -> Any:
        for _ in range(11):
            yield b"0123456789"

    for content in (b" " * 101, parts()):
        response = client.send("POST", "/v2/models/m/infer", content=content)
        assert response.status_code == 413
        assert "at most 100" in response.json()["error"]


def test_metadata_and_readiness(client: Client, shop: Shop, pool: Pool, ended: list[str]) -> None:
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    assert client.send("GET", "/v2").json()["name"] == "fleetward"
    assert client.send("GET", "/v2/models/m").json()["versions"] == ["1", "2"]
    assert client.send("GET", "/v2/models/m/versions/2").json()["versions"] == ["2"]
    assert client.send("GET", "/v2/models/m/ready").json() == {"name": "m", "ready": True}
    assert client.send("GET", "/v2/models/off/ready").status_code == 503
    assert client.send("GET", "/v2/models/m/versions/3/ready").status_code == 503
    assert client.send("GET", "/v2/health/live").status_code == 200
    assert client.send("GET", "/v2/health/ready").status_code == 200
    ended.append("before the first routes")
    assert client.send("GET", "/v2/health/ready").status_code == 503


def test_the_repository_index_lists_every_model(client: Client) -> None:
    index = client.send("POST", "/v2/repository/index").json()
    states = [(each["name"], each["state"]) for each in index]
    assert states == [("m", "READY"), ("mixed", "READY"), ("off", "UNAVAILABLE")]
    ready = client.send("POST", "/v2/repository/index", content=b'{"ready": true}').json()
    assert [each["name"] for each in ready] == ["m", "mixed"]


def test_outcomes_come_as_a_list_or_as_a_decisions_actuals(client: Client, kept: Kept) -> None:
    one, two = new_id(), new_id()
    listed = [{"decision_id": one, "actual": 1}, {"decision_id": two, "actual": 2.5}]
    listed.append({"decision_id": one, "row": 3, "actual": 4})
    response = client.send("POST", "/v2/models/m/outcomes", content=orjson.dumps({"outcomes": listed}))
    assert response.json() == {"model_name": "m", "accepted": 3}
    content = orjson.dumps({"decision_id": two, "actuals": [5, 6]})
    client.send("POST", "/v2/models/off/outcomes", content=content, headers={"fleetward-caller": "ops"})
    assert [(each.decision_id, each.rows, each.actuals) for each in kept.truths] == [
        (one, [0, 3], [1.0, 4.0]),
        (two, [0], [2.5]),
        (two, [0, 1], [5.0, 6.0]),
    ]
    assert (kept.truths[2].model, kept.truths[2].caller) == ("off", "ops")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "outcomes"),
        ({"outcomes": []}, "outcomes"),
        ({"outcomes": [1]}, "outcomes[0]"),
        ({"outcomes": [{"decision_id": "1"}]}, "outcomes[0].decision_id"),
        ({"outcomes": [{"decision_id": new_id(), "row": -1, "actual": 1}]}, "outcomes[0].row"),
        ({"outcomes": [{"decision_id": new_id(), "actual": None}]}, "outcomes[0].actual"),
        ({"decision_id": new_id(), "actuals": []}, "actuals"),
        ({"decision_id": new_id(), "actuals": [1, "2"]}, "actuals[1]"),
        ({"actuals": [1]}, "decision_id"),
    ],
)
def test_malformed_outcomes_say_where_and_keep_nothing(
    client: Client, kept: Kept, body: dict[str, Any], where: str
) -> None:
    response = client.send("POST", "/v2/models/m/outcomes", content=orjson.dumps(body))
    assert (response.status_code, response.json()["where"]) == (400, where)
    assert not kept.truths


def test_a_failure_of_the_server_is_a_problem_document_too(client: Client, kept: Kept) -> None:
    kept.record = None  # type: ignore[method-assign, assignment]
    response = client.infer()
    assert response.status_code == 500
    assert response.json()["title"] == "Internal Server Error"


def test_the_lifespan_ends_with_the_replicas_own_end(application: Application, ended: list[str]) -> None:
    sent: list[str] = []

    async def run() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await application({"type": "lifespan"}, receive, send)

    asyncio.run(run())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert ended == ["closed"]
