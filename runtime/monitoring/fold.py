"""The monitor as a fold: what it knows is a function of the ledger's entries and the segments they name.

A monitor that died starts again from what it saved (``resuming``), or else from entry 0, and ends in the same state;
the drafts it computes again have the same idempotency keys and are recorded once. One of several monitors takes every
entry in, and counts for its own models only (``shards``). Entries that matter:

    version_promoted, rolled_back        another champion, another baseline
    rollout_started, _advanced, ...      a step to be judged
    segment_sealed                       decisions are counted, outcomes joined to them
    watermark_advanced                   ticks up to it are closed: readings, findings, judged steps
    monitors_set                         models change hands: ticks that a former monitor did not close are closed
    policy_approved                      other thresholds from now on
    monitor_saved                        what was saved before the save before it is outdated
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import singledispatchmethod
from typing import Any

from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain.base import DAWN
from runtime.domain.decision import Variant
from runtime.domain.entry import Draft, Entry
from runtime.domain.fold import apply
from runtime.domain.ids import derived_id
from runtime.domain.policies import PolicyApproved
from runtime.domain.schema import Schema
from runtime.domain.state import FleetState
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.judged import classes_of, watched_metric
from runtime.monitoring.resuming import Known
from runtime.monitoring.rows import Answered, DecisionRows, OutcomeRows
from runtime.monitoring.shards import Shard
from runtime.monitoring.telling import findings_of
from runtime.monitoring.trial import Trial
from runtime.monitoring.watch import Watch
from runtime.policy.budget import fleet_thresholds
from runtime.policy.retraining import window_opens
from runtime.policy.scorecard import scorecard
from runtime.statistics.bins import NumericBins

MONITOR = "service:monitor"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)

ReadObject = Callable[[str], bytes]
ReadDecisions = Callable[[str], list[DecisionRows]]
ReadOutcomes = Callable[[str], list[OutcomeRows]]


class Monitor:
    """Feeds on entries in order; answers each with the drafts it wants recorded."""

    def __init__(
        self,
        read_object: ReadObject,
        read_decisions: ReadDecisions,
        read_outcomes: ReadOutcomes,
        shard: Shard = Shard(),  # noqa: B008 - frozen
        known: Known = Known(),  # noqa: B008 - frozen
    ) -> None:
        """``known``: what was saved of the shard's models; it takes the ledger from entry 0 on all the same."""
        self.state = FleetState()
        self.shard = shard
        self.watches: dict[str, Watch] = dict(known.watches)
        self.outdated: list[str] = []
        """Digests of saves that nobody needs any more, and that are this monitor's to delete."""
        self.evidence: list[bytes] = []
        """Documents that the drafts given last name by their digests: to be stored before those are recorded."""
        self._read_object = read_object
        self._read_decisions = read_decisions
        self._read_outcomes = read_outcomes
        self._known = known
        self._at = 0

    @property
    def is_even(self) -> bool:
        """Whether its watches know the same entries: what it knows can be saved then, as of one number of them."""
        return self.state.size >= max(self._known.sizes.values(), default=0)

    def apply(self, entry: Entry) -> list[Draft]:
        """Takes the next entry. Raises what reading a segment raises; then the entry may be given again."""
        self._at = entry.seq
        self.evidence = []
        if entry.seq < self._known.start:
            apply(self.state, entry)
            return []
        if not self._is_news(getattr(entry.event, "model", None)):
            self._move(entry)
            return []
        baseline = self._baseline(entry.event)
        drafts = self._feed(entry.event)
        self._move(entry)
        self._after(entry.event, baseline)
        return drafts

    def apply_without_data(self, entry: Entry) -> list[Draft]:
        """Takes an entry whose segment or baseline cannot be read: nothing is counted, the state moves on."""
        self._at = entry.seq
        self._move(entry)
        if self._is_news(getattr(entry.event, "model", None)):
            self._after(entry.event, None)
        return []

    def _move(self, entry: Entry) -> None:
        event = entry.event
        if not isinstance(event, e.MonitorSaved):
            apply(self.state, entry)
            return
        before = _digests(self.state) | {event.digest}
        apply(self.state, entry)
        if event.monitor % self.shard.monitors == self.shard.monitor:
            self.outdated += sorted(before - _digests(self.state))

    def _is_news(self, model: str | None) -> bool:
        """Whether the model is this monitor's, and its watch does not know the present entry yet; so are no model's."""
        return model is None or (self.shard.owns(model) and self._at >= self._known.since(model))

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
                if self._is_news(decisions.model):
                    self._count(decisions)
        else:
            for outcomes in self._read_outcomes(event.digest):
                if self._is_news(outcomes.model):
                    self._watch(outcomes.model).take(outcomes.rows)
        return []

    @_feed.register
    def _(self, event: e.WatermarkAdvanced) -> list[Draft]:
        ticks, drafts, taken = 0, [], Counter[str]()
        checks = fleet_thresholds(self.state)
        for name in sorted(self.watches):
            if self._is_news(name):
                watch = self.watches[name]
                watch.expect(checks.get(name))
                closed, found = self._close(watch, event.until)
                ticks += closed
                drafts += found
                taken.update(watch.taken())
        drafts += self._traffic(event.until)
        return [*drafts, *self._closed(event.until, ticks, taken, derived_id("ticks", event.until.isoformat()))]

    def _traffic(self, until: datetime) -> list[Draft]:
        """What its models answered in the week that ended, once where there is a budget to share out by it."""
        week, before = window_opens(until, WEEK), window_opens(self.state.watermark, WEEK)
        ended = week if week == until else week - WEEK
        last = before if before == self.state.watermark else before - WEEK
        if ended <= last:
            return []
        weeks = {name: self.watches[name].week_over() for name in sorted(self.watches) if self._is_news(name)}
        nobody_asks = self.state.alarm_budget is None and self.state.retraining_budget is None
        if nobody_asks or self.state.watermark == DAWN or not weeks:
            return []
        if self.state.monitors != self.shard.monitors:
            return []  # done again for models taken over: those that had them measured it then
        days = (ended - last) / timedelta(days=1)
        measured = e.TrafficMeasured(until=ended, rows_a_day={name: rows / days for name, rows in weeks.items()})
        shard = (self.shard.monitor, self.shard.monitors)
        return [Draft(measured, MONITOR, derived_id("traffic", ended.isoformat(), *shard))]

    @_feed.register
    def _(self, event: f.FindingAnswered) -> list[Draft]:
        finding, watch = self.state.findings.get(event.finding), self.watches.get(event.model or "")
        if finding is None or watch is None or finding.opened.version != watch.version:
            return []
        opened = finding.opened
        if event.until is not None:
            watch.snooze(opened.about, event.until)
        if event.answer is f.Answer.ACCEPTED and opened.evidence is not None:
            watch.accept(opened, json.loads(self._read_object(opened.evidence))["window"])
        return []

    @_feed.register
    def _(self, event: e.MonitorsSet) -> list[Draft]:
        """Says of ticks that the former monitors were closing that they are closed: this one has closed its share."""
        until = self.state.watermark
        if event.monitors != self.shard.monitors or self.state.ticks_until >= until:
            return []
        key = derived_id("ticks", until.isoformat(), "handed over", self._at)
        return [self._share(until, 0, Counter(), key)]

    def _closed(self, until: datetime, ticks: int, taken: Counter[str], key: str) -> list[Draft]:
        """That all of it is closed; nothing while the ledger is at a place where others shared the models."""
        return [self._share(until, ticks, taken, key)] if self.state.monitors == self.shard.monitors else []

    def _share(self, until: datetime, ticks: int, taken: Counter[str], key: str) -> Draft:
        done = e.TicksClosed(
            until=until,
            ticks=ticks,
            decisions=taken["decisions"],
            outcomes=taken["outcomes"],
            late=taken["late"] or None,
        )
        if self.shard.monitors == 1:
            return Draft(done, MONITOR, key)
        ours = {"monitor": self.shard.monitor, "monitors": self.shard.monitors}
        return Draft(done.model_copy(update=ours), MONITOR, derived_id(key, self.shard.monitor, self.shard.monitors))

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
            guardrail=spec.guardrail,
            cuts=self._cuts(event.model, spec.watched_output),
        )

    def _cuts(self, model: str, output: str) -> tuple[float, ...]:
        """The edges of the bins in which answers are compared: those of the champion's own in its baseline."""
        baseline = self._watch(model).baseline
        known = {} if baseline is None else {each.name: each.bins for each in baseline.features.features}
        bins = known.get(output)
        return bins.edges if isinstance(bins, NumericBins) else ()

    @_after.register(e.RolloutAborted)
    @_after.register(e.VersionRefused)
    def _(self, event: e.RolloutAborted | e.VersionRefused, baseline: Baseline | None) -> None:  # noqa: ARG002
        model = self.state.model(event.model)
        if model.rollout is None and event.model in self.watches:
            self.watches[event.model].trial = None

    @_after.register
    def _(self, event: PolicyApproved, baseline: Baseline | None) -> None:  # noqa: ARG002
        self.rule()

    def rule(self) -> None:
        """Policies in force are others than before: its watches go by them from now on."""
        for name, watch in self.watches.items():
            if self._is_news(name):
                watch.rule(self.state.spec_of(self.state.model(name)))

    # --- counting ----------------------------------------------------------------------------------

    def _watch(self, model: str) -> Watch:
        return self.watches.setdefault(model, Watch(model))

    def _count(self, decisions: DecisionRows) -> None:
        watch = self._watch(decisions.model)
        watch.decisions += len(decisions.keys)
        if decisions.variant is Variant.SHADOW:
            trial = watch.trial
            step = None if trial is None else (trial.version, trial.step)
            fresh = [watch.waiting.is_news(key, decisions.version) for key in decisions.keys]
            for key, output in zip(decisions.keys, decisions.outputs, strict=True):
                watch.waiting.beside(key, decisions.version, output, step)
            self._try(watch, decisions, fresh)
            return
        handed_in = len(decisions.keys)
        decisions = decisions.without(watch.waiting.knows)
        watch.late += decisions.before(watch.closed_until)
        for key, output in zip(decisions.keys, decisions.outputs, strict=True):
            watch.waiting.served(key, decisions.version, output)
        self._try(watch, decisions, [True] * len(decisions.keys))
        if watch.checking is not None and decisions.version == watch.version:
            rows = len(decisions.keys)
            watch.checking.answered(decisions.answers, rows=rows, duplicates=handed_in - rows)
        if decisions.erased:
            watch.erased += len(decisions.keys)
        if decisions.keys and decisions.version == watch.version:
            watch.answered(decisions, self._schema(decisions.model, decisions.version))

    def _try(self, watch: Watch, decisions: DecisionRows, fresh: Sequence[bool]) -> None:
        """Shows the running step what it can say before outcomes: fresh rows of the challenger, and pairs."""
        trial = watch.trial
        if trial is None:
            return
        answers: Sequence[Answered | None] = decisions.answers or [None] * len(decisions.keys)
        for key, output, answered, is_fresh in zip(decisions.keys, decisions.outputs, answers, fresh, strict=True):
            if not is_fresh:
                continue
            if decisions.version == trial.version:
                trial.answer(output, answered)
            pair = watch.waiting.pair_of(key)
            if pair is not None:
                trial.pair(pair)

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
        drafts = self._judged(watch, end) + self._scored(watch, end)
        drafts += [
            Draft(found, MONITOR, found.finding)
            for found in findings_of(watch, end, spec.monitor, self.evidence.append)
        ]
        return 1, drafts

    def _judged(self, watch: Watch, end: datetime) -> list[Draft]:
        trial = watch.trial
        if trial is None or not trial.ready:
            return []
        comparison, guards, said = trial.tell()
        measured = e.RolloutMeasured(
            model=watch.model,
            version=trial.version,
            step=trial.step,
            comparison=comparison,
            guards=guards or None,
            as_of=end,
        )
        key = ("measured", watch.model, trial.version, trial.step, *(() if said == "judged" else (said,)))
        return [Draft(measured, MONITOR, derived_id(*key))]

    def _scored(self, watch: Watch, end: datetime) -> list[Draft]:
        """Whether the retraining that made the champion helped, once enough outcomes came under it."""
        scored = scorecard(self.state, watch.model, watch.version, watch.recent_performance, end)
        if scored is None or len(watch.recent) < (watch.recent.maxlen or 0):
            return []
        return [Draft(scored, MONITOR, derived_id("scored", watch.model, scored.version))]


def _digests(state: FleetState) -> set[str]:
    return {digest for save in state.saves.values() for digest in (save.digest, save.before) if digest}
