"""What the monitor knows of one model: gauges against its champion's baseline, recent errors, a running rollout."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from runtime.domain.checks import Checks
from runtime.domain.events import FindingKind, FindingOpened
from runtime.domain.reports import EstimatedPerformance, SliceGap, WindowPerformance
from runtime.domain.schema import Schema
from runtime.domain.spec import Spec
from runtime.domain.watched import Monitoring
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.checking import Checking
from runtime.monitoring.forecast import Forecast
from runtime.monitoring.gauge import Gauge
from runtime.monitoring.judged import Judged, classes_of, errors_of, performance
from runtime.monitoring.pairs import MAX_WAITING, RowKey, Waiting, WaitingRows
from runtime.monitoring.rows import DecisionRows
from runtime.monitoring.slicing import Slicing
from runtime.monitoring.trial import Trial
from runtime.policy.budget import own_threshold
from runtime.statistics.detector import DetectorPlan
from runtime.statistics.performance import error_columns
from runtime.statistics.profile import Counts

TAKEN = ("decisions", "outcomes", "late")


class Watch:
    """One model's monitoring state under one champion; a new champion starts fresh gauges."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.waiting = WaitingRows()
        self.version: int | None = None
        self.spec: Spec | None = None
        """The spec by which it follows its champion."""
        self.spec_digest = ""
        self.baseline: Baseline | None = None
        self.checks: float | None = None
        """Checks between false alarms by the fleet's budget; the spec says where there is none."""
        self.week = 0
        """Rows answered in the week that goes on."""
        self.features: Gauge | None = None
        self.errors: Gauge | None = None
        self.checking: Checking | None = None
        self.forecast: Forecast | None = None
        self.slicing: Slicing | None = None
        self.trial: Trial | None = None
        self.classes: int | None = None
        """How many classes its answers tell apart; none of a regression."""
        self.recent: deque[Judged] = deque(maxlen=1)
        self.closed_until: datetime | None = None
        self.unknown_outcomes = 0
        self.erased = 0
        """Rows served whose inputs were erased before they were counted: they count for performance, not for drift."""
        self.decisions = self.outcomes = self.late = 0
        """Records taken in since a tick was closed last; ``late`` are decisions of ticks that were closed before."""
        self.told: OrderedDict[RowKey, float] = OrderedDict()
        """Outcomes that are not joined to their decisions yet."""

    def follow(self, version: int, baseline: Baseline, spec: Spec) -> None:
        """Watches a new champion against its own baseline."""
        self.version, self.baseline = version, baseline
        self.spec, self.spec_digest = spec, spec.digest
        self.classes = classes_of(spec)
        self.features = self._gauge(FindingKind.DATA_DRIFT)
        self.errors = self._gauge(FindingKind.PERFORMANCE)
        self.recent = deque(maxlen=spec.monitor.recent)
        self.checking = Checking(baseline.features, baseline.bounds, spec.monitor.checks or Checks())
        estimator = baseline.estimator
        self.forecast = None if estimator is None else Forecast(estimator)
        watched = {name: baseline.slices[name] for name in spec.monitor.slices or () if name in baseline.slices}
        self.slicing = Slicing(watched, self.classes) if watched else None

    def _gauge(self, about: FindingKind) -> Gauge | None:
        """A gauge against the present baseline, for the checks between false alarms that are wanted of it."""
        if self.baseline is None or self.spec is None:
            return None
        profile = self.baseline.features if about is FindingKind.DATA_DRIFT else self.baseline.errors
        return Gauge(profile, self._plan(about, self.baseline, self.spec.monitor))

    def _plan(self, about: FindingKind, baseline: Baseline, monitor: Monitoring) -> DetectorPlan:
        checks = own_threshold(monitor) if self.checks is None else self.checks
        if about is FindingKind.PERFORMANCE:
            sigmas = monitor.error_reference_sigmas
            return DetectorPlan.build(baseline.errors, checks_between_false_alarms=checks, reference_sigmas=sigmas)
        wanted = None if monitor.features == "all" else dict.fromkeys(monitor.features, 1.0)
        delta0 = baseline.delta0 if monitor.delta0 == "measured" else monitor.delta0
        return DetectorPlan.build(baseline.features, checks_between_false_alarms=checks, delta0=delta0, weights=wanted)

    def expect(self, checks: float | None) -> None:
        """From now on so many checks between false alarms, as the fleet's budget says; ``None``: as the spec says."""
        if checks == self.checks or self.baseline is None or self.spec is None:
            self.checks = checks
            return
        self.checks = checks
        for about, gauge in self._gauges():
            gauge.plan = self._plan(about, self.baseline, self.spec.monitor)

    def rule(self, spec: Spec) -> None:
        """Other limits hold from now on; gauges keep the evidence that they have."""
        if self.baseline is None or self.spec is None:
            return
        self.spec, self.spec_digest = spec, spec.digest
        self.recent = deque(self.recent, maxlen=spec.monitor.recent)
        for about, gauge in self._gauges():
            gauge.plan = self._plan(about, self.baseline, spec.monitor)

    def snooze(self, about: FindingKind, until: datetime) -> None:
        """Tells nothing of this kind before then."""
        for each, gauge in self._gauges():
            if each is about:
                gauge.quiet_until = max(until, gauge.quiet_until or until)
        if self.checking is not None and about not in dict(self._gauges()):
            self.checking.quiet[about] = max(until, self.checking.quiet.get(about, until))

    def accept(self, finding: FindingOpened, window: dict[str, Any]) -> None:
        """Makes what was found the baseline: the finding's window, and what came while evidence rose again."""
        gauge = dict(self._gauges()).get(finding.about)
        if gauge is None or self.baseline is None:
            return
        profile = gauge.profile.recounted(Counts.from_document(window, gauge.profile.layout) + gauge.window)
        if finding.about is FindingKind.DATA_DRIFT:
            self.baseline = replace(self.baseline, features=profile)
        else:
            performance = finding.recent or self.baseline.performance
            self.baseline = replace(self.baseline, errors=profile, performance=performance)
        fresh = self._gauge(finding.about)
        if fresh is not None:
            fresh.open_tick = gauge.open_tick
        if finding.about is FindingKind.DATA_DRIFT:
            self.features = fresh
        else:
            self.errors = fresh

    def _gauges(self) -> list[tuple[FindingKind, Gauge]]:
        pairs = ((FindingKind.DATA_DRIFT, self.features), (FindingKind.PERFORMANCE, self.errors))
        return [(about, gauge) for about, gauge in pairs if gauge is not None]

    def week_over(self) -> int:
        """Rows answered since this was asked last."""
        rows, self.week = self.week, 0
        return rows

    def answered(self, decisions: DecisionRows, schema: Schema) -> None:
        """Counts fresh rows of its champion: what was asked, what was answered, and of which slice."""
        if self.forecast is not None:
            self.forecast.count([output for output in decisions.outputs if math.isfinite(output)])
        if decisions.erased or self.features is None:
            return
        columns = decisions.columns(schema, self._wanted(self.features))
        self.features.count(columns if self.checking is None else self.checking.count(columns))
        if self.slicing is not None:
            self.slicing.served(decisions.keys, decisions.columns(schema, self.slicing.columns))

    def _wanted(self, features: Gauge) -> dict[str, None]:
        """Columns that are counted, and those that have boundaries."""
        bounded = () if self.checking is None else self.checking.limits.within
        return dict.fromkeys((*features.profile.layout.names, *bounded))

    def take(self, outcomes: Sequence[tuple[str, int, float]]) -> None:
        """Takes outcomes: decision id, row, actual."""
        self.outcomes += len(outcomes)
        for decision_id, row, actual in outcomes:
            self.outcome(decision_id, row, actual)

    def taken(self) -> dict[str, int]:
        """Records taken in since this was asked last."""
        self.week += self.decisions
        found = {name: getattr(self, name) for name in TAKEN}
        for name in TAKEN:
            setattr(self, name, 0)
        return found

    def outcome(self, decision_id: str, row: int, actual: float) -> None:
        """Takes an outcome; the first one of a row counts. Repeated ones, and what is no class, are counted apart."""
        key = (decision_id, row)
        no_class = self.classes is not None and actual not in range(self.classes)
        if no_class or key in self.told or self.waiting.has_judged(key):
            self.unknown_outcomes += 1
            return
        self.told[key] = actual
        if len(self.told) > MAX_WAITING:
            self.told.popitem(last=False)
            self.unknown_outcomes += 1

    def settle(self) -> None:
        """Joins outcomes to their predictions, in the order of row keys.

        Segments of several replicas come in any order, an outcome's maybe before its decision's: joining at the
        end of a tick, sorted, makes sums and windows the same in every run. Outcomes without a decision wait.
        """
        judged = self._joined()
        mine = [
            (key, served, actual)
            for key, waiting, actual in judged
            if waiting.served_by == self.version
            and (served := waiting.of(waiting.served_by)) is not None
            and math.isfinite(served)  # what is no number has no error; the checks count it as failed
        ]
        rows = [(served, actual) for _, served, actual in mine]
        self.judged(rows)
        if self.forecast is not None:
            self.forecast.close(growing=self.features is not None and self.features.since is not None)
        if self.slicing is not None:
            self.slicing.judged(mine)
        if rows and self.errors is not None:
            self.errors.count(error_columns(errors_of(rows, self.classes)))
        if self.trial is not None:
            self.trial.close()
            for _, waiting, actual in judged:
                self.trial.judge(waiting, actual)

    def judged(self, rows: Sequence[Judged]) -> None:
        """Takes a tick's rows that its champion answered and whose outcomes came."""
        self.recent.extend(rows)

    def _joined(self) -> list[tuple[RowKey, Waiting, float]]:
        judged = []
        for key in sorted(self.told):
            waiting = self.waiting.outcome(key)
            if waiting is not None:
                judged.append((key, waiting, self.told.pop(key)))
        return judged

    @property
    def estimated_performance(self) -> EstimatedPerformance | None:
        """Expected of the answers since evidence grew; ``None`` where the baseline tells nothing of it."""
        return None if self.forecast is None else self.forecast.performance

    @property
    def slice_gaps(self) -> tuple[SliceGap, ...]:
        """How unlike the values of the spec's slices fare."""
        return () if self.slicing is None else self.slicing.gaps

    @property
    def recent_performance(self) -> WindowPerformance | None:
        """Errors of the newest rows with outcomes, under this champion; ``None`` before the first."""
        if not self.recent:
            return None
        return performance(list(self.recent), self.classes)
