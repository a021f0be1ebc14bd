"""Triton's gRPC client, unmodified, against real replicas behind HAProxy, with another application beside."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from runtime.domain.events import SegmentSealed
from runtime.domain.pools import PoolOptions
from runtime.local_cluster import LocalCluster
from runtime.settings import Settings
from runtime.storage.segments import read_segment
from tests.cluster.fleet import environment
from tests.cluster.test_serving import PATIENCE, Bench, begun

ID = "0190b8a6-7c1f-7d2e-8a52-4f3c2b1a0d9e"


class Beside:
    """An application that answers no gRPC."""

    def __call__(self) -> str:
        return "beside"


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture(scope="module")
def bench(cluster: LocalCluster, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    import ray
    from ray import serve

    from actors.front import start_front
    from actors.pools import model_server_app

    folder: Path = tmp_path_factory.mktemp("grpc")
    bench, options = begun(folder, cluster.serve_url, "grpc-governor", replicas=1)
    serve.shutdown()  # where Serve runs already, it runs without gRPC
    with environment({**cluster.environment(), "FLEETWARD_SERVE_GRPC_PORT": str(port)}):
        start_front(Settings.from_environment({"FLEETWARD_HOME": str(folder), "FLEETWARD_AUTHENTICATION": "none"}))
    beside = serve.deployment(ray_actor_options={"num_cpus": 0})(Beside)
    serve.run(beside.bind(), name="beside", route_prefix="/beside")
    serve.run(model_server_app(options, PoolOptions()), name="pool-test", route_prefix="/")
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        bench.until(lambda: _is_ready(client))
    yield bench
    serve.shutdown()  # the next tests start it as they need it
    ray.kill(bench.governor)


def _is_ready(client: triton.InferenceServerClient) -> bool:
    try:
        return bool(client.is_server_ready(client_timeout=PATIENCE))
    except InferenceServerException:
        return False  # HAProxy knows its servers a moment after Serve does


@pytest.fixture
def client(bench: Bench, port: int) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


@pytest.fixture
def stub(bench: Bench, port: int) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def matrix(rows: int = 1, datatype: str = "FP64") -> triton.InferInput:
    values = np.tile([2.0, 1.0], (rows, 1)).astype(np.float64 if datatype == "FP64" else np.float32)
    tensor = triton.InferInput("x", list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def typed(model: str = "m", datatype: str = "FP64") -> Any:
    request = service_pb2.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype=datatype, shape=[1, 2]).contents.fp64_contents.extend([2.0, 1.0])
    return request


def test_the_client_learns_what_is_served_without_naming_an_application(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_model_ready("m")
    assert client.get_server_metadata().name == "fleetward"
    described = client.get_model_metadata("m")
    assert [(each.name, each.datatype) for each in described.inputs] == [("a", "FP64"), ("b", "FP64")]
    assert [(each.name, each.state) for each in client.get_model_repository_index().models] == [("m", "READY")]


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_raw_tensors_are_answered_raw(client: triton.InferenceServerClient, datatype: str) -> None:
    result = client.infer("m", [matrix(datatype=datatype)], request_id="7")
    assert np.allclose(result.as_numpy("y"), [20.0])
    response = result.get_response()
    assert (response.model_version, response.id, len(response.raw_output_contents)) == ("1", "7", 1)


def test_many_rows_and_a_named_version_are_answered(client: triton.InferenceServerClient) -> None:
    result = client.infer("m", [matrix(5000)], model_version="1")
    assert np.allclose(result.as_numpy("y"), np.full(5000, 20.0))


def test_the_asynchronous_client_is_answered(bench: Bench, port: int) -> None:
    async def asked() -> list[Any]:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{port}") as client:
            results = await asyncio.gather(*[client.infer("m", [matrix()]) for _ in range(20)])
            return [result.as_numpy("y") for result in results]

    assert np.allclose(asyncio.run(asked()), 20.0)


def test_typed_contents_are_answered_raw(stub: Any) -> None:
    response = stub.ModelInfer(typed(), timeout=PATIENCE)
    assert np.allclose(np.frombuffer(response.raw_output_contents[0]), [20.0])


def test_a_decision_is_captured_with_its_caller_and_its_own_id(bench: Bench, stub: Any) -> None:
    metadata = (("fleetward-caller", "alice"), ("idempotency-key", ID))
    response, call = stub.ModelInfer.with_call(typed(), metadata=metadata, timeout=PATIENCE)
    assert response.parameters["decision_id"].string_param == ID
    assert dict(call.trailing_metadata())["fleetward-decision-id"] == ID
    wanted = bench.call("ask_flush")
    bench.until(lambda: [flush for _, flush in bench.call("followers").values()].count(wanted) >= 1)
    tables = [read_segment(bench.store, event.digest) for event in bench.events(SegmentSealed)]
    kept = [row for table in tables for row in table.to_pylist() if row["decision_id"] == ID]
    assert [row["caller"] for row in kept] == ["alice"]


def _refused(stub: Any, request: Any, **more: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request, timeout=PATIENCE, **more)
    return refused.value.code(), refused.value.details()


def test_what_is_wrong_is_said_with_a_status_and_the_text_of_http(stub: Any) -> None:
    truncated = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[b"\0" * 15])
    truncated.inputs.add(name="x", datatype="FP64", shape=[1, 2])
    expected = "raw_input_contents[0] of input 'x': got 15 bytes; expected 16 for FP64 of shape [1, 2]"
    assert _refused(stub, truncated) == (grpc.StatusCode.INVALID_ARGUMENT, expected)
    code, text = _refused(stub, typed(datatype="FP99"))
    assert (code, "FP99" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert _refused(stub, typed("nobody")) == (grpc.StatusCode.NOT_FOUND, "no model is named 'nobody'")
    code, text = _refused(stub, typed(), metadata=[("idempotency-key", "7")])
    assert (code, "idempotency-key" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_a_message_of_20_mb_is_refused_and_the_next_one_is_answered(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"message: got \d+ bytes; expected at most 16777216") as refused:
        client.infer("m", [matrix(1_250_000)])
    assert "RESOURCE_EXHAUSTED" in refused.value.status()
    assert np.allclose(client.infer("m", [matrix()]).as_numpy("y"), [20.0])


def test_what_is_not_here_is_unimplemented(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name="m"), timeout=PATIENCE)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
