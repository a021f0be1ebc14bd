"""The gRPC face over the real handlers: the same rules as HTTP's, in gRPC's words."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from runtime.domain.errors import SettingsError
from runtime.serving.authentication.authorise import GatedAuthority
from runtime.serving.authentication.errors import NotAllowed
from runtime.serving.authentication.exposure import grpc_port
from runtime.serving.authentication.pepper import Pepper
from runtime.serving.body import LARGEST_BODY
from runtime.serving.grpc import GrpcFace, LoopbackPeers, Outcome, Peers
from runtime.serving.grpc_service import METHODS, SERVICE, Methods
from runtime.serving.http import Service
from runtime.serving.pool import Pool
from runtime.settings import Settings
from tests.unit.serving.authentication.test_gate import Door
from tests.unit.serving.conftest import Kept, Shop

HERE, ELSEWHERE = "ipv4:127.0.0.1:5000", "ipv4:10.0.0.9:5000"
Ask = Callable[..., Outcome]


def infer(model: str = "m", version: str = "", **parameters: str) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    request.inputs.add(name="x", datatype="FP64", shape=[1, 2])
    request.raw_input_contents.append(np.array([2.0, 1.0]).tobytes())
    for name, value in parameters.items():
        request.parameters[name].string_param = value
    content: bytes = request.SerializeToString()
    return content


async def _nothing() -> None:
    """Nothing to close."""


@pytest.fixture
def service(pool: Pool, kept: Kept, shop: Shop) -> Service:
    return Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0")


def asking(face: GrpcFace) -> Ask:
    def ask(method: str, content: bytes = b"", peer: str = HERE, **metadata: str) -> Outcome:
        pairs = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        return asyncio.run(face.grpc(method, content, pairs, peer))

    return ask


@pytest.fixture
def ask(service: Service) -> Ask:
    return asking(GrpcFace(service, _nothing))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(Pepper.load_or_create(tmp_path / "pepper"))


@pytest.fixture
def guarded(service: Service, door: Door) -> Ask:
    def on_denied(caller: str, model: str | None, reason: str) -> None:
        door.denied.append((caller, model, reason))

    return asking(GrpcFace(service, _nothing, GatedAuthority(door.gate, on_denied), Peers()))


def test_a_prediction_is_answered_and_kept_with_its_caller(ask: Ask, kept: Kept) -> None:
    outcome = ask("ModelInfer", infer(), fleetward_caller="alice")
    response = service_pb2.ModelInferResponse.FromString(outcome.SerializeToString())
    assert np.frombuffer(response.raw_output_contents[0]).tolist() == [20.0]
    assert [decision.caller for decision in kept.decisions] == ["alice"]
    assert response.parameters["decision_id"].string_param == kept.decisions[0].decision_id
    assert dict(outcome.metadata)["fleetward-decision-id"] == kept.decisions[0].decision_id


def test_who_proves_nothing_is_unauthenticated_and_counted(guarded: Ask, door: Door, kept: Kept) -> None:
    outcome = guarded("ModelInfer", infer(), fleetward_caller="alice")
    assert outcome.code is grpc.StatusCode.UNAUTHENTICATED
    assert dict(outcome.metadata)["www-authenticate"].startswith("Bearer")
    assert (kept.decisions, len(door.denied)) == ([], 1)
    assert guarded("ServerLive").code is grpc.StatusCode.OK


def test_a_key_opens_its_own_models_only(guarded: Ask, door: Door, kept: Kept) -> None:
    bearer = f"Bearer {door.key().text}"
    assert guarded("ModelInfer", infer(), authorization=bearer).code is grpc.StatusCode.OK
    assert guarded("ModelInfer", infer("mixed"), authorization=bearer).code is grpc.StatusCode.PERMISSION_DENIED
    assert guarded("ModelInfer", infer("m/versions/1"), authorization=bearer).code is grpc.StatusCode.NOT_FOUND
    assert len(kept.decisions) == 1
    index = guarded("RepositoryIndex", authorization=bearer)
    assert [each.name for each in service_pb2.RepositoryIndexResponse.FromString(index.content).models] == ["m"]


def test_a_quota_is_one_for_grpc_and_http(guarded: Ask, door: Door) -> None:
    bearer = f"Bearer {door.key(per_second=1.0).text}"
    codes = [guarded("ModelInfer", infer(), authorization=bearer).code for _ in range(10)]
    assert codes[0] is grpc.StatusCode.OK
    assert codes[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "retry-after" in dict(guarded("ModelInfer", infer(), authorization=bearer).metadata)


@pytest.mark.parametrize("how", ["parameter", "metadata"])
def test_a_data_subject_without_a_keyring_is_not_recorded_in_the_clear(ask: Ask, kept: Kept, how: str) -> None:
    if how == "parameter":
        outcome = ask("ModelInfer", infer(subject="person-1"))
    else:
        outcome = ask("ModelInfer", infer(), fleetward_subject="person-1")
    assert outcome.code is grpc.StatusCode.UNAVAILABLE
    assert "person-1" not in outcome.details
    assert kept.decisions == []


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "ModelInferRequest"),
        (b"", grpc.StatusCode.INVALID_ARGUMENT, "the model's name"),
        (infer("nobody"), grpc.StatusCode.NOT_FOUND, "no model is named 'nobody'"),
        (infer("off"), grpc.StatusCode.UNAVAILABLE, "it is suspended"),
        (infer(version="9"), grpc.StatusCode.NOT_FOUND, "no version 9"),
        (infer(version="1/infer"), grpc.StatusCode.INVALID_ARGUMENT, "the version"),
        (infer(decision_id="7"), grpc.StatusCode.INVALID_ARGUMENT, "decision_id"),
        (infer("mixed"), grpc.StatusCode.INVALID_ARGUMENT, "shape"),
        (b"\0" * (LARGEST_BODY + 1), grpc.StatusCode.RESOURCE_EXHAUSTED, f"at most {LARGEST_BODY}"),
    ],
)
def test_what_is_wrong_has_a_status_and_a_text(ask: Ask, content: bytes, code: grpc.StatusCode, text: str) -> None:
    outcome = ask("ModelInfer", content)
    assert (outcome.code, outcome.content) == (code, b"")
    assert outcome.details
    assert text in outcome.details


def test_a_model_that_is_not_served_is_known_but_not_ready(ask: Ask) -> None:
    def is_ready(name: str) -> bool:
        outcome = ask("ModelReady", service_pb2.ModelReadyRequest(name=name).SerializeToString())
        return bool(service_pb2.ModelReadyResponse.FromString(outcome.content).ready)

    assert (is_ready("m"), is_ready("off")) == (True, False)


def test_a_models_metadata_is_that_of_http(ask: Ask) -> None:
    outcome = ask("ModelMetadata", service_pb2.ModelMetadataRequest(name="mixed").SerializeToString())
    described = service_pb2.ModelMetadataResponse.FromString(outcome.content)
    assert [(each.name, each.datatype, list(each.shape)) for each in described.inputs][1] == ("dest", "BYTES", [-1])
    assert list(described.versions) == ["1"]


def test_without_authentication_only_this_machine_is_answered(ask: Ask, kept: Kept) -> None:
    for peer in (ELSEWHERE, "ipv6:[2001:db8::1]:5000", "ipv6:%5Bfe80::1%5D:5000"):
        assert ask("ModelInfer", infer(), peer=peer).code is grpc.StatusCode.PERMISSION_DENIED
    assert kept.decisions == []
    for peer in (HERE, "ipv6:[::1]:5000", "ipv6:%5B::1%5D:5000", "ipv6:[::ffff:127.0.0.1]:5000", "unix:"):
        LoopbackPeers().check(peer)
    with pytest.raises(NotAllowed):
        LoopbackPeers().check("ipv6:[::ffff:10.0.0.9]:5000")


def test_every_listed_method_is_one_that_serve_can_call_and_the_public_service_has() -> None:
    public = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert public.full_name == SERVICE
    for name in METHODS:
        assert name in public.methods_by_name
        assert callable(getattr(Methods, name))


def test_a_port_is_opened_when_it_is_asked_for_and_never_beside_tls(tmp_path: Path) -> None:
    settings = Settings.from_environment({"FLEETWARD_HOME": str(tmp_path)})
    assert grpc_port(settings, {}) is None
    assert grpc_port(settings, {"FLEETWARD_SERVE_GRPC_PORT": "9000"}) == 9000
    for wrong in ("0", "70000", "x"):
        with pytest.raises(SettingsError, match="FLEETWARD_SERVE_GRPC_PORT"):
            grpc_port(settings, {"FLEETWARD_SERVE_GRPC_PORT": wrong})
    secured = settings.model_copy(update={"tls_certificate": "cert.pem"})
    with pytest.raises(SettingsError, match="takes no TLS"):
        grpc_port(secured, {"FLEETWARD_SERVE_GRPC_PORT": "9000"})
