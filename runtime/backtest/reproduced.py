"""Whether the past comes out again as it is recorded: each decision of a policy, made once more and compared.

    finding_opened                          found in the segments again: the same event, evidence and all
    verdict_reached, incident_opened        what ``reactions`` answers to the finding now
    version_approved, approval_requested,   what ``reactions`` answers to the evaluation now
    version_refused (by the governor)
    rollout_advanced, _aborted, promoted    what ``rollout.judge_running`` says of the recorded measure
    retraining_started                      the models that are due

A difference means that the ledger was written by another release, that segments are gone, or that this is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.state import FleetState
from runtime.domain.verdict import StepVerdict
from runtime.monitoring.fold import MONITOR
from runtime.policy import rollout
from runtime.policy.due import due_models
from runtime.policy.plan import OPERATOR
from runtime.policy.reactions import GOVERNOR, reactions

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that does not come out again as it is; ``entry`` is none for what was never recorded."""

    entry: int | None
    kind: str
    about: str
    recorded: str
    again: str


@dataclass(slots=True)
class Reproduced:
    """Counts by kind of entry, and the first differences; of the models that ``owns`` is true of."""

    owns: Callable[[str], bool]
    checked: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    differing: int = 0
    _found: dict[str, e.FindingOpened] = field(default_factory=dict)
    _follow: dict[str, list[e.Event]] = field(default_factory=dict)

    def before(self, state: FleetState, entry: Entry) -> None:
        """Checks what the entry decides about rollouts and retrainings against the state that it was decided in."""
        event = entry.event
        if entry.principal != OPERATOR or not self._is_ours(event):
            return
        if isinstance(event, e.RolloutAdvanced | e.RolloutAborted | e.VersionPromoted):
            self._check_step(state, entry, event)
        elif isinstance(event, e.RetrainingStarted):
            due = sorted(model.name for model in due_models(state).get(event.spec, ()))
            as_of = f"{state.ticks_until.isoformat()}: {', '.join(due)}"
            self._compare(entry, event.spec, f"{event.as_of.isoformat()}: {', '.join(event.models)}", as_of)

    def after(self, state: FleetState, entry: Entry, found: Iterable[e.FindingOpened]) -> None:
        """Checks findings, verdicts and approvals."""
        event = entry.event
        self._found |= {each.finding: each for each in found}
        if not self._is_ours(event):
            return
        if isinstance(event, e.FindingOpened):
            if entry.principal == MONITOR:
                again = self._found.pop(event.finding, None)
                self._compare_event(entry, event.model, event, again)
            self._expect(state, entry)
        elif isinstance(event, e.VersionEvaluated):
            self._expect(state, entry)
        elif entry.principal == GOVERNOR:
            self._check_answer(entry)

    def finish(self, state: FleetState) -> None:
        """What was found again and never recorded; what is of ticks that are still closing may come yet."""
        for finding in self._found.values():
            if finding.as_of <= state.ticks_until:
                self._differ(Difference(None, finding.kind, finding.model, "nothing", finding.finding))

    def _is_ours(self, event: e.Event) -> bool:
        """Of a retraining of several models the first one counts; what is of no model, for whoever expects it."""
        named = event.models[0] if isinstance(event, e.RetrainingStarted) else getattr(event, "model", None)
        return named is None or self.owns(named)

    def _expect(self, state: FleetState, entry: Entry) -> None:
        for draft in reactions(state, entry, _unsigned):
            self._follow[draft.event_id] = [draft.event]

    def _check_answer(self, entry: Entry) -> None:
        expected = self._follow.pop(entry.event_id, None)
        if expected is not None:
            self._compare_event(entry, getattr(entry.event, "model", ""), entry.event, expected[0])

    def _check_step(
        self, state: FleetState, entry: Entry, event: e.RolloutAdvanced | e.RolloutAborted | e.VersionPromoted
    ) -> None:
        model = state.model(event.model)
        if model.rollout is None:
            return
        verdict, reason = rollout.judge_running(state.spec_of(model), model.rollout, state.ticks_until)
        said = StepVerdict.ABORT if isinstance(event, e.RolloutAborted) else StepVerdict.ADVANCE
        self._compare(entry, event.model, f"{said.value}: {event.reason}", f"{verdict.value}: {reason}")

    def _compare_event(self, entry: Entry, about: str, recorded: e.Event, again: e.Event | None) -> None:
        if again == recorded:
            self.checked[entry.kind] += 1
            return
        said = "nothing" if again is None else _differing(recorded, again)
        self._compare(entry, about, "as recorded", said)

    def _compare(self, entry: Entry, about: str, recorded: str, again: str) -> None:
        self.checked[entry.kind] += 1
        if recorded != again:
            self._differ(Difference(entry.seq, entry.kind, about, recorded, again))

    def _differ(self, difference: Difference) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(difference)

    def __add__(self, other: Reproduced) -> Reproduced:
        """Of other models, too."""
        differences = sorted([*self.differences, *other.differences], key=lambda each: each.entry or 0)
        both = Reproduced(self.owns, self.checked + other.checked, differences[:SHOWN])
        both.differing = self.differing + other.differing
        return both


def _differing(recorded: e.Event, again: e.Event) -> str:
    """The fields that are not the same."""
    before, after = recorded.as_document(), again.as_document()
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "; ".join(f"{name}: {before.get(name)} became {after.get(name)}" for name in names)[:500]


def _unsigned(grant: Grant) -> SignedGrant:
    return SignedGrant(grant=grant, key_id="", signature="")
