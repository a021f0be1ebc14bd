"""A part of a fleet, chosen the same way every time: for a demonstration, a trial, a test."""

from __future__ import annotations

from runtime.domain.spec import Spec
from runtime.pipeline.grouping import find_groups
from runtime.pipeline.sources import as_dataset, called
from runtime.pipeline.streamed import count_rows


def sample(spec: Spec, count: int) -> set[str]:
    """Names of ``count`` models spread evenly over all that have enough rows, in order of their names."""
    needed = spec.for_each.min_rows if spec.for_each else 1
    if isinstance(spec.data.source, str):
        groups, _, _ = find_groups(spec, called(spec.data.source), needed, None)
        names = sorted(group.model for group in groups)
    else:
        counted = count_rows(as_dataset(spec.data.source), spec)
        names = sorted(model for model, rows in counted.items() if rows >= needed)
    if count >= len(names):
        return set(names)
    return {names[index * len(names) // count] for index in range(count)}
