"""Waiting until everything that was handed in has been acted on, by everybody.

One round: replicas seal what they captured; the watermark moves; the monitors close ticks; the operator
does what is due, jobs included; replicas follow the routes that resulted. Rounds repeat until the ledger did
not grow during one, apart from segments and such, so what comes next meets a fleet that has caught up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, TypeVar

import ray
from ray.exceptions import RayActorError

from actors.connect import governor, monitor, operator
from actors.credentials import credential_of
from actors.follower import RETRY_SECONDS
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.events import WatermarkAdvanced
from runtime.domain.ids import derived_id
from runtime.settings import Settings

T = TypeVar("T")


class NotStarted(FleetwardError):
    """An actor cannot start: its constructor failed, and Ray does not try again."""

    status: ClassVar[int] = 503

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"it cannot start: {self.reason}; mend that and run: fleetward up"


REPLAY = "job:replay"


def ask(call: Callable[..., ray.ObjectRef[T]], *arguments: object) -> T:
    """The answer of an actor call that is safe to repeat, through the actor's death and return.

    Raises ``NotStarted`` when the actor cannot come back, with what keeps it from it.
    """
    while True:
        try:
            return ray.get(call(*arguments))
        except RayActorError as error:
            if error.actor_init_failed:
                raise NotStarted(str(error).strip().splitlines()[-1]) from error
            time.sleep(RETRY_SECONDS)


def settle(pool: str, until: datetime | None = None) -> int:
    """Hands in what was captured, moves the watermark to ``until`` if given, and waits until all is acted on.

    Returns the ledger's size. Raises the governor's refusal when the watermark would move back.
    """
    ask(governor().flush.remote, pool)
    if until is not None:
        moved = Draft(WatermarkAdvanced(until=until), REPLAY, derived_id("watermark", until.isoformat()))
        (answer,) = ask(governor().record.remote, [moved], credential_of(REPLAY, Settings.from_environment()))
        if isinstance(answer, FleetwardError):
            raise answer
    while True:
        size = ask(governor().size.remote)
        for each in range(ask(governor().monitoring.remote).monitors):
            ask(monitor(each).caught_up.remote, size)
        ask(operator().settled.remote, size)
        if ask(governor().size.remote) == size:
            break
    ask(governor().routes_applied.remote, pool)
    return size
