"""What a version's training saw, as far as its answers are judged by it. Part of the baseline in its package."""

from __future__ import annotations

from pydantic import Field

from runtime.domain.base import Document

MOST_CATEGORIES = 10_000
"""A feature with more categories is not listed: names or free text, of which new ones are no news."""


class Bounds(Document):
    """The smallest and the largest number."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)

    def widened(self, margin: float) -> tuple[float, float]:
        """Both, moved apart by this share of the width on each side."""
        more = margin * (self.high - self.low)
        return self.low - more, self.high + more


class Seen(Document):
    """Over the rows that the artifact was fitted on; ``predictions`` over rows that the predicting model had not seen.

    ``categories`` says in how many rows each was. A feature without a number in them is not in ``numbers``, one of too
    many categories is not in ``categories``.
    """

    numbers: dict[str, Bounds]
    categories: dict[str, dict[str, int]]
    predictions: Bounds
