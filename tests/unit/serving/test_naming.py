"""Testers say which live version answers; nobody else does, and what they are answered is no traffic of the split."""

import grpc  # type: ignore[import-untyped]
import pytest

from runtime.domain.decision import Variant
from runtime.domain.events import Stage
from runtime.domain.flags import TESTED
from runtime.domain.tokens import Role
from runtime.serving.pool import Pool
from runtime.serving.predicting import NAMED
from tests.unit.serving.authentication.test_gate import Door, bearer, door, guarded
from tests.unit.serving.conftest import Client, Kept, Shop, route, routes
from tests.unit.serving.test_grpc import Ask, ask, infer, service

__all__ = ["ask", "door", "guarded", "service"]

CLIENT, TESTER = (Role.CLIENT,), (Role.CLIENT, Role.TESTER)
INSTANCES = b'{"instances": [[2.0, 1.0]]}'


@pytest.fixture(autouse=True)
def in_shadow(pool: Pool, shop: Shop) -> None:
    """Version 1 answers with 20, version 2 predicts 40 beside it."""
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))


@pytest.mark.parametrize(
    ("name", "version", "answer"), [("2", 2, 40.0), ("challenger", 2, 40.0), ("champion", 1, 20.0)]
)
def test_a_tester_is_answered_by_the_version_it_names_and_no_pair_is_made(
    guarded: Client, door: Door, kept: Kept, name: str, version: int, answer: float
) -> None:
    headers = bearer(door.key(roles=TESTER).text) | {"fleetward-version": name}
    response = guarded.infer(headers=headers)
    assert response.json()["outputs"][0]["data"] == [answer]
    [decision] = kept.decisions
    assert (decision.version, decision.flags) == (version, (NAMED, TESTED))
    assert decision.variant is (Variant.CHAMPION if version == 1 else Variant.CANARY)


@pytest.mark.parametrize("path", ["/v1/models/m:predict", "/models/m/invocations"])
def test_every_protocol_takes_the_header(client: Client, kept: Kept, path: str) -> None:
    response = client.send("POST", path, content=INSTANCES, headers={"fleetward-version": "challenger"})
    assert response.json()["predictions"] == [40.0]
    assert [decision.flags for decision in kept.decisions] == [(NAMED, TESTED)]


def test_grpc_takes_it_as_metadata(ask: Ask, kept: Kept) -> None:
    assert ask("ModelInfer", infer(), fleetward_version="2").code is grpc.StatusCode.OK
    assert [(decision.version, decision.flags) for decision in kept.decisions] == [(2, (NAMED, TESTED))]
    assert ask("ModelInfer", infer(), fleetward_version="3").code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["1", "2", "3", "champion", "challenger", "nonsense"])
def test_a_client_that_is_no_tester_is_told_nothing_but_that(
    guarded: Client, door: Door, kept: Kept, name: str
) -> None:
    response = guarded.infer(headers=bearer(door.key(roles=CLIENT).text) | {"fleetward-version": name})
    assert response.status_code == 403
    assert "it needs the role tester" in response.json()["error"]
    assert kept.decisions == []


def test_a_tester_reaches_no_model_that_its_key_is_not_for(guarded: Client, door: Door) -> None:
    headers = bearer(door.key(roles=TESTER).text) | {"fleetward-version": "1"}
    assert guarded.infer("/v2/models/mixed", headers=headers).status_code == 403


def test_the_path_names_the_champion_for_any_client_and_the_challenger_for_testers(
    guarded: Client, door: Door, kept: Kept
) -> None:
    client = bearer(door.key(roles=CLIENT).text)
    assert guarded.infer("/v2/models/m/versions/1", headers=client).status_code == 200
    assert guarded.infer("/v2/models/m/versions/2", headers=client).status_code == 403
    assert guarded.infer("/v2/models/m/versions/2", headers=bearer(door.key(roles=TESTER).text)).status_code == 200
    assert [(decision.version, decision.flags) for decision in kept.decisions] == [(1, (NAMED,)), (2, (NAMED, TESTED))]


@pytest.mark.parametrize(
    ("path", "name", "status", "text"),
    [
        ("/v2/models/m", "3", 404, "version"),
        ("/v2/models/m", "newest", 400, "a version's number, champion or challenger"),
        ("/v2/models/m/versions/1", "2", 400, "as the path says"),
        ("/v2/models/nobody", "1", 404, "nobody"),
        ("/v2/models/mixed", "challenger", 409, "has no challenger now"),
        ("/v2/models/off", "champion", 503, "it is suspended"),
    ],
)
def test_what_cannot_be_named_says_why(
    client: Client, kept: Kept, path: str, name: str, status: int, text: str
) -> None:
    response = client.infer(path, headers={"fleetward-version": name})
    assert (response.status_code, kept.decisions) == (status, [])
    assert text in response.json()["error"]


def test_the_header_reaches_no_version_whose_grant_has_ended(client: Client, shop: Shop, kept: Kept) -> None:
    shop.now = shop.now.replace(year=shop.now.year + 1)
    response = client.infer(headers={"fleetward-version": "2"})
    assert response.status_code == 503
    assert "the grant of version 2 has ended" in response.json()["error"]
    assert kept.decisions == []
