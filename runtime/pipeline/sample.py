"""A part of a fleet, chosen the same way every time: for a demonstration, a trial, a test."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from runtime.domain.data import is_framed
from runtime.domain.spec import Spec
from runtime.pipeline.framed import frame_of
from runtime.pipeline.grouping import find_groups
from runtime.pipeline.production import Production
from runtime.pipeline.sources import as_dataset
from runtime.pipeline.streamed import count_rows


def sample(spec: Spec, count: int, *, as_of: datetime | None = None, production: Production | None = None) -> set[str]:
    """Names of ``count`` models spread evenly over all that have enough rows, in order of their names.

    ``as_of`` and ``production`` matter where rows are recorded decisions.
    """
    return spread(candidates(spec, as_of, production), count)


def candidates(spec: Spec, as_of: datetime | None = None, production: Production | None = None) -> list[str]:
    """Names of all models that have enough rows. Raises ``DataError`` for a source that cannot be read."""
    if is_framed(spec.data.source):
        groups, _, _ = find_groups(spec, frame_of(spec, production, as_of)[0], spec.min_rows, None)
        return sorted(group.model for group in groups)
    counted = count_rows(as_dataset(spec.data.source), spec)
    return sorted(model for model, rows in counted.items() if rows >= spec.min_rows)


def spread(names: Collection[str], count: int) -> set[str]:
    """``count`` of the names, evenly spread over their order."""
    ordered = sorted(names)
    if count >= len(ordered):
        return set(ordered)
    return {ordered[index * len(ordered) // count] for index in range(count)}
