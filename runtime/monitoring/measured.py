"""What the monitor tells of the models it watches, as gauges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from runtime.domain.events import FindingKind
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.watch import Watch
from runtime.statistics.distances import distances
from runtime.telemetry import families as f
from runtime.telemetry.samples import Names, Sample


def watch_samples(watches: Mapping[str, Watch]) -> Iterator[Sample]:
    """Evidence, distances and errors of every model by name, and the worst evidence of all."""
    followed = {name: watch for name, watch in list(watches.items()) if watch.baseline is not None}
    names = Names(followed)
    worst = dict.fromkeys(FindingKind, 0.0)
    for name, watch in followed.items():
        for about, gauge in ((FindingKind.DATA_DRIFT, watch.features), (FindingKind.PERFORMANCE, watch.errors)):
            if gauge is None:
                continue
            ratio = evidence_ratio(gauge)
            worst[about] = max(worst[about], ratio)
            if names.keeps(name):
                yield Sample(f.EVIDENCE, (name, about.value), ratio)
        if names.keeps(name):
            yield from _of_model(name, watch)
    for about, ratio in worst.items():
        yield Sample(f.WORST_EVIDENCE, (about.value,), ratio)
    yield Sample(f.WATCHED, (), len(followed))
    yield Sample(f.WAITING, (), sum(watch.unknown_outcomes for watch in list(watches.values())))


def evidence_ratio(gauge: Gauge) -> float:
    """Log evidence by log threshold: 0 without any, 1 at an alarm."""
    evidence = gauge.evidence
    return max(evidence / gauge.plan.threshold, 0.0) if math.isfinite(evidence) else 0.0


def _of_model(name: str, watch: Watch) -> Iterator[Sample]:
    gauge = watch.features
    if gauge is not None:
        window = gauge.window  # of the rows since evidence rose; while none did, nothing has moved
        moved = max((each.psi for each in distances(gauge.profile, window)), default=0.0) if window.rows else 0.0
        yield Sample(f.PSI, (name,), moved)
    known = {"baseline": None if watch.baseline is None else watch.baseline.performance}
    for of, performance in (known | {"recent": watch.recent_performance}).items():
        if performance is not None:
            for metric, value in performance.metrics.items():
                yield Sample(f.PERFORMANCE, (name, metric, of), value)
    estimated = watch.estimated_performance
    for expected in () if estimated is None else estimated.metrics:
        yield Sample(f.PERFORMANCE, (name, expected.metric.value, "estimated"), expected.value)
