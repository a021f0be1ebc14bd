"""How the control API hands commands to the governor: as whoever asks, and through the governor's death and return."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import ray

from actors.follower import patiently
from actors.names import GOVERNOR, NAMESPACE
from runtime.control.wanted import GovernorAway
from runtime.domain.entry import Draft
from runtime.governance.writer import Answer

WITHIN_SECONDS = 15.0


class GovernorCommands:
    """``Commands`` of the control API. Safe to repeat, since every draft carries an idempotency key."""

    async def __call__(self, drafts: Sequence[Draft], credential: str | None) -> Sequence[Answer]:
        """The governor's answers. Raises ``GovernorAway`` when none came in time."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await self._recorded(drafts, credential)
        except (TimeoutError, ValueError) as error:  # ValueError: no actor has its name (yet)
            raise GovernorAway(WITHIN_SECONDS) from error

    async def _recorded(self, drafts: Sequence[Draft], credential: str | None) -> Sequence[Answer]:
        governor = await asyncio.to_thread(ray.get_actor, GOVERNOR, NAMESPACE)
        return await patiently(lambda: governor.record.remote(list(drafts), credential))
