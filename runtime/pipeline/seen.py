"""What training saw, read off the rows a version was fitted on (``domain/seen.py``)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from runtime.domain.errors import DataError
from runtime.domain.overrides import Override
from runtime.domain.seen import MOST_CATEGORIES, Bounds, Seen
from runtime.flavors import Column, Floats
from runtime.pipeline.train import TrainedModel
from runtime.policy.overrides import Watch


def seen_in(trained: TrainedModel, *, refit: bool) -> Seen:
    """``refit``: the artifact was fitted on the whole window, and else on all of it but the holdout."""
    rows = trained.window if refit else trained.window.part(0, len(trained.window) - len(trained.holdout.rows))
    schema = trained.predictor.schema
    bounds = {name: _bounds(rows.columns[name]) for name in schema.numbers}
    categories = {name: _categories(rows.columns[name]) for name in schema.texts}
    _, predictions = trained.honest
    predicted = _bounds(predictions)
    if predicted is None:
        raise DataError(trained.model, "none of its predictions is a number")
    return Seen(
        numbers={name: each for name, each in bounds.items() if each is not None},
        categories={name: words for name, words in categories.items() if len(words) <= MOST_CATEGORIES},
        predictions=predicted,
    )


def check_overrides(rules: tuple[Override, ...], trained: TrainedModel, seen: Seen) -> None:
    """Raises ``OverrideUnfit`` for a rule that a replica could not try on this version."""
    Watch(rules, trained.predictor.schema, seen)


def _bounds(column: Floats) -> Bounds | None:
    finite = column[np.isfinite(column)]
    return Bounds(low=float(finite.min()), high=float(finite.max())) if finite.size else None


def _categories(column: Column) -> dict[str, int]:
    return dict(sorted(Counter(value for value in column.tolist() if value is not None).items()))
