"""What a fleet tells a client, as types. What a later version tells beside is kept, and can be had by its name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Told(BaseModel):
    """Frozen, and open to what later versions add."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class Prediction(Told):
    """An answer of a model: a value a row, in order, under the id to tell outcomes by."""

    decision_id: str
    model: str
    version: str
    outputs: tuple[Any, ...]
    parameters: dict[str, Any] = {}


class Recorded(Told):
    """A command that stands in the ledger; ``entry`` is None where everything was so already."""

    entry: int | None
    event_id: str | None
    sentence: str
    revision: int | None = None
    key: str | None = None


class Entry(Told):
    """An entry of the ledger."""

    seq: int
    event_id: str
    time: datetime
    principal: str
    event: dict[str, Any]
    sentence: str

    @property
    def kind(self) -> str:
        """The event's type."""
        return str(self.event["kind"])


class ModelLine(Told):
    """A model among others."""

    model: str
    standing: str
    champion: int | None
    versions: int
    awaiting_approval: tuple[int, ...]
    rollout: str | None
    retraining: str | None
    findings: int
    pool: str | None = None


class Model(Told):
    """One model with its versions; ``seq`` is its revision, which a command may name."""

    name: str
    standing: str
    spec: str
    seq: int
    champion: int | None
    former: tuple[int, ...]
    versions: dict[int, dict[str, Any]]
    rollout: dict[str, Any] | None
    suspended: bool
    retired: bool


class Finding(Told):
    """An alarm with its evidence and what was answered."""

    entry: int
    finding: str
    model: str
    version: int
    about: str
    as_of: datetime
    standing: str
    verdict: dict[str, Any] | None = None
    answered: dict[str, Any] | None = None


class Approval(Told):
    """A version that waits for people's consent."""

    model: str
    version: int
    revision: int
    reason: str
    needed: int
    approvers: tuple[str, ...]
    registered_by: str


class Whoami(Told):
    """Who a client is to the fleet."""

    principal: str
    roles: tuple[str, ...]
    models: tuple[str, ...]
