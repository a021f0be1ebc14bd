"""A part of a fleet, chosen the same way every time: for a demonstration, a trial, a test."""

from __future__ import annotations

from runtime.domain.spec import Spec
from runtime.pipeline.prepare import find_groups, load_source


def sample(spec: Spec, count: int) -> set[str]:
    """Names of ``count`` models spread evenly over all that have enough rows, in order of their names."""
    needed = spec.for_each.min_rows if spec.for_each else 1
    groups, _, _ = find_groups(spec, load_source(spec), needed, None)
    names = sorted(group.model for group in groups)
    if count >= len(names):
        return set(names)
    return {names[index * len(names) // count] for index in range(count)}
