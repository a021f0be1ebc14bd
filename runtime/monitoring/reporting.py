"""Makes a monitoring report of what is recorded: the ledger, the segments and the baseline it names; no actor is asked.

Evidence over time is computed again, by the monitor's own detector, from the recorded rows in ticks of their event
time. It begins without any at the report's first moment, so it is not what the monitor knew then; what the monitor
found stands in the ledger and is told beside it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from runtime.domain import monitored as m
from runtime.domain.decision import Variant
from runtime.domain.errors import Refused
from runtime.domain.events import SegmentSealed
from runtime.domain.flags import rule_of
from runtime.domain.model_state import VersionState
from runtime.domain.reports import EstimatedPerformance
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.direction import direction_of
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.judged import performance
from runtime.monitoring.records import Records, records_of
from runtime.monitoring.rows import DecisionRows
from runtime.monitoring.watch import Watch
from runtime.statistics.bins import Bins, NumericBins
from runtime.statistics.detector import DetectorState, update
from runtime.statistics.distances import distances
from runtime.statistics.profile import Columns, FeatureProfile
from runtime.storage.inputs import has_inputs
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import recorded_inputs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_PERIODS = 60
_SHOWN_UNSEEN = 10
_LEAST = -1e9
"""For evidence of nothing, whose logarithm is no number."""


@dataclass(frozen=True, slots=True)
class Past:
    """A ledger as far as a report needs it: what it folds into, and the segments it names."""

    state: FleetState
    root: str
    segments: tuple[SegmentSealed, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The version that is reported on, and the rows of the time, whoever answered them."""

    spec: Spec
    version: VersionState
    baseline: Baseline
    records: Records
    by_version: Counter[int]


def subject_of(
    past: Past, store: ObjectStore, model: str, since: datetime, until: datetime, *, version: int | None = None
) -> Subject:
    """``version``, or the one that answered most rows of the time, or else the champion. Raises as ``report_on``."""
    known = past.state.model(model)
    records = records_of(store, past.segments, model, since, until)
    by_version = Counter(records.served["version"].to_pylist())
    number = version or max(by_version, key=lambda each: (by_version[each], each), default=known.champion or 0)
    if not number:
        raise Refused(f"a report on {model}", "nothing of it serves, and no row of that time is recorded")
    about = known.version(number)
    baseline = Baseline.from_document(json.loads(store.get(about.registered.baseline)))
    return Subject(past.state.spec_of(known), about, baseline, records, by_version)


def report_on(
    past: Past, store: ObjectStore, model: str, since: datetime, until: datetime, *, version: int | None = None
) -> m.MonitoringReport:
    """The report. Of ``version``, or of the one that answered most rows of the time, or else of the champion.

    Raises ``UnknownModel``, ``UnknownVersion``, ``Refused`` when there is neither version nor champion, and what the
    store raises for a baseline or a segment that is changed.
    """
    subject = subject_of(past, store, model, since, until, version=version)
    spec, records, baseline = subject.spec, subject.records, subject.baseline
    number = subject.version.number
    watch = Watch(model)
    watch.follow(number, baseline, spec)
    assert watch.features is not None  # noqa: S101 - ``follow`` just made it
    compared = _compared(records, number)
    columns = _columns(compared, subject.version, watch.features)
    judged = judged_of(records.served, watch.classes)
    return m.MonitoringReport(
        model=model,
        spec=spec.name,
        purpose=spec.purpose,
        target=spec.data.target,
        version=number,
        since=since,
        until=until,
        ledger_size=past.state.size,
        ledger_root=past.root,
        baseline_rows=baseline.features.rows,
        log_threshold=watch.features.plan.threshold,
        features=_features(watch.features, columns, compared.num_rows, baseline.importances),
        ticks=tuple(_ticks(watch.features, columns, _micros(compared), spec.monitor.every)),
        baseline=baseline.performance,
        window=performance(judged.rows, watch.classes) if judged.rows else None,
        estimated=_estimated(watch, compared),
        periods=tuple(_periods(judged, watch.classes, since, until, spec.monitor.every)),
        findings=tuple(_told(past.state, model, since, until)),
        quality=_quality(records, subject.by_version, compared.num_rows, len(judged.rows)),
    )


# --- features --------------------------------------------------------------------------------------


def _compared(records: Records, version: int) -> pa.Table:
    served = records.served
    return served.filter(pc.and_(pc.equal(served["version"], version), has_inputs(served)))


def _columns(rows: pa.Table, version: VersionState, gauge: Gauge) -> dict[str, npt.ArrayLike]:
    """The rows' features by name, as the monitor counts them."""
    if not rows.num_rows:
        return {}
    numbers, texts = recorded_inputs(rows)
    registered = version.registered
    decisions = DecisionRows(
        registered.model, registered.version, Variant.CHAMPION, [], numbers, texts, rows["output"].to_pylist()
    )
    return decisions.columns(registered.schema_, gauge.profile.layout.names)


def _features(
    gauge: Gauge, columns: Columns, rows: int, importances: Mapping[str, float]
) -> tuple[m.FeatureReport, ...]:
    """Most surely moved first. All rows are one check, as of a monitor that knew nothing before them."""
    if not rows:
        return ()
    counts = gauge.profile.count(columns)
    _, reading = update(gauge.plan, DetectorState.fresh(gauge.plan), counts)
    moved = {each.name: each for each in distances(gauge.profile, counts)}
    unseen, vectors = gauge.profile.unseen(columns), counts.by_feature()
    ranks = [each.name for each in reading.ranked]
    scores = {each.name: each.log_score for each in reading.ranked}
    found = []
    for name in [*ranks, *(each.name for each in gauge.profile.features if each.name not in scores)]:
        feature, one = gauge.profile.feature(name), moved[name]
        numeric = isinstance(feature.bins, NumericBins)
        labels = Counter(unseen.get(name, {})).most_common(_SHOWN_UNSEEN)
        found.append(
            m.FeatureReport(
                name=name,
                kind="numeric" if numeric else "categorical",
                log_score=max(scores.get(name, _LEAST), _LEAST),
                importance=importances.get(name),
                direction=direction_of(feature, vectors[name]) if scores.get(name, _LEAST) > 0 else None,
                psi=one.psi,
                js=one.js,
                ks=one.ks,
                wasserstein=one.wasserstein,
                missing_rate=one.missing_rate,
                baseline_missing_rate=one.reference_missing_rate,
                unseen=dict(labels),
                shares=_shares(feature, vectors[name].tolist(), rows),
            )
        )
    return tuple(found)


