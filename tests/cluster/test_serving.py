"""The real Serve application behind HAProxy, with a governor of a few lines in place of the ledger's."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from runtime.domain import canonical
from runtime.domain.entry import Draft
from runtime.domain.events import LoadRefused, SegmentContent, SegmentSealed, Stage
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.pools import PoolOptions
from runtime.domain.routes import Route, Routes, Servable
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.seen import Bounds, Seen
from runtime.flavors.encoding import Encoding
from runtime.flavors.sklearn import SklearnPredictor, dump
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.local_cluster import LocalCluster
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment
from tests.cluster.fleet import environment
from tests.cluster.scraping import Scraped, scrape, scraped_until

SCHEMA = Schema(
    inputs=(Field(name="a", kind=FieldKind.NUMBER), Field(name="b", kind=FieldKind.NUMBER)),
    outputs=(Field(name="y", kind=FieldKind.NUMBER),),
)
BODY = orjson.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [2.0, 1.0]}]})
PATIENCE = 30.0


class SmallGovernor:
    """Hands out the routes it was given, and keeps what it is told."""

    def __init__(self) -> None:
        self._routes: dict[str, tuple[int, Route]] = {}
        self._size, self._flush = 0, 0
        self._drafts: dict[str, Draft] = {}
        self._followers: dict[str, tuple[int, int]] = {}
        self._changed = asyncio.Condition()

    async def routes(self, pool: str, replica: str, size: int, flush: int) -> Routes:
        self._followers[replica] = (size, flush)
        async with self._changed:
            with suppress(TimeoutError):
                news = self._changed.wait_for(lambda: self._size > size or self._flush > flush)
                await asyncio.wait_for(news, timeout=2)
        changed = tuple(route for seq, route in self._routes.values() if seq >= size)
        return Routes(size=self._size, flush=self._flush, routes=changed)

    async def record(self, drafts: list[Draft], credential: str | None = None) -> list[str]:
        self._drafts.update({draft.event_id: draft for draft in drafts})
        return [draft.event_id for draft in drafts]

    async def put(self, route: Route) -> int:
        async with self._changed:
            self._routes[route.model] = (self._size, route)
            self._size += 1
            self._changed.notify_all()
        return self._size

    async def ask_flush(self) -> int:
        async with self._changed:
            self._flush += 1
            self._changed.notify_all()
        return self._flush

    async def followers(self) -> dict[str, tuple[int, int]]:
        return self._followers

    async def events(self) -> list[Any]:
        return [draft.event for draft in self._drafts.values()]


@dataclass
class Bench:
    """The application, its governor, and what a test needs to change routes."""

    url: str
    governor: Any
    store: ObjectStore
    key: SigningKey
    replicas: int = 2
    content: dict[float, bytes] = field(default_factory=dict)

    def servable(self, version: int, factor: float, key: SigningKey | None = None) -> Servable:
        artifact = self.store.put(artifact_of(factor))
        now = datetime.now(UTC)
        grant = Grant(
            grant_id=f"grant-{version}",
            model="m",
            version=version,
            artifact=artifact,
            package=artifact,
            environment="prod",
            pool="test",
            policy=artifact,
            valid_from=now - timedelta(hours=1),
            valid_until=now + timedelta(hours=1),
        )
        return Servable(signed=sign_grant(grant, key or self.key), schema=SCHEMA)

    def route(self, champion: Servable, **more: Any) -> None:
        """Give the route out, and wait until every replica has said that it follows it."""
        size = self.call("put", Route(model="m", champion=champion, **more))
        self.until(lambda: self._following(size))

    def _following(self, size: int) -> bool:
        sizes = [applied for applied, _ in self.call("followers").values()]
        return len([applied for applied in sizes if applied >= size]) >= self.replicas

    def call(self, method: str, *arguments: Any) -> Any:
        import ray

        return ray.get(getattr(self.governor, method).remote(*arguments), timeout=PATIENCE)

    def infer(self, path: str = "/v2/models/m/infer", content: bytes = BODY) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", content=content, timeout=PATIENCE)

    def events(self, kind: type) -> list[Any]:
        return [event for event in self.call("events") if isinstance(event, kind)]

    def until(self, holds: Any) -> None:
        ends = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < ends, "it did not happen in time"
            time.sleep(0.05)


def artifact_of(factor: float) -> bytes:
    """A linear regression that learnt ``y = factor * a``."""
    from sklearn.linear_model import LinearRegression

    generator = np.random.default_rng(1)
    columns = {name: generator.normal(size=50) for name in ("a", "b")}
    encoding = Encoding.learn(columns, SCHEMA)
    estimator = LinearRegression(fit_intercept=False).fit(encoding.matrix(columns), factor * columns["a"])
    return dump(SklearnPredictor(estimator, SCHEMA, encoding))


def outputs(response: httpx.Response) -> list[float]:
    assert response.status_code == 200, response.text
    return [round(value, 6) for value in response.json()["outputs"][0]["data"]]


def begun(folder: Path, url: str, name: str, replicas: int) -> tuple[Bench, Any]:
    """A governor of this name that routes version 1 of ``m``, and the options of replicas that follow it."""
    import ray

    from actors.model_server import ServerOptions
    from actors.names import NAMESPACE
    from runtime.serving.authentication.checking import Checking

    governor = ray.remote(SmallGovernor).options(name=name, namespace=NAMESPACE, num_cpus=0).remote()
    key = SigningKey.load_or_create(folder / "key.pem")
    bench = Bench(url, governor, ObjectStore.open(str(folder / "store")), key, replicas)
    bench.call("put", Route(model="m", champion=bench.servable(1, 10)))
    options = ServerOptions(
        pool="test",
        public_keys=(key.public_key_text,),
        store=str(folder / "store"),
        wal=str(folder / "wal"),
        governor=name,
        seal_seconds=60,
        checking=Checking("none"),
    )
    return bench, options


@pytest.fixture(scope="module")
def served(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    from ray import serve

    from actors.front import start_front
    from actors.pools import model_server_app

    folder: Path = tmp_path_factory.mktemp("serving")
    bench, options = begun(folder, cluster.serve_url, "small-governor", replicas=2)
    with environment(cluster.environment()):
        start_front(Settings.from_environment({"FLEETWARD_HOME": str(folder), "FLEETWARD_AUTHENTICATION": "none"}))
    serve.run(
        model_server_app(options, PoolOptions.model_validate({"replicas": 2})), name="pool-test", route_prefix="/"
    )
    yield bench
    serve.delete("pool-test")


@pytest.fixture
def bench(served: Bench) -> Bench:
    """The application with version 1 as champion again."""
    served.route(served.servable(1, 10))
    return served


def test_one_row_is_answered_through_haproxy(bench: Bench) -> None:
    response = bench.infer()
    assert outputs(response) == [20.0]
    assert response.json()["model_version"] == "1"
    assert response.headers["fleetward-decision-id"] == response.json()["parameters"]["decision_id"]


def test_answers_are_scraped_by_model_version_and_variant(bench: Bench) -> None:
    labels = {"pool": "test", "model": "m", "version": "1", "variant": "champion"}
    counted = scrape().total("ray_fleetward_requests_total", **labels)
    for _ in range(25):
        bench.infer()

    def told(found: Scraped) -> bool:
        """All of them, in a scrape that fell into no export."""
        requests = found.total("ray_fleetward_requests_total", **labels)
        within = found.total("ray_fleetward_request_seconds_bucket_total", le="+Inf", **labels)
        return requests >= counted + 25 and requests == within

    found = scraped_until(told)
    assert told(found)
    assert 0 < found.total("ray_fleetward_request_seconds_total", **labels) < 60


def test_errors_reach_the_caller_as_they_were_meant(bench: Bench) -> None:
    unknown = bench.infer("/v2/models/nobody/infer")
    malformed = bench.infer(content=b"{")
    mismatch = bench.infer(
        content=orjson.dumps({"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}]})
    )
    assert [each.status_code for each in (unknown, malformed, mismatch)] == [404, 400, 422]
    assert all(each.json()["error"] for each in (unknown, malformed, mismatch))
    assert bench.infer("/v2/models/m/versions/9/infer").status_code == 404
    assert httpx.get(f"{bench.url}/v2/health/ready").status_code == 200


def test_a_flush_seals_what_was_served_before_it_is_acknowledged(bench: Bench) -> None:
    sealed = sum(event.records for event in bench.events(SegmentSealed))
    ids = {bench.infer().headers["fleetward-decision-id"] for _ in range(20)}
    wanted = bench.call("ask_flush")
    bench.until(lambda: [flush for _, flush in bench.call("followers").values()].count(wanted) >= bench.replicas)
    assert len(ids) == 20
    assert sum(event.records for event in bench.events(SegmentSealed)) - sealed >= 20


def test_overrides_are_tried_in_every_replica_and_stand_in_the_sealed_records(bench: Bench) -> None:
    seen = Seen(numbers={"a": Bounds(low=0, high=3)}, categories={}, predictions=Bounds(low=0, high=30))
    baseline = bench.store.put(canonical.encode({"seen": seen.as_document()}))
    package = bench.store.put(canonical.encode({"version": {"baseline": baseline}}))
    grant = bench.servable(30, 10).signed.grant.model_copy(update={"package": package})
    rules = [
        {"when": "out_of_range", "features": ["a"], "then": "refuse"},
        {"when": "missing", "features": ["b"], "then": {"value": 7}},
    ]
    bench.route(Servable(signed=sign_grant(grant, bench.key), schema=SCHEMA), overrides=rules)

    def infer(*values: float | None) -> httpx.Response:
        tensor = {"name": "x", "shape": [len(values) // 2, 2], "datatype": "FP64", "data": values}
        return bench.infer(content=orjson.dumps({"inputs": [tensor]}))

    replaced, refused = infer(2.0, 1.0, 2.0, None), infer(4.0, 1.0)
    assert outputs(replaced) == [20.0, 7.0]
    assert (refused.status_code, refused.json()["where"]) == (422, "input 'a'")
    wanted = bench.call("ask_flush")
    bench.until(lambda: [flush for _, flush in bench.call("followers").values()].count(wanted) >= bench.replicas)
    records = [
        record
        for event in bench.events(SegmentSealed)
        if event.content is SegmentContent.DECISIONS
        for record in read_segment(bench.store, event.digest).to_pylist()
    ]
    flags = {(record["decision_id"], record["row"]): record["flags"] for record in records}
    missing = ["override:value:missing:b", "answered:7.0"]
    assert flags[replaced.headers["fleetward-decision-id"], 0] == ["not_finite"], "the model itself gave one NaN"
    assert flags[replaced.headers["fleetward-decision-id"], 1] == ["not_finite", *missing]
    assert flags[refused.headers["fleetward-decision-id"], 0] == ["override:refuse:out_of_range:a", "refused"]
    bench.route(bench.servable(1, 10))


def test_versions_are_swapped_under_load_without_a_failed_request(bench: Bench) -> None:
    done = threading.Event()
    seen: list[tuple[int, str]] = []

    def client() -> None:
        with httpx.Client(timeout=PATIENCE) as connection:
            while not done.is_set():
                response = connection.post(f"{bench.url}/v2/models/m/infer", content=BODY)
                seen.append((response.status_code, response.text))

    def has_answered(version: str, variant: str) -> bool:
        answers = [orjson.loads(text) for status, text in list(seen) if status == 200]
        return any((a["model_version"], a["parameters"]["variant"]) == (version, variant) for a in answers)

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(client) for _ in range(4)]
        one, two = bench.servable(1, 10), bench.servable(2, 20)
        try:
            bench.route(one, challenger=two, stage=Stage.SHADOW)
            bench.route(one, challenger=two, stage=Stage.CANARY, share=0.5)
            bench.until(lambda: has_answered("1", "champion") and has_answered("2", "canary"))
            bench.route(two)
            bench.until(lambda: has_answered("2", "champion"))
        finally:
            done.set()
        for future in running:
            future.result()
    assert {status for status, _ in seen} == {200}, [text for status, text in seen if status != 200][:3]
    assert {orjson.loads(text)["model_version"] for _, text in seen} == {"1", "2"}
    assert {orjson.loads(text)["parameters"]["variant"] for _, text in seen} == {"champion", "canary"}
    assert outputs(bench.infer()) == [40.0]


def test_a_tampered_artifact_is_refused_and_the_old_champion_goes_on(bench: Bench) -> None:
    bad = bench.servable(7, 70)
    path = Path(bench.store.path_of(bad.signed.grant.artifact))
    path.write_bytes(artifact_of(71))
    bench.route(bad)
    assert outputs(bench.infer()) == [20.0]
    refused = [event for event in bench.events(LoadRefused) if event.version == 7]
    assert len({event.replica for event in refused}) == bench.replicas
    assert all("DigestMismatch" in event.reason for event in refused)


@pytest.mark.parametrize("how", ["unsigned", "forged"])
def test_a_grant_that_the_governor_did_not_sign_is_refused(bench: Bench, how: str, tmp_path: Path) -> None:
    version = {"unsigned": 8, "forged": 9}[how]
    bad = bench.servable(version, 80, SigningKey.load_or_create(tmp_path / "other.pem"))
    if how == "unsigned":
        signed = SignedGrant(grant=bad.signed.grant, key_id=bench.key.key_id, signature="")
        bad = Servable(signed=signed, schema=SCHEMA)
    bench.route(bad)
    assert outputs(bench.infer()) == [20.0]
    assert {event.version for event in bench.events(LoadRefused)} >= {version}


def test_replicas_serve_on_while_the_governor_is_away_and_find_it_again(bench: Bench) -> None:
    import ray

    from actors.names import NAMESPACE

    ray.kill(bench.governor)
    time.sleep(1)
    assert outputs(bench.infer()) == [20.0]
    name = {"name": "small-governor", "namespace": NAMESPACE, "num_cpus": 0}
    bench.governor = ray.remote(SmallGovernor).options(**name).remote()
    bench.call("put", Route(model="other", reason="so that the size grows past what the replicas know"))
    for _ in range(20):
        bench.call("put", Route(model="other", reason="again"))
    bench.route(bench.servable(3, 30))
    assert outputs(bench.infer()) == [60.0]


def test_kill_9_of_one_of_two_replicas_leaves_requests_answered(bench: Bench) -> None:
    from ray.util.state import list_actors

    replicas = [
        actor for actor in list_actors() if "ServeReplica:pool-test" in actor.class_name and actor.state == "ALIVE"
    ]
    assert len(replicas) == 2
    statuses = [bench.infer().status_code for _ in range(20)]
    victim = replicas[0].pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    in_its_hands = 0
    for _ in range(200):
        try:
            status = bench.infer().status_code
        except httpx.TransportError:  # the connection the victim held
            status = 0
        statuses.append(status)
        in_its_hands += status != 200
    assert in_its_hands <= 1, statuses
    bench.until(lambda: len(bench.call("followers")) >= 3)  # a third replica took its place
    assert outputs(bench.infer()) == [20.0]
