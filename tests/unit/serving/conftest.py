"""Real parts in place of a cluster: artifacts of a few bytes, grants without a signature, a keeper of lists."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from runtime.domain.decision import Decision, Outcomes
from runtime.domain.errors import DigestMismatch, GrantInvalid
from runtime.domain.events import LoadRefused, Stage
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import digest_of
from runtime.domain.routes import Route, Routes, Servable
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Capture as Policy
from runtime.flavors import ArtifactInvalid
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool

SCHEMA = Schema(
    inputs=(Field(name="a", kind=FieldKind.NUMBER), Field(name="b", kind=FieldKind.NUMBER)),
    outputs=(Field(name="y", kind=FieldKind.NUMBER),),
)
MIXED = Schema(
    inputs=(
        Field(name="a", kind=FieldKind.NUMBER),
        Field(name="dest", kind=FieldKind.TEXT),
        Field(name="b", kind=FieldKind.NUMBER),
    ),
    outputs=SCHEMA.outputs,
)
"""Text among the numbers."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Times:
    """``y = factor * a``; the factor ``0`` fails, as a broken model would."""

    def __init__(self, factor: float, schema: Schema = SCHEMA) -> None:
        self.factor = factor
        self._schema = schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        if self.factor == 0:
            raise ZeroDivisionError("broken model")
        return np.asarray(columns["a"] * self.factor)


@dataclass
class Shop:
    """Everything a pool is built from, and what came out of it."""

    content: dict[str, bytes] = field(default_factory=dict)
    schemas: dict[bytes, Schema] = field(default_factory=dict)
    loads: list[bytes] = field(default_factory=list)
    refused: list[LoadRefused] = field(default_factory=list)
    forged: set[str] = field(default_factory=set)
    harmful: set[bytes] = field(default_factory=set)
    away: bool = False
    now: datetime = NOW

    def check(self, servable: Servable, model: str) -> None:
        grant = servable.signed.grant
        if servable.signed.signature in self.forged or grant.model != model:
            raise GrantInvalid(grant.model, grant.version, "signature does not match")

    def fetch(self, digest: str) -> bytes:
        if self.away:
            raise OSError("the store is away")
        content = self.content[digest]
        if digest_of(content) != digest:
            raise DigestMismatch("object", digest, digest_of(content))
        return content

    def load(self, artifact: bytes) -> Times:
        self.loads.append(artifact)
        return Times(float(artifact), self.schemas.get(artifact, SCHEMA))

    def vet(self, artifact: bytes) -> None:
        if artifact in self.harmful:
            raise ArtifactInvalid("its first load took more than 3 s")

    def pool(self) -> Pool:
        return Pool(
            "replica-1",
            check=self.check,
            fetch=self.fetch,
            vet=self.vet,
            load=self.load,
            on_refused=self.refused.append,
            clock=lambda: self.now,
        )

    def servable(
        self, version: int, factor: float, model: str = "m", signature: str = "good", schema: Schema = SCHEMA
    ) -> Servable:
        content = b"%g" % factor
        self.schemas[content] = schema
        digest = digest_of(content)
        self.content.setdefault(digest, content)
        grant = Grant(
            grant_id=f"grant-{version}",
            model=model,
            version=version,
            artifact=digest,
            package=digest,
            environment="prod",
            pool="default",
            policy=digest,
            valid_from=NOW - timedelta(days=1),
            valid_until=NOW + timedelta(days=1),
        )
        return Servable(signed=SignedGrant(grant=grant, key_id="k", signature=signature), schema=schema)

    def tamper(self, servable: Servable) -> None:
        self.content[servable.signed.grant.artifact] = b"666"


def routes(*each: Route, size: int = 1, flush: int = 0) -> Routes:
    return Routes(size=size, flush=flush, routes=each)


def route(
    champion: Servable | None, challenger: Servable | None = None, stage: Stage | None = None, share: float = 0.0
) -> Route:
    return Route(model="m", champion=champion, challenger=challenger, stage=stage, share=share)


@dataclass
class Kept:
    """Stands for a capture."""

    decisions: list[Decision] = field(default_factory=list)
    truths: list[Outcomes] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)

    def record(self, decision: Decision, policy: Policy) -> None:
        self.decisions.append(decision)
        self.policies.append(policy)

    def outcomes(self, outcomes: Outcomes, policy: Policy) -> None:
        self.truths.append(outcomes)
        self.policies.append(policy)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def kept() -> Kept:
    return Kept()


ROW = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [2.0, 1.0]}


class Client:
    """httpx over the application itself: its real transport, without a network."""

    def __init__(self, application: Application) -> None:
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://replica")

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **more))

    def infer(self, path: str = "/v2/models/m", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        content = orjson.dumps({"inputs": [ROW], **body})
        return self.send("POST", f"{path}/infer", content=content, headers=headers)

    def close(self) -> None:
        self._runner.close()


@pytest.fixture
def pool(shop: Shop) -> Pool:
    """A model ``m`` of two numbers, ``mixed`` with text among them, and ``off``, which is suspended."""
    pool = shop.pool()
    mixed = Route(model="mixed", champion=shop.servable(1, 30, "mixed", schema=MIXED))
    pool.apply(routes(route(shop.servable(1, 10)), mixed, Route(model="off", reason="it is suspended")))
    return pool


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def application(pool: Pool, kept: Kept, shop: Shop, ended: list[str]) -> Application:
    async def on_shutdown() -> None:
        ended.append("closed")

    service = Service(pool, kept, lambda: shop.now, lambda: not ended, "0.1.0")
    return Application(service, on_shutdown)


@pytest.fixture
def client(application: Application) -> Iterator[Client]:
    client = Client(application)
    yield client
    client.close()
