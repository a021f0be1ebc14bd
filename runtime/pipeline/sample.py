"""A part of a fleet, chosen the same way every time: for a demonstration, a trial, a test."""

from __future__ import annotations

from collections.abc import Collection

from runtime.domain.spec import Spec
from runtime.pipeline.grouping import find_groups
from runtime.pipeline.sources import as_dataset, called
from runtime.pipeline.streamed import count_rows


def sample(spec: Spec, count: int) -> set[str]:
    """Names of ``count`` models spread evenly over all that have enough rows, in order of their names."""
    return spread(candidates(spec), count)


def candidates(spec: Spec) -> list[str]:
    """Names of all models that have enough rows. Raises ``DataError`` for a source that cannot be read."""
    if isinstance(spec.data.source, str):
        groups, _, _ = find_groups(spec, called(spec.data.source), spec.min_rows, None)
        return sorted(group.model for group in groups)
    counted = count_rows(as_dataset(spec.data.source), spec)
    return sorted(model for model, rows in counted.items() if rows >= spec.min_rows)


def spread(names: Collection[str], count: int) -> set[str]:
    """``count`` of the names, evenly spread over their order."""
    ordered = sorted(names)
    if count >= len(ordered):
        return set(ordered)
    return {ordered[index * len(ordered) // count] for index in range(count)}
