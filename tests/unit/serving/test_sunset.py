"""A model whose end was announced says so with each answer, and that it is gone from then on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import grpc  # type: ignore[import-untyped]
import pytest

from runtime.domain.routes import Route, Sunset
from runtime.serving.grpc import GrpcFace
from runtime.serving.http import Service
from runtime.serving.pool import Pool
from runtime.serving.protocols.grpc_messages import message
from runtime.serving.sunset import told
from tests.unit.serving.conftest import Client, Kept, Shop, route, routes

SINCE, UNTIL = datetime(2025, 11, 25, tzinfo=UTC), datetime(2025, 12, 25, tzinfo=UTC)
SUNSET = Sunset(since=SINCE, until=UNTIL, successor="other")


def ending(shop: Shop) -> Route:
    return route(shop.servable(1, 10)).model_copy(update={"sunset": SUNSET})


RETIRED = Route(model="m", reason="it is retired", sunset=SUNSET, retired=True)


def test_the_fields_are_spelled_as_their_standards_have_them() -> None:
    assert told(SUNSET) == (
        (b"deprecation", b"@1764028800"),
        (b"sunset", b"Thu, 25 Dec 2025 00:00:00 GMT"),
        (b"link", b'</v2/models/other>; rel="successor-version"'),
    )
    assert parsedate_to_datetime(told(SUNSET)[1][1].decode()) == UNTIL
    assert told(SUNSET.model_copy(update={"successor": None})) == told(SUNSET)[:2]
    assert told(None) == ()


@pytest.mark.parametrize("path", ["/v2/models/m", "/v2/models/m/ready", "/v1/models/m"])
def test_each_answer_about_the_model_tells_its_callers(client: Client, shop: Shop, pool: Pool, path: str) -> None:
    pool.apply(routes(ending(shop)))
    for response in (client.infer(), client.send("GET", path)):
        assert response.status_code == 200
        assert response.headers["deprecation"] == "@1764028800"
        assert response.headers["sunset"] == "Thu, 25 Dec 2025 00:00:00 GMT"
        assert response.headers["link"] == '</v2/models/other>; rel="successor-version"'


def test_a_refused_request_is_told_too_and_another_models_caller_is_not(client: Client, shop: Shop, pool: Pool) -> None:
    pool.apply(routes(ending(shop)))
    refused = client.infer(inputs=[])
    assert (refused.status_code // 100, "sunset" in refused.headers) == (4, True)
    assert "sunset" not in client.send("GET", "/v2/models/mixed").headers
    assert "sunset" not in client.send("GET", "/v2/models/nobody").headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/m/infer"),
        ("POST", "/v2/models/m/versions/1/infer"),
        ("POST", "/v1/models/m:predict"),
        ("POST", "/models/m/invocations"),
        ("GET", "/v2/models/m"),
        ("GET", "/v2/models/m/versions/1"),
    ],
)
def test_a_retired_model_is_gone(client: Client, pool: Pool, method: str, path: str) -> None:
    pool.apply(routes(RETIRED))
    response = client.send(method, path)
    assert (response.status_code, response.headers["sunset"]) == (410, "Thu, 25 Dec 2025 00:00:00 GMT")
    assert response.json()["detail"] == "model 'm' cannot be served: it is retired"


def test_a_version_that_is_named_by_header_is_gone_with_its_model(client: Client, pool: Pool) -> None:
    pool.apply(routes(RETIRED))
    assert client.infer(headers={"fleetward-version": "champion"}).status_code == 410


def test_grpc_tells_it_as_metadata_and_that_it_is_gone_as_not_found(kept: Kept, shop: Shop, pool: Pool) -> None:
    service = Service(pool, kept, lambda: shop.now, lambda: True, "1.0")

    async def nothing() -> None:
        return None

    face = GrpcFace(service, nothing)
    request = message("ModelInferRequest")(model_name="m")
    tensor = request.inputs.add(name="x", datatype="FP64", shape=[1, 2])
    tensor.contents.fp64_contents.extend([2.0, 1.0])

    def asked() -> tuple[grpc.StatusCode, dict[str, str]]:
        outcome = asyncio.run(face.grpc("ModelInfer", request.SerializeToString(), (), "ipv4:127.0.0.1:5000"))
        return outcome.code, dict(outcome.metadata)

    pool.apply(routes(ending(shop)))
    code, metadata = asked()
    assert (code, metadata["sunset"], metadata["deprecation"]) == (
        grpc.StatusCode.OK,
        "Thu, 25 Dec 2025 00:00:00 GMT",
        "@1764028800",
    )
    pool.apply(routes(RETIRED))
    code, metadata = asked()
    assert (code, metadata["sunset"]) == (grpc.StatusCode.NOT_FOUND, "Thu, 25 Dec 2025 00:00:00 GMT")
