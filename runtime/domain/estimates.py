"""What is expected before outcomes, and how unlike slices fare, as a line says it."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.domain.metrics import Metric, shown, spelled
from runtime.domain.reports import EstimatedPerformance, SliceGap


def expected_in_words(estimated: EstimatedPerformance | None) -> str:
    """One metric with its band: ``accuracy 0.8803 (0.8013 to 0.9593) expected``; empty without an estimate."""
    if estimated is None:
        return ""
    known = {each.metric: each for each in estimated.metrics}
    metric = next((each for each in (Metric.ACCURACY, Metric.MAE) if each in known), None)
    if metric is None:
        return ""
    value, low, high = (shown(metric, each) for each in (known[metric].value, known[metric].low, known[metric].high))
    return f"{spelled(metric)} {value} ({low} to {high}) expected"


def gap_in_words(slices: Sequence[SliceGap] | None) -> str:
    """The widest gap between values of a column, by the ratio of their errors; empty without any."""
    if not slices:
        return ""
    gap = max(slices, key=lambda each: each.worst_error / each.best_error if each.best_error > 0 else each.worst_error)
    worst, best = shown(gap.metric, gap.worst_error), shown(gap.metric, gap.best_error)
    return f"{spelled(gap.metric.error_name)} {worst} on {gap.slice} {gap.worst} against {best} on {gap.best}"
