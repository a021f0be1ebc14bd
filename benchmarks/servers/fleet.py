"""A Fleetward that serves one real model, up for a benchmark: its own Ray, home and ports, gone afterwards.

Callers are authenticated, decisions captured and sealed, and a monitor watches. The model is a logistic regression of
569 tumours (``examples/classes``), trained, judged, approved and rolled out as any other.
"""

from __future__ import annotations

import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import psutil
import yaml

from benchmarks.servers.load import Ask
from runtime.local_cluster import LocalCluster, fixed_environment, join
from runtime.local_cluster.processes import members_of
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.domain.model_state import ModelState, VersionState

ROOT = Path(__file__).resolve().parents[2]
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
SPEC = ROOT / "examples" / "classes" / "cells.yaml"
MODEL = "tumour-cells"


@dataclass(frozen=True)
class Served:
    """The fleet that is up, with its champion."""

    cluster: LocalCluster
    settings: Settings
    credential: str

    @property
    def headers(self) -> dict[str, str]:
        """Of a caller who is known."""
        return {"authorization": f"Bearer {self.credential}"}

    @property
    def url(self) -> str:
        """Where the model answers."""
        return f"{self.cluster.serve_url}/v2/models/{MODEL}/infer"

    def ask(self, rows: int, *, keyed: bool = False) -> Ask:
        """So many rows as one JSON tensor."""
        return Ask(self.url, json_body(rows), self.headers, keyed)

    def model(self) -> ModelState:
        """As the governor has it."""
        import ray

        from actors.connect import governor

        found: ModelState = ray.get(governor().model.remote(MODEL))
        return found

    def champion(self) -> VersionState:
        """The version that serves."""
        version = self.model().serving
        if version is None:
            raise SystemExit(f"{MODEL} was not rolled out; its ledger is in {self.settings.home}")
        return version

    def artifact(self) -> bytes:
        """The champion's."""
        from runtime.storage.objects import ObjectStore

        return ObjectStore.open(self.settings.store).get(self.champion().registered.artifact)

    def first_answer(self) -> float:
        """The probability it gives to the first row."""
        return float(self.post(self.url)["outputs"][0]["data"][0])

    def post(self, url: str) -> dict[str, Any]:
        """The answer about one row, from HAProxy or a replica itself."""
        request = urllib.request.Request(url, json_body(1), self.headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
            answer: dict[str, Any] = orjson.loads(response.read())
        return answer

    def replicas(self, application: str) -> list[psutil.Process]:
        """The processes of a Serve application's replicas."""
        title, found = f"ray::ServeReplica:{application}:", []
        for pid in members_of(Path(self.cluster.temp_dir)):
            with suppress(psutil.Error):  # it has ended since
                process = psutil.Process(pid)
                if " ".join(process.cmdline()).startswith(title):
                    found.append(process)
        return found

    def ports(self) -> list[int]:
        """Where the default pool's replicas listen themselves, behind HAProxy's back."""
        first, last = (int(self.cluster.env[f"RAY_SERVE_DIRECT_INGRESS_{end}_HTTP_PORT"]) for end in ("MIN", "MAX"))
        listening = {
            each.laddr.port
            for replica in self.replicas("pool-default")
            for each in replica.net_connections()
            if each.status == psutil.CONN_LISTEN
        }
        return sorted(port for port in listening if first <= port < last)


@contextmanager
def served(replicas: int) -> Iterator[Served]:
    """A fleet with so many replicas."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        os.environ.update(fixed_environment())
        os.environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        cluster = LocalCluster.start(Path(folder), num_cpus=max(2, os.cpu_count() or 1))
        try:
            join(Path(folder))
            yield _up(cluster, Path(folder), replicas)
        finally:
            _down(cluster)
            os.environ.clear()
            os.environ.update(before)


def _up(cluster: LocalCluster, folder: Path, replicas: int) -> Served:
    from actors.connect import connect
    from actors.credentials import credential_of
    from actors.deploy import deploy
    from actors.quiescence import settle
    from jobs import building
    from runtime.domain.load import load_spec

    home = {"FLEETWARD_HOME": str(folder), "FLEETWARD_PRINCIPAL": "user:benchmark"}
    settings = Settings.from_environment({**home, "FLEETWARD_REPLICAS": str(replicas)})
    os.environ.update(settings.as_environment())
    connect()
    deploy(settings)
    (folder / "spec.yaml").write_text(yaml.safe_dump(document(), sort_keys=False))
    spec = load_spec(folder / "spec.yaml")
    dataset = building.declare(spec, settings, as_of=AS_OF, count=None)
    _, failed = building.train(spec, dataset, settings, as_of=AS_OF)
    if failed:
        raise SystemExit(f"the model could not be trained: {failed[0].reason}")
    settle(spec.serving.pool)
    return Served(cluster, settings, str(credential_of(settings.principal, settings)))


def _down(cluster: LocalCluster) -> None:
    """Leave the cluster before it goes, which would end this process too."""
    if "ray" in sys.modules:
        import ray

        ray.shutdown()
    cluster.stop()


def document() -> dict[str, Any]:
    """The example's spec, approved by its gates alone and rolled out at once."""
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text())
    automatic = {"automatic_if": ["all_gates_pass", {"risk_tier": "low"}], "valid_for": "365d"}
    gates = [{"metric": "roc_auc", "min": 0.9}, {"round_trip": True}]
    spec["train"] |= {"trials": 1, "search": {"C": 1.0, "max_iter": 1000}}
    return spec | {"risk_tier": "low", "gates": gates, "approval": automatic, "rollout": [{"full": True}]}


def matrix(rows: int) -> Any:
    """So many tumours, again from the first when they are all there; shape [rows, 10]."""
    from examples.classes.data import cells

    columns = yaml.safe_load(SPEC.read_text())["data"]["features"]
    known = cells()[columns].to_numpy(dtype=np.float64)
    return known[np.arange(rows) % len(known)]


def json_body(rows: int, **more: Any) -> bytes:
    """One tensor of whole rows."""
    values = matrix(rows)
    tensor = {"name": "x", "shape": list(values.shape), "datatype": "FP64", "data": values.ravel().tolist()}
    return orjson.dumps({"inputs": [tensor], **more})
