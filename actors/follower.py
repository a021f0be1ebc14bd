"""How monitor and operator follow the governor: entry after entry, through its restarts and their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import ray
from ray.actor import ActorProxy
from ray.exceptions import RayActorError

from actors.names import GOVERNOR, NAMESPACE
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import FleetwardError
from runtime.domain.packed import Packed
from runtime.ledger.errors import LedgerHeld

if TYPE_CHECKING:
    from actors.governor import Governor, Monitoring
    from runtime.governance.writer import Answer

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.2

T = TypeVar("T")


class GovernorClient:
    """Calls to the governor that outlive its death: every one is repeated until its ledger's writer answers it.

    That is safe since reading changes nothing and every draft carries an idempotency key.
    """

    def __init__(self, own_key: str | None) -> None:
        self._own_key = own_key
        self._governor: ActorProxy[Governor] = ray.get_actor(GOVERNOR, namespace=NAMESPACE)

    async def entries(self, since: int) -> list[Entry]:
        """Entries from ``since`` on; empty when nothing new came within the governor's poll time."""
        return await patiently(lambda: self._governor.entries.remote(since))

    async def following(self, pool: str) -> int:
        """How many live replicas of the pool follow the present routes."""
        return await patiently(lambda: self._governor.following.remote(pool))

    async def monitoring(self) -> Monitoring:
        """How many monitors share the models, and what they saved."""
        return await patiently(self._governor.monitoring.remote)

    async def size(self) -> int:
        """Entries in the ledger."""
        return await patiently(self._governor.size.remote)

    async def record(self, drafts: Sequence[Draft]) -> list[Answer]:
        """The governor's answers; refusals are logged here and recorded there."""
        answers: list[Answer] = await patiently(lambda: self._governor.record.remote(Packed(drafts), self._own_key))
        for draft, answer in zip(drafts, answers, strict=True):
            if isinstance(answer, FleetwardError):
                logger.warning("%s by %s: %s", draft.event.kind, draft.principal, answer)
        return answers


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call that is repeated until the ledger's writer gives one."""
    while True:
        try:
            return await call()
        except (RayActorError, LedgerHeld):
            await asyncio.sleep(RETRY_SECONDS)
