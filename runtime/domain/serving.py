"""Where and how a model is served, as its owner's spec says it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.pools import DEFAULT, EVERY, NAME_PATTERN, PoolOptions, dedicated, is_dedicated
from runtime.domain.training import Period

TLS_FILE = "FLEETWARD_SERVE_TLS_FILE"
"""The variable by which a local cluster says where its HAProxy looks for certificate and key."""


def _own_options(value: Any) -> Any:
    """``true`` asks for an application of its own as it comes, ``false`` for none."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class Serving(Document):
    """Where and how a model is served.

    ``dedicated``: by replicas of its own, which get these options (``true``: the usual ones); else by those of
    ``pool``.
    ``pinned``: it stays in memory however seldom it is asked. ``blocking``: its predictions take long or wait for
    others, so they run in threads from the first on (a model that is measured to be slow does so anyway).
    ``concurrency``: how many of its predictions may run in threads at a time, in one replica. ``timeout``: of a
    prediction in a thread; one that takes longer is a 504.
    """

    pool: str = Field(default=DEFAULT, pattern=NAME_PATTERN)
    dedicated: Annotated[PoolOptions | None, BeforeValidator(_own_options)] = None
    environment: str = "prod"
    pinned: bool = False
    blocking: bool = False
    concurrency: int = Field(default=4, ge=1, le=64)
    timeout: Period = timedelta(seconds=30)

    @model_validator(mode="after")
    def _is_in_one_pool(self) -> Self:
        if is_dedicated(self.pool) or (self.dedicated is not None and self.pool != DEFAULT):
            raise misfit("pool", repr(self.pool), "either the name of a shared pool, or dedicated: true without one")
        return self

    def pool_of(self, model: str) -> str:
        """The pool that a model of this spec belongs in."""
        return self.pool if self.dedicated is None else dedicated(model)

    @property
    def pools(self) -> str:
        """The pool of all models of this spec, to wait for: ``*`` where each has its own."""
        return self.pool if self.dedicated is None else EVERY
