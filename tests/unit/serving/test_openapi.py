"""The description is true: it names every endpoint, and what schemathesis makes of it is answered as it says."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runtime.serving.endpoints import ENDPOINTS
from runtime.serving.http import Application
from runtime.serving.pool import Pool
from runtime.serving.protocols import openapi
from runtime.serving.router import Action, Endpoint
from tests.unit.serving.conftest import Client, Shop
from tests.unit.serving.test_overriding import Ruled

CHECKS: list[Any] = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
DOCUMENT = orjson.loads(openapi.document(ENDPOINTS, "0.1.0"))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
OPERATIONS: dict[str, Any] = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}  # type: ignore[union-attr]


def test_the_served_document_describes_every_endpoint_and_no_other(client: Client) -> None:
    response = client.send("GET", "/openapi.json")
    assert (response.status_code, response.json()) == (200, DOCUMENT)
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert len(ENDPOINTS) == len(described)


def test_an_endpoint_that_nobody_described_is_refused() -> None:
    with pytest.raises(KeyError, match="secret"):
        openapi.document([*ENDPOINTS, Endpoint("GET", "/secret", "secret", Action.OPEN)], "0.1.0")


def test_the_document_is_an_openapi_document() -> None:
    SCHEMA.validate()
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("label", sorted(OPERATIONS))
def test_whatever_is_sent_is_answered_as_the_description_says(application: Application, label: str) -> None:
    operation = OPERATIONS[label]
    transport = httpx.ASGITransport(application)
    examples = 12 if "requestBody" in operation.definition.raw else 2
    models = st.sampled_from(["m", "mixed", "off", "nobody"])

    async def ask(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.send(request)

    with asyncio.Runner() as runner:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=[*HealthCheck],
        )
        @given(case=operation.as_strategy(), model=models)
        def law(case: Any, model: str) -> None:
            if "model" in (case.path_parameters or {}):
                case.path_parameters["model"] = model
            started = time.monotonic()
            response = runner.run(ask(_request(case)))
            assert response.status_code < 500 or response.status_code in {501, 503}
            assert time.monotonic() - started < 10
            if response.is_error:
                assert response.json().get("error") or response.json().keys() <= {"ready", "name"}
            case.validate_response(response, checks=CHECKS)

        law()


@pytest.mark.parametrize("then", ["flag", {"value": 7}, {"fallback": "other"}, "refuse"])
def test_what_overrides_make_of_an_answer_is_described(
    application: Application, shop: Shop, pool: Pool, then: Any
) -> None:
    ruled = Ruled(shop, pool)
    ruled.follow({"when": "out_of_range", "features": ["a"], "then": then})
    ruled.follow(model="other", factor=2)
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [20.0, 1.0, 1.0, 1.0]}
    bodies = {
        "POST /v2/models/{model}/infer": {"inputs": [tensor]},
        "POST /v1/models/{model}:predict": {"instances": [[20.0, 1.0], [1.0, 1.0]]},
        "POST /models/{model}/invocations": {"inputs": {"a": [20.0, 1.0], "b": [1.0, 1.0]}},
    }

    async def ask(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
            return await client.send(request)

    for label, body in bodies.items():
        made = OPERATIONS[label].Case(path_parameters={"model": "m"}, body=body, media_type="application/json")
        response = asyncio.run(ask(_request(made)))
        assert response.status_code == (422 if then == "refuse" else 200)
        assert response.headers["fleetward-override"].startswith('out_of_range;feature="a"')
        made.validate_response(response, checks=CHECKS)


def _request(case: Any) -> httpx.Request:
    made: Any = requests.Request(**case.as_transport_kwargs(base_url="http://replica")).prepare()
    content = made.body.encode() if isinstance(made.body, str) else made.body
    return httpx.Request(made.method, made.url, headers=dict(made.headers), content=content)
