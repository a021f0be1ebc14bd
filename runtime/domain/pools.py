"""Pools: where models are answered, and what a pool's replicas get of the cluster.

    default          at /, for every model that asks for nothing else
    NAME             at /pools/NAME: models that share replicas apart from the others
    dedicated-MODEL  at /v2/models/MODEL: one model that has replicas of its own

Grants are for one pool. A model that moves holds a grant in both until the new one answers:

    spec_applied ──> grant_issued (new pool)   its application comes up, and its replicas load the versions
                     both answer               whichever a request reaches
    model_moved  ──> grant_revoked (old pool)
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from runtime.domain.base import Document
from runtime.domain.ids import ModelName
from runtime.domain.misfit import misfit
from runtime.domain.terms import Duration

DEFAULT = "default"
EVERY = "*"
"""Where a pool is waited for: all of them."""
_DEDICATED = "dedicated-"
NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"
MODEL_PREFIX = "/v2/models/"
_RANGE = re.compile(r"^(\d+)(?:\s*-\s*(\d+))?$")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)?$")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def dedicated(model: str) -> str:
    """The pool of one model that has replicas of its own."""
    return _DEDICATED + model


def is_dedicated(pool: str) -> bool:
    """Whether the pool is that of one model."""
    return pool.startswith(_DEDICATED)


def model_of(pool: str) -> str:
    """The model of a dedicated pool."""
    return pool.removeprefix(_DEDICATED)


def application_of(pool: str) -> str:
    """The Serve application that serves a pool; gRPC's clients name it where it is not the default one."""
    return f"pool-{pool}"


def prefix_of(pool: str) -> str:
    """The path that a pool's application answers under; the longest that fits a request takes it."""
    if pool == DEFAULT:
        return "/"
    return MODEL_PREFIX + model_of(pool) if is_dedicated(pool) else f"/pools/{pool}"


def mount_of(pool: str) -> str:
    """What stands before the path that a replica of the pool knows, where something does.

    A named pool is a whole server of its own. A dedicated application is found under its model's path, which its
    replicas know as it is; other protocols' paths come to it behind ``/-``.
    """
    if pool == DEFAULT:
        return ""
    return prefix_of(pool) + "/-" if is_dedicated(pool) else prefix_of(pool)


def _replicas(value: Any) -> Any:
    if isinstance(value, dict | Replicas):
        return value
    match = _RANGE.match(str(value)) if type(value) in (int, str) else None
    if match is None:
        raise ValueError("expected a number of replicas such as 2, or a range such as 1-4")
    return {"least": int(match[1]), "most": int(match[2] or match[1])}


def _size(value: Any) -> int:
    match = _SIZE.match(str(value)) if type(value) in (int, str) else None
    if match is None:
        raise ValueError("expected a size such as 512MiB or 2GB")
    return round(float(match[1]) * _UNITS[match[2] or "B"])


Size = Annotated[int, BeforeValidator(_size)]
"""Bytes, as a number or such as ``512MiB`` or ``2GB``."""


class Replicas(Document):
    """How many replicas: one number, or a range within which Serve follows the load."""

    least: int = Field(ge=1, le=1000)
    most: int = Field(ge=1, le=1000)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.most < self.least:
            raise misfit("replicas", f"{self.least}-{self.most}", "a range that goes up, such as 1-4")
        return self

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least}-{self.most}"


class PoolOptions(Document):
    """What a pool's replicas get, each, and how many there are.

    ``target_ongoing``: requests in hand that a replica is meant to have on average; more, for ``upscale_delay``, bring
    another replica, and fewer, for ``downscale_delay``, take one away. ``cpus``, ``gpus`` and ``memory`` (bytes) are
    reserved, not enforced: a replica that asks for a whole CPU gets one to itself, but may use more.
    """

    replicas: Annotated[Replicas, BeforeValidator(_replicas)] = Replicas(least=1, most=1)
    target_ongoing: float = Field(default=4, gt=0, le=1000)
    upscale_delay: Duration = timedelta(seconds=30)
    downscale_delay: Duration = timedelta(minutes=10)
    cpus: float = Field(default=0.1, ge=0, le=1024)
    gpus: float = Field(default=0, ge=0, le=64)
    memory: Size = Field(default=0, ge=0, lt=1 << 53)

    @model_validator(mode="after")
    def _gpus_can_be_shared_out(self) -> Self:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise misfit("gpus", f"{self.gpus:g}", "a part of one GPU, or whole ones")
        return self

    @property
    def effective(self) -> Self:
        """Without what says nothing: a fixed number of replicas follows no load."""
        if self.replicas.least != self.replicas.most:
            return self
        usual = type(self)()
        scaling = ("target_ongoing", "upscale_delay", "downscale_delay")
        return self.model_copy(update={name: getattr(usual, name) for name in scaling})


class PoolConfigured(Document):
    """What the replicas of a shared pool get from now on."""

    kind: Literal["pool_configured"] = "pool_configured"
    pool: str = Field(pattern=NAME_PATTERN)
    options: PoolOptions

    @model_validator(mode="after")
    def _is_shared(self) -> Self:
        if is_dedicated(self.pool):
            raise misfit("pool", self.pool, "a shared pool; what a dedicated one gets stands in its model's spec")
        return self


class ModelMoved(Document):
    """A model is answered in another pool; its grants for the old one end."""

    kind: Literal["model_moved"] = "model_moved"
    model: ModelName
    pool: str
    reason: str
