"""A fleet's rollout in waves: few models first, and a stop at the first wave that goes badly."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from runtime.domain.base import Document
from runtime.domain.misfit import misfit
from runtime.domain.terms import Share


class Waves(Document):
    """``shares`` of a batch's models that are reached by the end of each wave, the last of them all.

    A wave begins when every challenger of the waves before it came to its end. Where more than the share ``stop_at``
    of a wave's challengers were ended by a guard or by people, no later wave begins until somebody says so.
    """

    shares: Annotated[tuple[Share, ...], Field(min_length=2, max_length=20)]
    stop_at: Share = 0.0

    @model_validator(mode="after")
    def _grows_to_all(self) -> Self:
        if not all(0 < before < after for before, after in pairwise(self.shares)) or self.shares[-1] != 1:
            found = ", ".join(f"{share:.0%}" for share in self.shares)
            raise misfit("shares", found, "shares that grow to 100%, such as [5%, 25%, 100%]")
        return self

    def bounds(self, models: int) -> tuple[int, ...]:
        """How many of so many models each wave reaches, at least one more than the wave before while there are any.

        >>> Waves(shares=(0.05, 0.25, 1.0)).bounds(10)
        (1, 3, 10)
        """
        reached, found = 0, []
        for share in self.shares:
            reached = min(max(math.ceil(share * models - 1e-9), reached + 1), models)
            found.append(reached)
        return tuple(found)
