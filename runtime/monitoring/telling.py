"""The end of a tick: what one model's gauges say of it, as findings. The monitor and a run over a past share this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from runtime.domain import events as e
from runtime.domain.checks import Breach
from runtime.domain.ids import derived_id, digest_of
from runtime.domain.watched import Monitoring
from runtime.monitoring.evidence import evidence_of
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.watch import Watch
from runtime.policy.checks import excess
from runtime.statistics.detector import Reading

Keep = Callable[[bytes], None]


def findings_of(watch: Watch, end: datetime, monitor: Monitoring, keep: Keep | None = None) -> list[e.FindingOpened]:
    """Ends the open tick of every gauge at ``end``, and tells what was found; ``keep`` takes each one's evidence."""
    failed = _checked(watch, end, monitor)  # before the gauges end their ticks: it reads the same counts
    found = []
    for about, gauge in ((e.FindingKind.PERFORMANCE, watch.errors), (e.FindingKind.DATA_DRIFT, watch.features)):
        if gauge is not None:
            found += _read(watch, gauge, about, end, monitor, keep)
    return [*found, *failed]


def _checked(watch: Watch, end: datetime, monitor: Monitoring) -> list[e.FindingOpened]:
    checking = watch.checking
    if checking is None or watch.version is None:
        return []
    found = []
    for kind, failed in checking.close(None if watch.features is None else watch.features.open_tick, end).items():
        if kind in checking.quiet and end < checking.quiet[kind]:
            continue
        checking.quiet[kind] = end + monitor.repeat_after
        found.append(_finding_of(watch, kind, failed, end, monitor.every))
    return found


def _finding_of(
    watch: Watch, kind: e.FindingKind, failed: tuple[Breach, ...], end: datetime, every: timedelta
) -> e.FindingOpened:
    return _opened(
        watch,
        kind,
        end,
        since=end - every,
        log_evidence=excess(failed[0]),
        log_threshold=0.0,
        features=(),
        breaches=failed,
    )


def _read(
    watch: Watch, gauge: Gauge, about: e.FindingKind, end: datetime, monitor: Monitoring, keep: Keep | None
) -> list[e.FindingOpened]:
    reading = gauge.close(end - monitor.every)
    if reading is None or not reading.alarm or watch.version is None:
        return []
    if gauge.quiet_until is not None and end < gauge.quiet_until:
        return []
    finding = _finding(watch, gauge, reading, about, end, monitor.every)
    if keep is not None:
        evidence = evidence_of(finding, gauge, reading, _importances(watch))
        keep(evidence)
        finding = finding.model_copy(update={"evidence": digest_of(evidence)})
    gauge.reset()
    if about is e.FindingKind.DATA_DRIFT:
        gauge.quiet_until = end + monitor.repeat_after
    return [finding]


def _finding(
    watch: Watch,
    gauge: Gauge,
    reading: Reading,
    about: e.FindingKind,
    end: datetime,
    every: timedelta,
) -> e.FindingOpened:
    return _opened(
        watch,
        about,
        end,
        since=gauge.since or end - every,
        log_evidence=reading.evidence,
        log_threshold=reading.threshold,
        features=gauge.statistics(reading, _importances(watch)),
        rows=gauge.window.rows,
        estimated=watch.estimated_performance,
        slices=watch.slice_gaps or None,
    )


def _importances(watch: Watch) -> Mapping[str, float]:
    return {} if watch.baseline is None else watch.baseline.importances


def _opened(watch: Watch, about: e.FindingKind, end: datetime, **evidence: Any) -> e.FindingOpened:
    """A finding about the model, named by what it is about and when, with how the model does."""
    version = watch.version or 0
    return e.FindingOpened(
        finding=derived_id("finding", watch.model, version, about.value, end.isoformat()),
        model=watch.model,
        version=version,
        about=about,
        as_of=end,
        recent=watch.recent_performance,
        baseline=None if watch.baseline is None else watch.baseline.performance,
        **evidence,
    )
