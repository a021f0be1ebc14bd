"""The description is true: whatever schemathesis makes of it is answered as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
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

from runtime.control.commands import COMMANDS
from tests.unit.control.ground import Asker, Ground, described
from tests.unit.serving.test_openapi import _request as request_of

CHECKS: list[Any] = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
DOCUMENT = orjson.loads(orjson.dumps(described().openapi()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
OPERATIONS: dict[str, Any] = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}  # type: ignore[union-attr]
UNENDING = "GET /v1/watch"


def test_the_document_is_valid_and_is_open_to_all(ada: Asker) -> None:
    SCHEMA.validate()
    assert ada.told("openapi.json")["info"]["title"] == "Fleetward control API"
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_every_command_is_described() -> None:
    assert {command.path for command in COMMANDS} <= set(DOCUMENT["paths"])


@pytest.mark.parametrize("label", sorted(set(OPERATIONS) - {UNENDING}))
def test_whatever_is_sent_is_answered_as_the_description_says(
    label: str, ground: Ground, runner: asyncio.Runner
) -> None:
    operation, models = OPERATIONS[label], st.sampled_from(["minutes-a", "minutes-b", "nobody"])
    transport = httpx.ASGITransport(ground.application, raise_app_exceptions=False)

    async def ask(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.send(request)

    @settings(max_examples=4, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(case=operation.as_strategy(), model=models)
    def law(case: Any, model: str) -> None:
        if "model" in (case.path_parameters or {}):
            case.path_parameters["model"] = model
        answer = runner.run(ask(request_of(case)))
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    law()
