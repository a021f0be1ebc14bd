"""One Fleetward on the test run's cluster: brought up in a home of its own, asked, and taken down again."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import orjson
import ray
import yaml

from actors.credentials import credential_of
from runtime.domain.base import Document
from runtime.domain.decision import Variant
from runtime.domain.entry import Entry
from runtime.domain.events import PartitionSkipped, SegmentContent, SegmentSealed, VersionEvaluated
from runtime.domain.load import load_spec
from runtime.domain.spec import Spec
from runtime.ledger.log import Log
from runtime.local_cluster import LocalCluster
from runtime.pipeline.asking import infer_request
from runtime.pipeline.replay import Tally, models_of
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import read_segment
from tests.cluster.routes import APRIL_END, MARCH, MODELS, document, load

E = TypeVar("E", bound=Document)


@dataclass(frozen=True)
class Fleet:
    """A Fleetward that is up."""

    cluster: LocalCluster
    settings: Settings
    spec: Spec

    @property
    def url(self) -> str:
        return self.cluster.serve_url

    @property
    def store(self) -> ObjectStore:
        return ObjectStore.open(self.settings.store)

    @property
    def headers(self) -> dict[str, str]:
        """With what who brought the fleet up proves who they are; nothing where nobody is authenticated."""
        credential = credential_of(self.settings.principal, self.settings)
        return {} if credential is None else {"authorization": f"Bearer {credential}"}

    def entries(self) -> list[Entry]:
        """The whole ledger, read beside the governor."""
        with Log.open_read_only(self.settings.database) as log:
            return list(log.entries())


@dataclass(frozen=True)
class Story:
    """What a fleet lived through: the ledger as of the end of the replay, and what came after it."""

    fleet: Fleet
    skipped: tuple[PartitionSkipped, ...]
    registered: int
    answers: dict[str, httpx.Response]
    tally: Tally
    entries: list[Entry]
    tampered: Tampered | None = None

    def events(self, kind: type[E]) -> list[E]:
        """Events of one type, in order."""
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]

    def served_rows(self) -> Counter[tuple[str, int]]:
        """How often each row that was answered stands in a sealed segment."""
        rows: Counter[tuple[str, int]] = Counter()
        for event in self.events(SegmentSealed):
            if event.content is SegmentContent.DECISIONS:
                table = read_segment(self.fleet.store, event.digest).select(["decision_id", "row", "variant"])
                rows.update(
                    (each["decision_id"], each["row"])
                    for each in table.to_pylist()
                    if each["variant"] != Variant.SHADOW.value
                )
        return rows


@dataclass(frozen=True)
class Tampered:
    """A version whose artifact was changed before it was rolled out, and what followed."""

    model: str
    version: int
    champion: int
    entries: list[Entry]
    answer: httpx.Response


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables, for a while."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def fleet_up(cluster: LocalCluster, home: Path, authentication: str = "none", **variables: str) -> Iterator[Fleet]:
    """Governor, monitors, operator and replicas over a new ledger in ``home``, and their end."""
    from actors.deploy import deploy

    home.mkdir(parents=True, exist_ok=True)
    (home / "spec.yaml").write_text(yaml.safe_dump(document(), sort_keys=False))
    settings = Settings.from_environment(
        {
            "FLEETWARD_HOME": str(home),
            "FLEETWARD_PRINCIPAL": "user:test",
            "FLEETWARD_SEAL_SECONDS": "60",
            "FLEETWARD_AUTHENTICATION": authentication,
            **variables,
        }
    )
    with environment({**cluster.environment(), **settings.as_environment()}):
        deploy(settings)
        try:
            yield Fleet(cluster, settings, load_spec(home / "spec.yaml"))
        finally:
            take_down()


def take_down() -> None:
    """Ends the fleet but not Serve itself, which the next one takes over."""
    from ray import serve

    from actors.deploy import end_monitors
    from actors.names import API, GOVERNOR, NAMESPACE, OPERATOR, pool_app

    ray.kill(ray.get_actor(OPERATOR, namespace=NAMESPACE))  # first, since it brings back what it misses
    for name in serve.status().applications:
        if name == API or name.startswith(pool_app("")):
            serve.delete(name)
    end_monitors()
    ray.kill(ray.get_actor(GOVERNOR, namespace=NAMESPACE))


def live_through(fleet: Fleet) -> Story:
    """Trains the fleet, asks it, replays eight weeks, and at last slips it an artifact that was changed on disk."""
    from actors.quiescence import settle
    from jobs.replaying import replay

    skipped, registered = train(fleet)
    settle(fleet.spec.serving.pools)  # first versions are promoted by the operator
    answers = ask_around(fleet)
    tally = replay(fleet.spec, fleet.url, MARCH, APRIL_END)
    entries = fleet.entries()
    return Story(fleet, skipped, registered, answers, tally, entries, tamper(fleet))


def train(fleet: Fleet) -> tuple[tuple[PartitionSkipped, ...], int]:
    """First versions of every model, of January and February; the partitions skipped, and how many were registered."""
    from actors.quiescence import settle
    from jobs import building

    dataset = building.declare(fleet.spec, fleet.settings, as_of=MARCH, count=None)
    registered, failed = building.train(fleet.spec, dataset, fleet.settings, as_of=MARCH)
    assert not failed, failed
    settle(fleet.spec.serving.pools)
    return dataset.skipped, registered


def ask(fleet: Fleet, model: str, *, drop: str | None = None, rename: dict[str, str] | None = None) -> httpx.Response:
    """The answer about the model's first flight, with a feature left out or renamed."""
    flights = load()
    request = infer_request(fleet.spec, model, flights[models_of(fleet.spec, flights) == model].head(1))
    document = orjson.loads(request.body)
    inputs = [each for each in document["inputs"] if each["name"] != drop]
    for each in inputs:
        each["name"] = (rename or {}).get(each["name"], each["name"])
    return httpx.post(
        f"{fleet.url}/v2/models/{model}/infer",
        content=orjson.dumps({"inputs": inputs}),
        headers=fleet.headers,
        trust_env=False,
        timeout=30,
    )