def _shares(feature: FeatureProfile, counts: list[int], rows: int) -> tuple[m.Share, ...]:
    shares = zip(_labels(feature.bins), feature.shares.tolist(), counts, strict=True)
    return tuple(m.Share(label=label, baseline=share, window=count / rows) for label, share, count in shares)


def _labels(bins: Bins) -> list[str]:
    if not isinstance(bins, NumericBins):
        return [*bins.categories, "other", "missing"]
    edges = [f"{edge:.4g}" for edge in bins.edges]
    if not edges:
        return ["any", "missing"]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"to {edges[0]}", *between, f"above {edges[-1]}", "missing"]


def _ticks(gauge: Gauge, columns: Columns, micros: npt.NDArray[np.int64], every: timedelta) -> Iterator[m.Tick]:
    """The detector over the rows, tick after tick; after an alarm it begins again."""
    numbers = micros // (every // timedelta(microseconds=1))
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    for number in np.unique(numbers):
        mine = np.flatnonzero(numbers == number)
        gauge.count({name: values[mine] for name, values in arrays.items()})
        start = _EPOCH + int(number) * every
        reading = gauge.close(start)
        if reading is None:
            continue
        evidence = reading.evidence if math.isfinite(reading.evidence) else _LEAST
        yield m.Tick(end=start + every, rows=len(mine), log_evidence=evidence, alarm=reading.alarm)
        if reading.alarm:
            gauge.reset()


# --- performance -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pairs:
    """(answer, outcome) of the rows whose outcomes are known, and when they were of."""

    rows: list[tuple[float, float]]
    micros: npt.NDArray[np.int64]


def judged_of(served: pa.Table, classes: int | None) -> Pairs:
    """Of rows with finite answers and outcomes that the model can have."""
    output = served["output"].to_numpy(zero_copy_only=False).astype(np.float64)
    actual = served["actual"].to_numpy(zero_copy_only=False).astype(np.float64)
    good = np.isfinite(output) & np.isfinite(actual)
    if classes is not None:
        good &= np.isin(actual, np.arange(classes))
    rows = list(zip(output[good].tolist(), actual[good].tolist(), strict=True))
    return Pairs(rows, _micros(served)[good])


def _estimated(watch: Watch, rows: pa.Table) -> EstimatedPerformance | None:
    if watch.forecast is None:
        return None
    watch.forecast.count(rows["output"].to_pylist())
    watch.forecast.close(growing=False)
    return watch.forecast.performance


def _periods(
    judged: Pairs, classes: int | None, since: datetime, until: datetime, every: timedelta
) -> Iterator[m.Period]:
    """Whole ticks, so many that there are at most ``_SHOWN_PERIODS``; those without a row are left out."""
    ticks = max(-(-(until - since) // every), 1)
    length = every * max(-(-ticks // _SHOWN_PERIODS), 1)
    numbers = (judged.micros - (since - _EPOCH) // timedelta(microseconds=1)) // (length // timedelta(microseconds=1))
    for number in np.unique(numbers):
        rows = [judged.rows[place] for place in np.flatnonzero(numbers == number)]
        yield m.Period(start=since + int(number) * length, performance=performance(rows, classes))


# --- the ledger and the records --------------------------------------------------------------------


def _told(state: FleetState, model: str, since: datetime, until: datetime) -> Iterator[m.Told]:
    for found in state.findings.values():
        opened = found.opened
        if opened.model == model and since <= opened.as_of < until:
            yield m.Told(
                finding=opened.finding,
                version=opened.version,
                about=opened.about,
                as_of=opened.as_of,
                since=opened.since,
                log_evidence=opened.log_evidence,
                log_threshold=opened.log_threshold,
                features=opened.features,
                verdict=found.verdict,
            )


def _quality(records: Records, by_version: Counter[int], compared: int, judged: int) -> m.Quality:
    served = records.served
    outputs = served["output"].to_numpy(zero_copy_only=False)
    flags = served["flags"].to_pylist()
    latencies = served["latency_us"].to_numpy(zero_copy_only=False) / 1000
    quantiles = np.quantile(latencies, [0.5, 0.99]).tolist() if served.num_rows else [None, None]
    return m.Quality(
        rows=served.num_rows,
        by_version={str(number): by_version[number] for number in sorted(by_version)},
        compared=compared,
        sealed=served.num_rows - int(pc.sum(has_inputs(served)).as_py() or 0),
        tested=records.tested,
        repeated=records.repeated,
        not_finite=int((~np.isfinite(outputs.astype(np.float64))).sum()),
        overridden=sum(any(rule_of(flag) for flag in each) for each in flags),
        with_outcome=judged,
        missing_segments=records.missing,
        latency_ms_p50=quantiles[0],
        latency_ms_p99=quantiles[1],
    )


def _micros(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Event times in microseconds."""
    moments = rows["event_time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    micros: npt.NDArray[np.int64] = moments.to_numpy(zero_copy_only=False).astype(np.int64)
    return micros
