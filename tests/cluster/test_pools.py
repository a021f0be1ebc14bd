"""Applications of models and pools on a real Serve: they come, follow the load, move and go, and no request fails."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.pools import PoolOptions, dedicated
from runtime.flavors.encoding import Encoding
from runtime.flavors.sklearn import SklearnPredictor, dump
from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import Fleet, fleet_up
from tests.cluster.test_kills import pids_of
from tests.unit.domain.lives import MODEL, SCHEMA, a_spec, applied, declared, evaluated, registered
from tests.unit.monitoring.world import BASELINE

PATIENCE = 150.0
OWN = dedicated(MODEL)
APP = f"pool-{OWN}"
INFER = f"/v2/models/{MODEL}/infer"
BODY = {
    "inputs": [
        {"name": "hour", "shape": [1], "datatype": "FP64", "data": [6.0]},
        {"name": "dest", "shape": [1], "datatype": "BYTES", "data": ["ORD"]},
    ]
}
FULL = [{"full": True}]
QUICK = {"target_ongoing": 0.05, "upscale_delay": "1s", "downscale_delay": "3s"}


def artifact() -> bytes:
    """A linear regression that learnt to answer twice the hour."""
    from sklearn.linear_model import LinearRegression

    generator = np.random.default_rng(1)
    columns: dict[str, Any] = {"hour": generator.uniform(0, 24, 50), "dest": np.array(["ORD", "SFO"] * 25, object)}
    encoding = Encoding.learn(columns, SCHEMA)
    estimator = LinearRegression(fit_intercept=False).fit(encoding.matrix(columns), 2 * columns["hour"])
    return dump(SklearnPredictor(estimator, SCHEMA, encoding))


@pytest.fixture(scope="module")
def fleet(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of one model, in the default pool."""
    with fleet_up(cluster, tmp_path_factory.mktemp("pools")) as fleet:
        record(applied(a_spec(rollout=FULL)), declared())
        stored = {
            "artifact": fleet.store.put(artifact()),
            "baseline": fleet.store.put(canonical.encode(BASELINE.as_document())),
        }
        record(registered().model_copy(update=stored), evaluated())
        settle()
        # A replica that loads its first version for long is not waited for by ``settle``.
        until(lambda: all(ask(fleet, INFER, BODY).status_code == 200 for _ in range(20)), "all replicas answer")
        yield fleet


def record(*events: e.Event) -> None:
    from actors.recording import record

    record(events, "user:test", time.monotonic_ns())


def settle() -> None:
    from actors.quiescence import settle

    settle("*")


def serve_as(**serving: Any) -> None:
    """Apply the model's spec with another word on how it is served."""
    record(applied(a_spec(rollout=FULL, serving=serving)))


def replicas(app: str) -> set[str]:
    """The actors of an application's replicas that run."""
    from ray.serve.context import _get_global_client

    client = _get_global_client()
    assert client is not None
    found = client.get_serve_details()["applications"].get(app, {"deployments": {}})
    listed = [each for one in found["deployments"].values() for each in one["replicas"]]
    return {each["actor_id"] for each in listed if each["state"] == "RUNNING"}


def until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"it did not happen in time: {what}"
        time.sleep(0.1)


class Load:
    """Callers that ask again and again; what was not answered with 200 is kept."""

    def __init__(self, url: str, pause: float) -> None:
        self._url, self._ended, self._pause = f"{url}{INFER}", threading.Event(), pause
        self.answered, self.failed = 0, list[str]()

    def ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._ended.wait(self._pause):
                try:
                    answer = client.post(self._url, json=BODY)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.answered += 1
                if answer.status_code != 200:
                    self.failed.append(f"{answer.status_code} {answer.text[:300]}")

    def end(self) -> None:
        self._ended.set()


