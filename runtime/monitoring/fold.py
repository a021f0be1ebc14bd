"""The monitor as a fold: what it knows is a function of the ledger's entries and the segments they name.

A monitor that died starts again from entry 0 and ends in the same state; the drafts it computes again have
the same idempotency keys and are recorded once. Entries that matter:

    version_promoted, rolled_back        another champion, another baseline
    rollout_started, _advanced, ...      a step to be judged
    segment_sealed                       decisions are counted, outcomes joined to them
    watermark_advanced                   ticks up to it are closed: readings, findings, judged steps
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any

from runtime.domain import events as e
from runtime.domain.decision import Variant
from runtime.domain.entry import Draft, Entry
from runtime.domain.fold import apply
from runtime.domain.ids import derived_id
from runtime.domain.schema import Schema
from runtime.domain.state import FleetState
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.judged import classes_of, watched_metric
from runtime.monitoring.rows import DecisionRows, OutcomeRows
from runtime.monitoring.telling import findings_of
from runtime.monitoring.watch import Trial, Watch

MONITOR = "service:monitor"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ReadObject = Callable[[str], bytes]
ReadDecisions = Callable[[str], list[DecisionRows]]
ReadOutcomes = Callable[[str], list[OutcomeRows]]


class Monitor:
    """Feeds on entries in order; answers each with the drafts it wants recorded."""

    def __init__(self, read_object: ReadObject, read_decisions: ReadDecisions, read_outcomes: ReadOutcomes) -> None:
        self.state = FleetState()
        self.watches: dict[str, Watch] = {}
        self._read_object = read_object
        self._read_decisions = read_decisions
        self._read_outcomes = read_outcomes
        self._decisions = self._outcomes = 0

    def apply(self, entry: Entry) -> list[Draft]:
        """Takes the next entry. Raises what reading a segment raises; then the entry may be given again."""
        baseline = self._baseline(entry.event)
        drafts = self._feed(entry.event)
        apply(self.state, entry)
        self._after(entry.event, baseline)
        return drafts

    def apply_without_data(self, entry: Entry) -> list[Draft]:
        """Takes an entry whose segment or baseline cannot be read: nothing is counted, the state moves on."""
        apply(self.state, entry)
        self._after(entry.event, None)
        return []

    # --- before the state moves: data --------------------------------------------------------------

    def _baseline(self, event: e.Event) -> Baseline | None:
        """The baseline of the version that this event makes the champion."""
        if not isinstance(event, e.VersionPromoted | e.RolledBack):
            return None
        number = event.version if isinstance(event, e.VersionPromoted) else event.to
        registered = self.state.model(event.model).version(number).registered
        return Baseline.from_document(json.loads(self._read_object(registered.baseline)))

    @singledispatchmethod
    def _feed(self, event: Any) -> list[Draft]:  # noqa: ARG002 - most entries carry no data
        return []

    @_feed.register
    def _(self, event: e.SegmentSealed) -> list[Draft]:
        if event.content is e.SegmentContent.DECISIONS:
            for decisions in self._read_decisions(event.digest):
                self._count(decisions)
            self._decisions += event.records
        else:
            for outcomes in self._read_outcomes(event.digest):
                watch = self._watch(outcomes.model)
                for decision_id, row, actual in outcomes.rows:
                    watch.outcome(decision_id, row, actual)
            self._outcomes += event.records
        return []

    @_feed.register
    def _(self, event: e.WatermarkAdvanced) -> list[Draft]:
        ticks, drafts = 0, []
        for name in sorted(self.watches):
            closed, found = self._close(self.watches[name], event.until)
            ticks += closed
            drafts += found
        done = e.TicksClosed(until=event.until, ticks=ticks, decisions=self._decisions, outcomes=self._outcomes)
        self._decisions = self._outcomes = 0
        return [*drafts, Draft(done, MONITOR, derived_id("ticks", event.until.isoformat()))]

    # --- after the state moved: whom to watch ------------------------------------------------------

    @singledispatchmethod
    def _after(self, event: Any, baseline: Baseline | None) -> None:  # noqa: ARG002 - most change nobody's watch
        return None

    @_after.register(e.VersionPromoted)
    @_after.register(e.RolledBack)
    def _(self, event: e.VersionPromoted | e.RolledBack, baseline: Baseline | None) -> None:
        model = self.state.model(event.model)
        watch = self._watch(event.model)
        watch.trial = None
        if model.champion is None or baseline is None:
            return
        watch.follow(model.champion, baseline, self.state.spec_of(model))

    @_after.register(e.RolloutStarted)
    @_after.register(e.RolloutAdvanced)
    def _(self, event: e.RolloutStarted | e.RolloutAdvanced, baseline: Baseline | None) -> None:  # noqa: ARG002
        model = self.state.model(event.model)
        rollout = model.rollout
        if rollout is None or model.champion is None:
            return
        spec = self.state.spec_of(model)
        self._watch(event.model).trial = Trial(
            version=rollout.version,
            champion=model.champion,
            step=rollout.step,
            needed=rollout.current.decisions,
            metric=watched_metric(spec),
            classes=classes_of(spec),
        )

    @_after.register(e.RolloutAborted)
    @_after.register(e.VersionRefused)
    def _(self, event: e.RolloutAborted | e.VersionRefused, baseline: Baseline | None) -> None:  # noqa: ARG002
        model = self.state.model(event.model)
        if model.rollout is None and event.model in self.watches:
            self.watches[event.model].trial = None

    # --- counting ----------------------------------------------------------------------------------

    def _watch(self, model: str) -> Watch:
        return self.watches.setdefault(model, Watch(model))

    def _count(self, decisions: DecisionRows) -> None:
        watch = self._watch(decisions.model)
        if decisions.variant is Variant.SHADOW:
            trial = watch.trial
            step = None if trial is None else (trial.version, trial.step)
            for key, output in zip(decisions.keys, decisions.outputs, strict=True):
                watch.waiting.beside(key, decisions.version, output, step)
            return
        decisions = decisions.without(watch.waiting.knows)
        for key, output in zip(decisions.keys, decisions.outputs, strict=True):
            watch.waiting.served(key, decisions.version, output)
        if decisions.erased:
            watch.erased += len(decisions.keys)
        if decisions.keys and decisions.version == watch.version:
            watch.answered(decisions, self._schema(decisions.model, decisions.version))

    def _schema(self, model: str, version: int) -> Schema:
        return self.state.model(model).version(version).registered.schema_

    # --- ticks -------------------------------------------------------------------------------------

    def _close(self, watch: Watch, until: datetime) -> tuple[int, list[Draft]]:
        """Closes the model's open tick when a tick's end has passed; drafts of what was found."""
        model = self.state.models.get(watch.model)
        if model is None or model.retired:
            return 0, []
        spec = self.state.spec_of(model)
        end = EPOCH + ((until - EPOCH) // spec.monitor.every) * spec.monitor.every
        if watch.closed_until is not None and end <= watch.closed_until:
            return 0, []
        watch.closed_until = end
        watch.settle()
        drafts = self._judged(watch, end)
        drafts += [Draft(found, MONITOR, found.finding) for found in findings_of(watch, end, spec.monitor)]
        return 1, drafts

    def _judged(self, watch: Watch, end: datetime) -> list[Draft]:
        trial = watch.trial
        if trial is None or not trial.ready:
            return []
        trial.told = True
        measured = e.RolloutMeasured(
            model=watch.model,
            version=trial.version,
            step=trial.step,
            comparison=trial.comparison(),
            as_of=end,
        )
        return [Draft(measured, MONITOR, derived_id("measured", watch.model, trial.version, trial.step))]
