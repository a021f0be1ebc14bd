"""Clients that people already have, unmodified, against the application behind a real server on a port of its own."""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
import uvicorn
from tritonclient.utils import InferenceServerException

from runtime.client import Fleetward, NotFound
from runtime.domain.decision import Decision
from runtime.serving.http import Application
from tests.unit.serving.conftest import Kept
from tests.waiting import wait_until

KSERVE_PYTHON = os.environ.get("FLEETWARD_KSERVE_PYTHON", "")
"""kserve 0.21 asks for pandas < 3, psutil < 6 and protobuf < 7, so it lives in an environment of its own."""


@pytest.fixture
def address(application: Application) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as client:
        yield client


def matrix(datatype: str = "FP64", *, binary: bool = True) -> triton.InferInput:
    values = np.array([[2, 1], [3, 1]]).astype(triton_type(datatype))
    tensor = triton.InferInput("x", [2, 2], datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def triton_type(datatype: str) -> str:
    number = {"BOOL": "?", "FP16": "f2", "FP32": "f4", "FP64": "f8"}
    return number.get(datatype) or ("u" if datatype[0] == "U" else "i") + str(int(datatype.split("T")[1]) // 8)


NUMBERS = [
    *(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *(f"FP{bits}" for bits in (16, 32, 64)),
]


@pytest.mark.parametrize("datatype", NUMBERS)
def test_triton_sends_and_gets_raw_tensors_of_every_number_type(
    client: triton.InferenceServerClient, datatype: str, kept: Kept
) -> None:
    result = client.infer("m", [matrix(datatype)], request_id="r1")
    assert result.as_numpy("y").tolist() == [20.0, 30.0]
    response = result.get_response()
    assert (response["id"], response["model_version"]) == ("r1", "1")
    assert response["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert kept.decisions[0].numbers == ([2.0, 3.0], [1.0, 1.0])


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_triton_chooses_json_or_raw_each_way(
    client: triton.InferenceServerClient, *, binary_in: bool, binary_out: bool
) -> None:
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = client.infer("m", [matrix(binary=binary_in)], outputs=wanted, model_version="1")
    assert result.as_numpy("y").tolist() == [20.0, 30.0]
    assert ("data" in result.get_output("y")) is not binary_out


@pytest.mark.parametrize("binary", [True, False])
def test_triton_sends_text_and_numbers_a_tensor_a_feature(
    client: triton.InferenceServerClient, kept: Kept, *, binary: bool
) -> None:
    inputs = []
    for name, datatype, values in (
        ("dest", "BYTES", np.array(["LAX", "Zürich"], dtype=object)),
        ("b", "INT32", np.array([1, 2], dtype=np.int32)),
        ("a", "BOOL", np.array([True, False])),
    ):
        tensor = triton.InferInput(name, [2], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    assert client.infer("mixed", inputs).as_numpy("y").tolist() == [30.0, 0.0]
    [decision] = kept.decisions
    assert (decision.numbers, decision.texts) == (([1.0, 0.0], [1.0, 2.0]), (["LAX", "Zürich"],))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_triton_compresses_what_it_sends(client: triton.InferenceServerClient, algorithm: str, *, binary: bool) -> None:
    result = client.infer(
        "m",
        [matrix(binary=binary)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert result.as_numpy("y").tolist() == [20.0, 30.0]


def test_triton_learns_of_the_server_and_its_models(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert not client.is_model_ready("m", "2")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    described = client.get_model_metadata("mixed", "1")
    assert described["inputs"][1] == {"name": "dest", "datatype": "BYTES", "shape": [-1]}
    assert [each["name"] for each in client.get_model_repository_index()] == ["m", "mixed", "off"]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda client: client.get_model_config("m"), "not supported: GET /v2/models/m/config"),
        (lambda client: client.get_inference_statistics("m"), "not supported: GET /v2/models/m/stats"),
        (lambda client: client.load_model("m"), "not supported: POST /v2/repository/models/m/load"),
        (lambda client: client.get_system_shared_memory_status(), "not supported: GET /v2/systemsharedmemory/status"),
        (lambda client: client.infer("nobody", [matrix()]), "no model is named 'nobody'"),
        (lambda client: client.infer("off", [matrix()]), "it is suspended"),
        (lambda client: client.infer("mixed", [matrix()]), "expected shape [rows, 3]: a, dest, b"),
    ],
)
def test_triton_shows_what_an_error_says(client: triton.InferenceServerClient, ask: object, words: str) -> None:
    assert callable(ask)
    with pytest.raises(InferenceServerException) as caught:
        ask(client)
    assert words in caught.value.message()


def test_triton_is_told_that_shared_memory_is_refused(client: triton.InferenceServerClient) -> None:
    tensor = triton.InferInput("x", [2, 2], "FP64")
    tensor.set_shared_memory("region-7", 32)
    with pytest.raises(InferenceServerException, match="shared memory region 'region-7'"):
        client.infer("m", [tensor])
    output = triton.InferRequestedOutput("y")
    output.set_shared_memory("region-8", 16)
    with pytest.raises(InferenceServerException, match="shared memory region 'region-8'"):
        client.infer("m", [matrix()], outputs=[output])


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_asynchronous_client_works_too(address: str, *, binary: bool) -> None:
    async def run() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready("m")
            wanted = [triton_aio.InferRequestedOutput("y", binary_data=binary)]
            results = await asyncio.gather(
                *(client.infer("m", [matrix(binary=binary)], outputs=wanted) for _ in range(8))
            )
            assert all(each.as_numpy("y").tolist() == [20.0, 30.0] for each in results)
            with pytest.raises(InferenceServerException, match="no model is named"):
                await client.infer("nobody", [matrix()])

    asyncio.run(run())


def curl(address: str, path: str, *arguments: str, body: bytes = b"") -> tuple[int, bytes]:
    executable = shutil.which("curl")
    assert executable is not None
    command = [executable, "-s", "--max-time", "20", "-w", "%{http_code}", f"http://{address}{path}", *arguments]
    done = subprocess.run(command, input=body, capture_output=True, check=True)
    return int(done.stdout[-3:]), done.stdout[:-3]


def test_curl_as_a_person_types_it(address: str, kept: Kept) -> None:
    infer = orjson.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [2, 1]}]})
    status, body = curl(address, "/v2/models/m/infer", "-d", infer.decode())
    assert (status, orjson.loads(body)["outputs"][0]["data"]) == (200, [20.0])
    assert curl(address, "/v1/models/m:predict", "-d", '{"instances": [[2, 1]]}') == (200, b'{"predictions":[20.0]}')
    arguments = ("-H", "content-type: text/csv", "--data-binary", "@-")
    assert curl(address, "/models/m/invocations", *arguments, body=b"b,a\n1,2\n") == (200, b'{"predictions":[20.0]}')
    assert [decision.rows for decision in kept.decisions] == [1, 1, 1]


@pytest.mark.parametrize("arguments", [(), ("-H", "transfer-encoding: chunked")], ids=["announced", "in chunks"])
def test_a_hundred_megabytes_are_answered_413_and_not_held(
    address: str, tmp_path: Path, arguments: tuple[str, ...], kept: Kept
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(100 << 20)
    headers = ("-H", "expect:", *arguments)
    status, body = curl(address, "/v2/models/m/infer", *headers, "--data-binary", f"@{large}")
    assert status == 413
    assert "at most 16777216" in orjson.loads(body)["error"]
    assert curl(address, "/v2/health/live")[0] == 200
    assert kept.decisions == list[Decision]()


_KSERVE = """
import asyncio, sys
import httpx, numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient
from kserve.inference_client import RESTConfig

async def main(url):
    v1, v2 = (InferenceRESTClient(RESTConfig(protocol=protocol)) for protocol in ("v1", "v2"))
    assert await v2.is_server_live(url) and await v2.is_server_ready(url)
    assert await v2.is_model_ready(url, "m") and await v1.is_model_ready(url, "m")
    assert not await v2.is_model_ready(url, "off") and not await v1.is_model_ready(url, "off")
    assert await v1.infer(url, {"instances": [[2, 1], [3, 1]]}, "m") == {"predictions": [20.0, 30.0]}
    for binary in (True, False):
        tensor = InferInput("x", [2, 2], "FP32")
        tensor.set_data_from_numpy(np.array([[2, 1], [3, 1]], dtype=np.float32), binary_data=binary)
        answer = await v2.infer(url, InferRequest("m", [tensor], request_id="r1"), "m")
        assert (answer.id, answer.outputs[0].as_numpy().tolist()) == ("r1", [20.0, 30.0])
    try:
        await v1.explain(url, "m", {"instances": [[2, 1]]})
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 501
        print("all asked")

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(not KSERVE_PYTHON, reason="FLEETWARD_KSERVE_PYTHON names no Python with kserve")
def test_the_kserve_client_in_an_environment_of_its_own(address: str) -> None:
    command = [KSERVE_PYTHON, "-c", _KSERVE, f"http://{address}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "all asked"), done.stderr


def test_our_own_client_predicts_by_feature_and_tells_what_came_of_it(address: str, kept: Kept) -> None:
    rows = [{"a": 12.5, "dest": "LAX", "b": 1.0}, {"dest": "SFO", "b": 2.0}]
    with Fleetward(f"http://{address}") as fleet:
        answer = fleet.predict("mixed", rows)
        assert (answer.model, answer.version, answer.outputs) == ("mixed", "1", (375.0, None))
        wait_until(lambda: bool(kept.decisions))
        assert kept.decisions[0].decision_id == answer.decision_id
        assert fleet.predict("mixed", rows, answer.decision_id).decision_id == answer.decision_id
        assert fleet.outcomes("mixed", answer.decision_id, [370.0, 12.0]) == 2
        with pytest.raises(NotFound, match="nobody"):
            fleet.predict("nobody", rows)
    assert kept.truths[0].decision_id == answer.decision_id