@contextmanager
def load(fleet: Fleet, callers: int = 2, pause: float = 0.0) -> Iterator[Load]:
    """Requests for as long as this lasts."""
    asking = Load(fleet.url, pause)
    threads = [threading.Thread(target=asking.ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield asking
    finally:
        asking.end()
        for thread in threads:
            thread.join()
    assert asking.failed == []
    assert asking.answered > callers


def ask(fleet: Fleet, path: str, body: Any = None) -> httpx.Response:
    method = "GET" if body is None else "POST"
    content = None if body is None else orjson.dumps(body)
    return httpx.request(method, f"{fleet.url}{path}", content=content, trust_env=False, timeout=30)


def test_a_model_moves_into_an_application_of_its_own_and_no_request_fails(fleet: Fleet) -> None:
    before = replicas("pool-default")
    with load(fleet):
        serve_as(dedicated={"replicas": "1-2", **QUICK})
        settle()
    assert len(replicas(APP)) >= 1
    assert replicas("pool-default") == before, "the default pool was not touched"
    moved = [entry.event for entry in fleet.entries() if isinstance(entry.event, e.ModelMoved)]
    assert [(event.model, event.pool) for event in moved] == [(MODEL, OWN)]


def test_it_is_found_under_the_paths_of_all_protocols(fleet: Fleet) -> None:
    rows = [{"hour": 6.0, "dest": "ORD"}]
    for path, body in (
        (INFER, BODY),
        (f"/v1/models/{MODEL}:predict", {"instances": rows}),
        (f"/models/{MODEL}/invocations", {"dataframe_records": rows}),
        (f"/v1/models/{MODEL}", None),
        (f"/v2/models/{MODEL}/ready", None),
    ):
        answer = ask(fleet, path, body)
        assert answer.status_code == 200, (path, answer.text)
    elsewhere = ask(fleet, f"/v1/models/{MODEL}x:predict", {"instances": rows})
    assert elsewhere.status_code == 404


def test_it_gets_a_second_replica_under_load_and_gives_it_back(fleet: Fleet) -> None:
    (first,) = replicas(APP)
    with load(fleet, callers=8) as asking:
        until(lambda: len(replicas(APP)) == 2, "a second replica")
        seen = asking.answered
        until(lambda: asking.answered > seen + 50, "requests to both")
    assert first in replicas(APP)
    with load(fleet, callers=1, pause=0.5):
        until(lambda: len(replicas(APP)) == 1, "one replica again")


def test_more_replicas_of_the_default_pool_leave_those_that_run_alone(fleet: Fleet) -> None:
    before = replicas("pool-default")
    record(e.PoolConfigured(pool="default", options=PoolOptions.model_validate({"replicas": 3})))
    until(lambda: len(replicas("pool-default")) == 3, "a third replica")
    assert before < replicas("pool-default")


def test_a_suspended_model_gives_its_replicas_back_and_the_default_pool_says_so(fleet: Fleet) -> None:
    record(e.ModelSuspended(model=MODEL, reason="to see"))
    until(lambda: not replicas(APP), "no replica")
    settle()
    answer = ask(fleet, INFER, BODY)
    assert (answer.status_code, "it is suspended" in answer.text) == (503, True)
    record(e.ModelResumed(model=MODEL, reason="seen"))
    settle()
    assert ask(fleet, INFER, BODY).status_code == 200


def test_an_operator_that_is_killed_between_the_steps_of_a_move_ends_it(fleet: Fleet) -> None:
    with load(fleet):
        serve_as(pool="default")
        for _ in range(4):
            time.sleep(4)  # somewhere between two steps
            until(lambda: len(pids_of("operator")) == 1, "the operator is back")
            os.kill(pids_of("operator").pop(), signal.SIGKILL)
        settle()
    assert replicas(APP) == set()
    moved = [entry.event.pool for entry in fleet.entries() if isinstance(entry.event, e.ModelMoved)]
    assert moved == [OWN, "default"]


def test_the_application_of_a_retired_model_is_removed(fleet: Fleet) -> None:
    serve_as(dedicated=True)
    settle()
    assert len(replicas(APP)) == 1
    record(e.ModelRetired(model=MODEL, reason="it has had its day"))
    settle()
    assert replicas(APP) == set()
    answer = ask(fleet, INFER, BODY)
    assert (answer.status_code, "it is retired" in answer.text) == (410, True)
