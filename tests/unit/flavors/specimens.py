"""One predictor of every flavor, and the columns it is asked about: what the contract of flavors is tested on.

All answer numbers about flights; torch and a matrix in ONNX take numbers alone, so their schema has no text.
"""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.schema import FieldKind, Schema, Task, outputs_of
from runtime.domain.training import Remote, Rules, Training
from runtime.flavors import Columns, Storable, fitting
from runtime.flavors.onnx import OnnxPredictor
from runtime.flavors.remote import RemotePredictor, close_connections
from runtime.flavors.rules import TablePredictor, bring
from runtime.flavors.session import Session
from tests.unit.flavors.boosters import SCHEMA, columns, target

NUMBERS = Schema(
    inputs=tuple(field for field in SCHEMA.inputs if field.kind is FieldKind.NUMBER), outputs=SCHEMA.outputs
)
CHANCES = Schema(inputs=SCHEMA.inputs, outputs=outputs_of(Task.CLASSIFICATION))

TABLE = b"""
rules:
  - {when: {distance: "< 500", dest: [LAX, ORD]}, then: 80}
  - {when: {distance: "[500, 1500)"}, then: 180}
  - {when: {dest: missing}, then: 200}
  - {then: 300}
"""


def decide(row: Mapping[str, Any]) -> float:
    """A rule as a plain function: minutes by the distance, or a guess where it is missing."""
    return 150.0 if row["distance"] is None else 20 + row["distance"] / 8


def fitted_by(trainer: str, estimator: str, schema: Schema = SCHEMA, **parameters: Any) -> Storable:
    """A model fitted on 200 rows, in the form that serves."""
    training = Training.model_validate({"trainer": trainer, "estimator": estimator, "seed": 2013})
    given = columns()
    truth = target(given)
    wanted = truth if schema.outputs == SCHEMA.outputs else (truth > 180).astype(np.float64)
    return fitting.served(fitting.fit(training, schema, given, wanted, parameters, None), given)


