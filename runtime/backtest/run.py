"""All models' ways under one policy and one assumption, entry after entry.

    before an entry is folded    the rollout step that it decides is judged by the policy
    after it is folded           findings get the policy's verdict, versions its answer, due models their retraining

A finding that is recorded is answered where it stands in the ledger; one that is not, as soon as it is found. The
policies are the product's own: ``reactions``, ``rollout.judge``, ``retraining.window_opens``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from runtime.backtest.course import Assumption, Course, ratio_of
from runtime.backtest.tally import Tally
from runtime.backtest.worlds import HeardWatch, World
from runtime.domain import events as e
from runtime.domain.base import DAWN
from runtime.domain.entry import Entry
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import derived_id
from runtime.domain.model_state import ModelState
from runtime.domain.records import replace
from runtime.domain.verdict import Action, StepVerdict
from runtime.monitoring.fold import MONITOR
from runtime.monitoring.judged import Judged, errors_of
from runtime.policy import rollout
from runtime.policy.plan import OPERATOR
from runtime.policy.reactions import reactions
from runtime.policy.retraining import window_opens

_WEEK = timedelta(days=7)
_ANSWERS = (e.VersionApproved, e.ApprovalRequested, e.VersionRefused)


@dataclass(frozen=True, slots=True)
class Fared:
    """What a run came to. ``told``: when each model's alarms were, under the policy's own thresholds.

    ``unjudged``: models whose rollouts the policy wants judged on more rows than were recorded.
    """

    tally: Tally
    courses: Mapping[str, Course]
    told: Mapping[str, Sequence[datetime]]
    unjudged: frozenset[str]

    @property
    def left(self) -> list[Course]:
        """Those that went another way than history, whether or not they came back to it."""
        return [course for course in self.courses.values() if course.left is not None]

    def __add__(self, other: Fared) -> Fared:
        """Of other models, too."""
        courses, told = {**self.courses, **other.courses}, {**self.told, **other.told}
        return Fared(self.tally + other.tally, courses, told, self.unjudged | other.unjudged)


class Run:
    """See the module's docstring. ``told``: when each model's alarms were, under this policy's own thresholds."""

    def __init__(self, world: World, assume: Assumption) -> None:
        self.world, self.assume, self.tally = world, assume, Tally()
        self.courses: dict[str, Course] = {}
        self.told: dict[str, list[datetime]] = {}
        self.unjudged: set[str] = set()
        self._now = DAWN
        self._is_history = world.policy is None
        self._finds_alike = self._is_history or world.monitor is None
        """Whether its thresholds are history's, and so are its findings."""
        self._own_window = world.times_retrainings
        self._found: dict[str, e.FindingOpened] = {}
        self._answers: dict[str, Action | None] = {}
        self._ratios: dict[tuple[str, int], float] = {}
        """Of champions, their error over that of what they replaced, as their rollout measured it."""
        self._asked: dict[tuple[str, int], type[e.Event]] = {}

    def course(self, model: str) -> Course:
        """The model's."""
        return self.courses.setdefault(model, Course(model))

    # --- around one entry ---------------------------------------------------------------------------

    def before(self, entry: Entry) -> None:
        """What the entry decides about a rollout, as the policy judges it."""
        event = entry.event
        if isinstance(event, e.RolloutAdvanced | e.RolloutAborted | e.VersionPromoted) and self._is_ours(event.model):
            self._judge(event, entry)

    def after(self, entry: Entry, found: Iterable[e.FindingOpened]) -> None:
        """What the policy makes of an entry that was folded, and of what was found in it."""
        self._now = entry.time
        for finding in found:
            self._found[finding.finding] = finding
        self._follow(entry)
        event = entry.event
        if isinstance(event, e.WatermarkAdvanced | e.SegmentSealed):
            return
        if isinstance(event, e.TicksClosed):
            self._answer_unrecorded(entry.time)
            self._close(self.world.state.ticks_until)

    def finish(self) -> Fared:
        """The past has ended."""
        self._answer_unrecorded(self._now)
        return Fared(self.tally, self.courses, self.told, frozenset(self.unjudged))

    def judged(self, watch: HeardWatch, rows: Sequence[Judged], at: datetime) -> None:
        """Rows of a tick whose outcomes came, as the model's champion in history answered them."""
        error = float(np.abs(errors_of(rows, watch.classes)).sum())
        self.tally.judged(_monday(at), error * self.course(watch.model).factor, len(rows))

    # --- findings -----------------------------------------------------------------------------------

    def _follow(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, e.FindingOpened) and self._is_ours(event.model):
            found = self._found.pop(event.finding, None) if self._is_of_segments(entry) else event
            if found is not None:
                self._answer(found, entry)
        elif isinstance(event, e.VerdictReached):
            self._compare(event)
        elif isinstance(event, e.VersionEvaluated):
            self._evaluate(event, entry)
        elif isinstance(event, _ANSWERS):
            self._compare_answer(event)
        elif isinstance(event, e.RetrainingStarted):
            for name in filter(self._is_ours, event.models):
                self._start(self.course(name), event)
        elif isinstance(event, e.RolledBack) and self._is_ours(event.model):
            self._roll_back(event)
        if isinstance(event, e.VersionRefused | e.RolloutAborted | e.TrainingFailed) and self._is_ours(event.model):
            self._failed(self.course(event.model))

    def _is_of_segments(self, entry: Entry) -> bool:
        """Whether the policy's own monitor says that there is one: others' stand, and history's are its own."""
        return entry.principal == MONITOR and not self._finds_alike

    def _answer_unrecorded(self, now: datetime) -> None:
        """Findings that history has not: their places in the ledger went by."""
        until = self.world.state.ticks_until
        if self._finds_alike:
            self._found.clear()
        for finding in [each for each in self._found.values() if each.as_of <= until]:
            del self._found[finding.finding]
            state = self.world.state
            name = derived_id("backtest", finding.finding)
            self._answer(finding, Entry(state.size, name, now, MONITOR, finding))

    def _answer(self, finding: e.FindingOpened, entry: Entry) -> None:
        course = self.course(finding.model)
        self.told.setdefault(finding.model, []).append(finding.as_of)
        seen = course.sees(finding)
        if seen is None:
            return
        reached = self._reached(course, replace(entry, event=seen))
        if reached is None:
            return
        action = reached.verdict.action
        move = self._answers[finding.finding] = _move_of(action)
        self.tally.alarm(finding, action, _monday(finding.as_of))
        recorded = self.world.state.findings.get(finding.finding)
        if move is not None and course.follows and recorded is None:
            course.leave(self._model(finding.model), finding.as_of, f"{_WORDS[move]} where history was not")
        if not course.follows:
            self._do(course, move, seen)
        course.cause = seen if move is Action.RETRAIN else course.cause

    def _do(self, course: Course, move: Action | None, cause: e.FindingOpened) -> None:
        """What follows from a verdict on a course that is its own."""
        if move is Action.RETRAIN:
            course.wants(cause)
        elif move is Action.ROLL_BACK and course.model is not None and course.model.champion is not None:
            self.tally.rolled_back += 1
            course.go_back(self._ratios.get((course.name, course.model.champion)))

    def _reached(self, course: Course, entry: Entry) -> e.VerdictReached | None:
        state, present = self.world.state, self._model(course.name)
        if course.model is not None:
            own = replace(course.model, retired=present.retired, suspended=present.suspended)
            state.models[course.name] = own
        try:
            drafts = reactions(state, entry, _unsigned)
        finally:
            state.models[course.name] = present
        return next((each.event for each in drafts if isinstance(each.event, e.VerdictReached)), None)

    def _compare(self, event: e.VerdictReached) -> None:
        course = self.course(event.model) if self._is_ours(event.model) else None
        if course is None or not course.follows:
            return
        recorded, ours = _move_of(event.verdict.action), self._answers.get(event.finding)
        if recorded == ours or self._is_history:
            return
        finding = self.world.state.findings.get(event.finding)
        why = f"not {_WORDS[recorded]} where history was" if recorded else f"{_WORDS[ours]} where history was not"
        course.leave(self._model(event.model), event.as_of, why)
        if finding is not None:
            self._do(course, ours, finding.opened)

    def _failed(self, course: Course) -> None:
        """The challenger that the course shares with history did not win."""
        if course.rejoins and course.model is not None:
            spec = self.world.state.spec_of(self._model(course.name))
            until = self.world.state.ticks_until + spec.retrain.snooze
            course.model, course.rejoins = replace(course.model, snoozed_until=until), False

    # --- retraining ---------------------------------------------------------------------------------

    def _start(self, course: Course, event: e.RetrainingStarted) -> None:
        if course.follows and not self._has_another_time(course, event.as_of):
            self.tally.retrain(_monday(event.as_of))
            course.awaited = None
        elif course.follows:
            self._part(course, event.as_of)
        elif course.awaited == event.as_of:
            self.tally.retrain(_monday(event.as_of))
            if course.version == self._model(course.name).champion and course.factor == 1.0:
                course.rejoin()
            else:
                course.rejoins, course.awaited = True, None
                course.model = None if course.model is None else replace(course.model, due=None, due_since=None)

    def _has_another_time(self, course: Course, as_of: datetime) -> bool:
        """Whether the policy's window opens before history's, or is not open where history's was."""
        if not self._own_window or course.cause is None:
            return False
        spec = self.world.state.spec_of(self._model(course.name))
        return course.awaited not in {None, as_of} or window_opens(course.cause.as_of, spec.retrain.window) > as_of

    def _part(self, course: Course, at: datetime) -> None:
        """It is due as in history, but at another time."""
        cause, awaited = course.cause, course.awaited
        course.leave(self._model(course.name), at, "retrained at another time than history was")
        if cause is not None:
            course.wants(cause)
        course.awaited = awaited

    def _close(self, until: datetime) -> None:
        """Ticks are closed: what was awaited did not happen in history, and what is due now is awaited."""
        for course in list(self.courses.values()):
            if not course.follows:
                self._move(course, until)
            elif self._own_window and course.cause is not None and self._model(course.name).due is not None:
                if course.awaited is not None and course.awaited < until:
                    self._part(course, course.awaited)
                    self._move(course, until)
                elif self._opens(course.name, course.cause.as_of) <= until:
                    course.awaited = course.awaited or until

    def _move(self, course: Course, until: datetime) -> None:
        model = course.model
        if course.awaited is not None and course.awaited < until:
            self.tally.retrain(_monday(course.awaited))
            spec = self.world.state.spec_of(self._model(course.name))
            course.assumed(self.assume, course.awaited, course.awaited + spec.retrain.snooze)
            self.tally.promoted += self.assume is Assumption.HELPS
            self.tally.refused += self.assume is Assumption.FAILS
        elif model is not None and model.due_since is not None:
            if self._opens(course.name, model.due_since) <= until:
                course.awaited = course.awaited or until
        elif self._is_as_in_history(course, until):
            course.rejoin()

    def _opens(self, name: str, since: datetime) -> datetime:
        return window_opens(since, self.world.state.spec_of(self._model(name)).retrain.window)

    def _is_as_in_history(self, course: Course, until: datetime) -> bool:
        model, there = course.model, self._model(course.name)
        if model is None or course.rejoins or course.factor != 1.0 or course.version != there.champion:
            return False
        is_idle = there.due is None and there.batch is None and there.rollout is None
        return is_idle and until >= max(model.snoozed_until, there.snoozed_until, DAWN)

    # --- versions and rollouts ----------------------------------------------------------------------

    def _evaluate(self, event: e.VersionEvaluated, entry: Entry) -> None:
        if not self._is_ours(event.model) or not self.course(event.model).follows:
            return
        drafts = reactions(self.world.state, entry, _unsigned)
        answer = next((type(each.event) for each in drafts if isinstance(each.event, _ANSWERS)), None)
        if answer is not None:
            self._asked[event.model, event.version] = answer
            self.tally.asked += answer is e.ApprovalRequested

    def _compare_answer(self, event: e.VersionApproved | e.ApprovalRequested | e.VersionRefused) -> None:
        """A person who said no where the policy would not have asked; a person it would have asked says yes."""
        if not self._is_ours(event.model) or not self.course(event.model).follows:
            return
        if not isinstance(event, e.VersionRefused):
            return
        model, course = self._model(event.model), self.course(event.model)
        if self._asked.get((event.model, event.version)) is e.VersionApproved:
            report = model.version(event.version).report
            course.leave(model, self.world.state.ticks_until, "served what a person refused")
            course.factor *= ratio_of(None if report is None else report.comparison) or 1.0
            course.version = event.version
            self.tally.promoted += 1
        else:
            self.tally.refused += 1

    def _judge(self, event: e.RolloutAdvanced | e.RolloutAborted | e.VersionPromoted, entry: Entry) -> None:
        course, model = self.course(event.model), self._model(event.model)
        running = model.rollout
        ratio = None if running is None else ratio_of(running.measured)
        verdict = self._verdict(model) if entry.principal == OPERATOR else None  # what people decide stays decided
        is_abort = isinstance(event, e.RolloutAborted)
        if isinstance(event, e.VersionPromoted) and ratio is not None:
            self._ratios[event.model, event.version] = ratio
        if not course.follows:
            self._moves_on(course, event, ratio)
        elif is_abort and verdict is StepVerdict.ADVANCE:
            course.leave(model, self.world.state.ticks_until, "promoted what history stopped")
            course.factor *= ratio or 1.0
            course.version = event.version
            self.tally.promoted += 1
        elif not is_abort and verdict is StepVerdict.ABORT:
            until, spec = self.world.state.ticks_until, self.world.state.spec_of(model)
            course.leave(model, until, "stopped what history promoted")
            if course.model is not None:
                course.model = replace(course.model, snoozed_until=until + spec.retrain.snooze)
            self.tally.stopped += 1
            self._moves_on(course, event, ratio)
        elif is_abort:
            self.tally.stopped += 1
        elif isinstance(event, e.VersionPromoted):
            self.tally.promoted += 1

    def _verdict(self, model: ModelState) -> StepVerdict | None:
        running = model.rollout
        if running is None or running.measured is None or self._is_history:
            return None
        spec, step = self.world.state.spec_of(model), running.current
        wanted = next((each for each in spec.rollout if each.stage is step.stage), step)
        if wanted.decisions > running.measured.rows:
            self.unjudged.add(model.name)
        return rollout.judge(spec, step, running.measured, running.guards)[0]

    def _moves_on(self, course: Course, event: e.Event, ratio: float | None) -> None:
        """History puts a version in place while the course goes its own way."""
        if not isinstance(event, e.VersionPromoted):
            return
        if course.rejoins:
            self.tally.promoted += 1
            course.rejoin()
        elif event.version != course.version:
            course.promoted(event.version, ratio)

    def _roll_back(self, event: e.RolledBack) -> None:
        course = self.course(event.model)
        if course.follows:
            self.tally.rolled_back += 1
        elif course.version == event.version:
            course.factor *= self._ratios.get((event.model, event.version), 1.0)  # it still answers here
        else:
            course.rolled_back(event.version)

    # --- -------------------------------------------------------------------------------------------

    def _model(self, name: str) -> ModelState:
        return self.world.state.model(name)

    def _is_ours(self, model: str) -> bool:
        return self.world.owns(model)


_WORDS: Mapping[Action | None, str] = {Action.RETRAIN: "retrained", Action.ROLL_BACK: "rolled back"}


def _move_of(action: Action) -> Action | None:
    """What a verdict does to the champion, if anything."""
    return action if action in _WORDS else None


def _unsigned(grant: Grant) -> SignedGrant:
    """What a policy asks to be signed here stands nowhere and lets nobody in."""
    return SignedGrant(grant=grant, key_id="", signature="")


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())
