"""Real parts in place of a cluster: artifacts of a few bytes, grants without a signature, a keeper of lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
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
from runtime.serving.pool import Pool

SCHEMA = Schema(
    inputs=(Field(name="a", kind=FieldKind.NUMBER), Field(name="b", kind=FieldKind.NUMBER)),
    outputs=(Field(name="y", kind=FieldKind.NUMBER),),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Times:
    """``y = factor * a``; the factor ``0`` fails, as a broken model would."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    @property
    def schema(self) -> Schema:
        return SCHEMA

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        if self.factor == 0:
            raise ZeroDivisionError("broken model")
        return np.asarray(columns["a"] * self.factor)


@dataclass
class Shop:
    """Everything a pool is built from, and what came out of it."""

    content: dict[str, bytes] = field(default_factory=dict)
    loads: list[bytes] = field(default_factory=list)
    refused: list[LoadRefused] = field(default_factory=list)
    forged: set[str] = field(default_factory=set)
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
        return Times(float(artifact))

    def pool(self) -> Pool:
        return Pool(
            "replica-1",
            check=self.check,
            fetch=self.fetch,
            load=self.load,
            on_refused=self.refused.append,
            clock=lambda: self.now,
        )

    def servable(self, version: int, factor: float, model: str = "m", signature: str = "good") -> Servable:
        content = b"%g" % factor
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
        return Servable(signed=SignedGrant(grant=grant, key_id="k", signature=signature), schema=SCHEMA)

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