def graph_by_column() -> bytes:
    """ONNX that takes each column by name: distance / 8 + hour, and reads no text."""
    from onnx import TensorProto, helper

    rows = ["rows"]
    nodes = [
        helper.make_node("Div", ["distance", "eight"], ["minutes"]),
        helper.make_node("Add", ["minutes", "hour"], ["sum"]),
        helper.make_node("Equal", ["dest", "ord"], ["is_ord"]),
        helper.make_node("Where", ["is_ord", "forty", "sum"], ["answer"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, kind, rows)
        for name, kind in [("hour", 11), ("distance", 11), ("dest", 8)]  # DOUBLE, DOUBLE, STRING
    ]
    constants = [
        helper.make_tensor("eight", TensorProto.DOUBLE, [1], [8.0]),
        helper.make_tensor("forty", TensorProto.DOUBLE, [1], [40.0]),
        helper.make_tensor("ord", TensorProto.STRING, [1], np.array([b"ORD"])),
    ]
    answer = helper.make_tensor_value_info("answer", TensorProto.DOUBLE, rows)
    graph = helper.make_graph(nodes, "by_column", inputs, [answer], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def module_weights(folder: Path) -> Path:
    """Weights of ``tests.unit.flavors.net:Net``, as safetensors."""
    import safetensors.torch
    import torch

    from tests.unit.flavors.net import Net

    torch.manual_seed(2013)
    path = folder / "net.safetensors"
    path.write_bytes(safetensors.torch.save(Net().state_dict()))
    return path


class Vendor(http.server.BaseHTTPRequestHandler):
    """An Open Inference Protocol server: minutes by the distance. ``faults`` are answered first, one a request."""

    protocol_version = "HTTP/1.1"
    faults: list[Callable[[Vendor], None]] = []
    seen: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"headers": dict(self.headers), "body": body})
        if self.faults:
            self.faults.pop(0)(self)
            return
        data = next(each["data"] for each in body["inputs"] if each["name"] == "distance")
        answers = [150.0 if value is None else 20 + value / 8 for value in data]
        self.reply(200, {"outputs": [{"name": "minutes", "shape": [len(data)], "datatype": "FP64", "data": answers}]})

    def reply(self, status: int, document: Any, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Nothing is printed."""


@contextmanager
def vendor() -> Iterator[tuple[type[Vendor], str]]:
    """A vendor's server of its own on this machine, and its address."""
    handler = type("OneVendor", (Vendor,), {"faults": [], "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_port}/v2/models/minutes/infer"
    finally:
        close_connections()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Specimen:
    """A predictor and how to get it again; ``wrong`` columns are those that its schema refuses."""

    name: str
    flavor: str
    make: Callable[[Path, str], Storable]

    def __str__(self) -> str:
        return self.name


def _fitted(name: str, trainer: str, estimator: str, schema: Schema = SCHEMA, **parameters: Any) -> Specimen:
    return Specimen(name, trainer, lambda _, __: fitted_by(trainer, estimator, schema, **parameters))


def _torch(folder: Path, _: str) -> Storable:
    pytest.importorskip("torch", reason="torch is an optional extra")
    from runtime.flavors import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return torch.bring(module_weights(folder).name, None, "tests.unit.flavors.net:Net", NUMBERS)


def _matrix_in_onnx() -> Storable:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LinearRegression

    given = columns()
    matrix = np.nan_to_num(np.stack([given["hour"], given["distance"]], axis=1))
    fitted = LinearRegression().fit(matrix, target(given))
    kind = FloatTensorType([None, 2])
    model = skl2onnx.to_onnx(fitted, initial_types=[("columns", kind)], target_opset={"": 17, "ai.onnx.ml": 3})
    return OnnxPredictor(Session(model.SerializeToString()), NUMBERS)


def _remote(_: Path, url: str) -> Storable:
    given = {"url": url, "private_networks": True, "timeout": "10s", "backoff": "0.01s"}
    return RemotePredictor(Remote.model_validate(given), SCHEMA)


FUNCTION = "tests.unit.flavors.specimens:decide"

SPECIMENS = (
    _fitted("trees", "sklearn", "HistGradientBoostingRegressor", max_iter=15),
    _fitted("linear", "sklearn", "Ridge"),
    _fitted("forest with a twin", "sklearn", "RandomForestRegressor", n_estimators=20),
    _fitted("network with a twin", "sklearn", "MLPRegressor", max_iter=400, solver="lbfgs"),
    _fitted("without a twin", "sklearn", "PLSRegression"),
    _fitted("chance by trees", "sklearn", "HistGradientBoostingClassifier", CHANCES, max_iter=15),
    _fitted("chance by a line", "sklearn", "LogisticRegression", CHANCES),
    _fitted("chance by a forest", "sklearn", "RandomForestClassifier", CHANCES, n_estimators=20),
    _fitted("xgboost", "xgboost", "XGBRegressor", n_estimators=15),
    _fitted("chance by xgboost", "xgboost", "XGBClassifier", CHANCES, n_estimators=15),
    _fitted("lightgbm", "lightgbm", "LGBMRegressor", n_estimators=15),
    _fitted("chance by lightgbm", "lightgbm", "LGBMClassifier", CHANCES, n_estimators=15),
    Specimen("onnx by column", "onnx", lambda _, __: OnnxPredictor(Session(graph_by_column()), SCHEMA)),
    Specimen("onnx by matrix", "onnx", lambda _, __: _matrix_in_onnx()),
    Specimen("torch", "torch", _torch),
    Specimen("table", "rules", lambda _, __: TablePredictor(TABLE, SCHEMA)),
    Specimen("function", "rules", lambda _, __: bring(Rules(function=FUNCTION), SCHEMA)),
    Specimen("remote", "remote", _remote),
)


@functools.cache
def asked() -> Columns:
    """Sixty rows that no specimen was fitted on, a tenth of each column missing."""
    return columns(60, seed=7)


def part(given: Columns, start: int, stop: int) -> dict[str, Any]:
    """Some rows of the columns."""
    return {name: column[start:stop] for name, column in given.items()}
