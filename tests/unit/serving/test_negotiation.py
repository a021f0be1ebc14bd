"""What a body is, by its headers, and what the answer to it is."""

import gzip
from typing import Any

import orjson
import pyarrow as pa
import pytest

from runtime.serving.protocols.arrow import MEDIA_TYPE
from tests.unit.serving.conftest import ROW, Client, Kept

INFER = orjson.dumps({"inputs": [ROW]})


def stream() -> bytes:
    table = pa.table({"b": [1, 1], "a": [2.0, 3.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def post(client: Client, path: str, content: bytes, **headers: str) -> Any:
    return client.send("POST", path, content=content, headers={key.replace("_", "-"): headers[key] for key in headers})


def test_an_arrow_stream_is_answered_with_one_unless_json_is_asked_for(client: Client, kept: Kept) -> None:
    response = post(client, "/v2/models/m/infer", stream(), content_type=MEDIA_TYPE)
    assert response.headers["content-type"] == MEDIA_TYPE
    table = pa.ipc.open_stream(response.content).read_all()
    assert table.to_pydict() == {"y": [20.0, 30.0]}
    assert table.schema.metadata[b"decision_id"].decode() == response.headers["fleetward-decision-id"]
    response = post(client, "/v2/models/m/infer", stream(), content_type=MEDIA_TYPE, accept="application/json")
    assert response.json()["outputs"][0]["data"] == [20.0, 30.0]
    response = post(client, "/v2/models/m/infer", INFER, accept=f"{MEDIA_TYPE}, */*;q=0.1")
    assert pa.ipc.open_stream(response.content).read_all().to_pydict() == {"y": [20.0]}
    assert [decision.rows for decision in kept.decisions] == [2, 2, 1]


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "Application/JSON", "text/plain", "application/x-www-form-urlencoded"]
)
def test_json_is_read_whatever_clients_call_it(client: Client, media: str) -> None:
    assert post(client, "/v2/models/m/infer", INFER, content_type=media).status_code == 200


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/v2/models/m/infer", "text/csv"),
        ("/v2/models/m/infer", "multipart/form-data; boundary=x"),
        ("/v1/models/m:predict", MEDIA_TYPE),
        ("/models/m/invocations", "image/png"),
        ("/v2/models/m/outcomes", "text/csv"),
    ],
)
def test_another_media_type_is_415(client: Client, path: str, media: str, kept: Kept) -> None:
    response = post(client, path, INFER, content_type=media)
    assert response.status_code == 415
    assert response.json()["where"] == "header content-type"
    assert response.json()["expected"].startswith("application/json")
    assert not kept.decisions


def test_a_compressed_body_is_inflated_and_another_encoding_is_415(client: Client) -> None:
    path = "/v2/models/m/infer"
    assert post(client, path, gzip.compress(INFER), content_encoding="GZIP").status_code == 200
    assert post(client, path, INFER, content_encoding="identity").status_code == 200
    assert post(client, path, gzip.compress(INFER)[:-3], content_encoding="gzip").status_code == 400
    response = post(client, path, INFER, content_encoding="br")
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip, deflate")
    bomb = gzip.compress(bytes(17 << 20))
    assert post(client, path, bomb, content_encoding="gzip").status_code == 413


@pytest.mark.parametrize("value", ["", "-1", "1e3", "99999", "9" * 30])
def test_a_json_length_that_cannot_be_is_malformed(client: Client, value: str) -> None:
    response = post(client, "/v2/models/m/infer", INFER, inference_header_content_length=value)
    assert response.status_code == 400
    assert response.json()["where"] == "header inference-header-content-length"


def test_json_deeper_than_its_limit_is_malformed(client: Client) -> None:
    for content in (b"[" * 100_000, b'{"inputs":' * 2_000, b'{"inputs": [{"data": ' + b"[" * 900 + b"]" * 900 + b"}]}"):
        assert post(client, "/v2/models/m/infer", content).status_code == 400


def test_the_protocols_of_kserve_and_mlflow_make_decisions_too(client: Client, kept: Kept) -> None:
    response = post(client, "/v1/models/m:predict", b'{"instances": [[2, 1], {"a": 3, "b": 1}]}')
    assert response.status_code == 400
    response = post(client, "/v1/models/m:predict", b'{"instances": [[2, 1], [3, 1]]}', fleetward_caller="ops")
    assert response.json() == {"predictions": [20.0, 30.0]}
    assert response.headers["fleetward-decision-id"] == kept.decisions[0].decision_id
    response = post(client, "/models/m/invocations", b"b,a\n1,2\n", content_type="text/csv; charset=utf-8")
    assert response.json() == {"predictions": [20.0]}
    assert [(decision.caller, decision.rows) for decision in kept.decisions] == [("ops", 2), ("anonymous", 1)]


def test_kserves_models_are_listed_and_say_whether_they_are_ready(client: Client) -> None:
    assert client.send("GET", "/v1/models").json() == {"models": ["m", "mixed", "off"]}
    assert client.send("GET", "/v1/models/m").json() == {"name": "m", "ready": True}
    assert client.send("GET", "/v1/models/off").status_code == 503
    assert client.send("GET", "/v1/models/nobody").status_code == 404


def test_a_request_to_explain_is_read_as_one_to_predict(client: Client) -> None:
    assert client.send("POST", "/v1/models/m:explain", content=b"{}").status_code == 400
    assert client.send("POST", "/v1/models/nobody:explain").status_code == 404


def test_head_is_get_without_its_body(client: Client) -> None:
    response = client.send("HEAD", "/v2/health/ready")
    assert (response.status_code, response.content) == (200, b"")
    response = client.send("PUT", "/v2/models/m/infer")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_a_large_body_is_read_with_the_same_answer(client: Client, kept: Kept) -> None:
    rows = 150_000
    body = orjson.dumps({"inputs": [{"name": "x", "shape": [rows, 2], "datatype": "INT64", "data": [2, 1] * rows}]})
    assert len(body) < 1 << 20
    padded = body + b" " * (1 << 20)
    assert post(client, "/v2/models/m/infer", padded).json()["outputs"][0]["data"] == [20.0] * rows
    assert kept.decisions[0].rows == rows