def ask_around(fleet: Fleet) -> dict[str, httpx.Response]:
    """Answers to a good question and to bad ones."""
    model = MODELS[0]
    long = {"inputs": [{"name": "hour", "shape": [2], "datatype": "FP64", "data": [1.0]}]}
    path = f"{fleet.url}/v2/models/{model}/infer"
    good = ask(fleet, model)
    return {
        "good": good,
        "explained": explained(fleet, model, good.headers.get("fleetward-decision-id", "none")),
        "unknown model": httpx.post(f"{fleet.url}/v2/models/nobody/infer", content=b"{}", trust_env=False),
        "missing feature": ask(fleet, model, drop="temp"),
        "renamed feature": ask(fleet, model, rename={"temp": "temperature"}),
        "wrong shape": httpx.post(path, content=orjson.dumps(long), trust_env=False),
    }


def explained(fleet: Fleet, model: str, decision_id: str) -> httpx.Response:
    """Why a decision was what it was, as soon as its segment is sealed."""
    path = f"{fleet.url}/v2/models/{model}/decisions/{decision_id}/explanation"
    deadline = time.monotonic() + 60
    while True:
        answer = httpx.get(path, headers=fleet.headers, trust_env=False, timeout=30)
        if answer.status_code != httpx.codes.NOT_FOUND or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def tamper(fleet: Fleet) -> Tampered:
    """A version like the champion, approved by its report, whose stored artifact then has one bit flipped."""

    def flipped(champion: bytes) -> str:
        artifact = fleet.store.put(champion + b"again")
        path = Path(fleet.store.path_of(artifact))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return artifact

    return slip_in(fleet, "tampered", flipped)


def slip_in(fleet: Fleet, batch: str, artifact_of: Callable[[bytes], str]) -> Tampered:
    """A version with another artifact than the champion's, made of its bytes, and the champion's good report."""
    from actors.connect import governor
    from actors.quiescence import settle
    from actors.recording import record

    before = len(fleet.entries())
    models = ray.get(governor().models.remote())
    model = next(each for each in models if each.serving is not None and each.rollout is None)
    champion = model.serving
    assert champion is not None
    assert champion.report is not None
    number = model.next_version
    artifact = artifact_of(fleet.store.get(champion.registered.artifact))
    changes = {"version": number, "artifact": artifact, "parent": champion.number, "batch": batch}
    record([champion.registered.model_copy(update=changes)], fleet.settings.principal, batch)
    evaluated = VersionEvaluated(model=model.name, version=number, report=champion.report)
    record([evaluated], fleet.settings.principal, batch)
    settle(fleet.spec.serving.pools)
    return Tampered(model.name, number, champion.number, fleet.entries()[before:], ask(fleet, model.name))
