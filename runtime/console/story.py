"""What happened to a fleet, told from its ledger and the segments and artifacts the ledger names; nothing else.

Two fleets are compared on the same rows. The *fleet* is what was served: the recorded outputs. The *never
retrained* fleet answers the same recorded inputs with each model's first promoted version. A row is judged when
its outcome arrived; errors are absolute, in units of the target.

    ledger entries --fold--> models, versions, findings, verdicts, marks on a line of data time
    segments --join on (model, decision id, row)--> judged rows --first versions' artifacts--> two errors a row
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import singledispatchmethod
from typing import Any

from runtime.console.judging import Errors, Judged, judge
from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.fold import apply
from runtime.domain.reports import Comparison
from runtime.domain.state import DAWN, FleetState, ModelState
from runtime.domain.verdict import Action
from runtime.ledger.merkle import Frontier, leaf_hash
from runtime.storage.objects import ObjectStore


class MarkKind(StrEnum):
    """What a mark on a model's line says."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    REFUSED = "refused at the gates"
    ABORTED = "aborted in production"
    PERFORMANCE = "alarm: performance"
    DATA_DRIFT = "alarm: data drift"
    RETRAINING = "retraining"
    FAILED = "training failed"


class Ending(StrEnum):
    """How a retraining of one model ended."""

    PROMOTED = "promoted"
    REFUSED = "refused at the gates"
    ABORTED = "aborted in production"
    ROLLED_BACK = "promoted, then rolled back"
    FAILED = "training failed"
    UNDER_WAY = "not decided yet"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to a model at a moment of its data; ``seq`` is the entry that says so."""

    model: str
    at: datetime
    kind: MarkKind
    text: str
    seq: int
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """An alarm and what the policy answered; no action when nobody has answered yet."""

    opened: e.FindingOpened
    seq: int
    action: Action | None
    reason: str

    @property
    def benign(self) -> bool:
        """Drift was seen and errors had not grown."""
        return self.action is Action.NOTHING and self.reason.startswith("benign")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One model in one retraining batch. ``version`` is absent when no version came of it."""

    model: str
    as_of: datetime
    cause: str
    ending: Ending
    reason: str
    version: int | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class ModelStory:
    """One model: ``label`` is its name without what all models of the fleet have in common."""

    name: str
    label: str
    first_version: int | None
    champion: int | None
    retrainings: int
    errors: Errors | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How often what happened. Records are distinct rows of this spec's models unless it says otherwise."""

    requests: int
    decisions: int
    outcomes: int
    without_outcome: int
    not_compared: int
    repeated: int
    shadow: int
    reproduced: int
    recomputed: int
    batches: int
    retrained: int
    promoted: int
    replaced: int
    refused: int
    aborted: int
    rolled_back: int
    failed: int
    segments: int
    lost: int
    refused_loads: int
    refused_commands: int
    entries: int
    findings: Mapping[e.FindingKind, int]
    verdicts: Mapping[Action, int]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the report says. ``errors`` is absent when no outcome could be compared."""

    spec: str
    purpose: str
    owner: str
    unit: str
    root: str
    counts: Counts
    errors: Errors | None
    months: tuple[tuple[date, Errors], ...]
    saved: tuple[tuple[date, float], ...]
    models: tuple[ModelStory, ...]
    findings: tuple[Finding, ...]
    attempts: tuple[Attempt, ...]
    skipped: tuple[tuple[str, str], ...]
    chapter: tuple[Entry, ...]
    chapter_model: str | None

    @property
    def retrainings_a_model(self) -> float:
        """Mean number of retrainings of a model."""
        return self.counts.retrained / max(len(self.models), 1)


def build_story(entries: Iterable[Entry], store: ObjectStore, *, spec: str, unit: str = "minutes") -> Story:
    """The story of the models of ``spec``; ``unit`` names the target's unit.

    Raises ``Refused`` for a ledger that contradicts itself or that knows no such spec, ``ObjectMissing`` and
    ``DigestMismatch`` when a segment or a first version's artifact is gone or changed: a report on part of the
    evidence would not be one.
    """
    tale = _Tale(spec)
    for entry in entries:
        tale.take(entry)
    found = tale.state.spec(spec)
    firsts = {name: model.versions[tale.first[name]].registered for name, model in tale.models() if name in tale.first}
    judged = judge(store, tale.segments, dict(tale.models()), firsts)
    name, chapter = tale.chapter()
    return Story(
        spec=spec,
        purpose=found.purpose,
        owner=found.owner.team,
        unit=unit,
        root=tale.frontier.root().hex(),
        counts=_counts(tale, judged),
        errors=judged.overall,
        months=judged.months,
        saved=judged.saved,
        models=_models(tale, judged),
        findings=tale.findings(),
        attempts=tuple(tale.attempts.values()),
        skipped=tuple(
            ("-".join(partition), why) for (by, partition), why in sorted(tale.state.skipped.items()) if by == spec
        ),
        chapter=chapter,
        chapter_model=name,
    )


@dataclass(slots=True)
class _Tale:
    """Walks the entries once, folding state and noting what the state forgets: moments, reasons, order."""

    spec: str
    state: FleetState = field(default_factory=FleetState)
    frontier: Frontier = field(default_factory=Frontier)
    segments: list[e.SegmentSealed] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)
    marks: dict[str, list[Mark]] = field(default_factory=dict)
    pages: dict[str, list[Entry]] = field(default_factory=dict)
    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Takes the next entry."""
        before = self.state.models.get(getattr(entry.event, "model", None) or "")
        measured = None if before is None or before.rollout is None else before.rollout.measured_as_of
        apply(self.state, entry)
        self.frontier.append(leaf_hash(entry.leaf()))
        for name in self._concerned(entry.event):
            if name in self.state.models and self.state.models[name].spec == self.spec:
                self.pages.setdefault(name, []).append(entry)
                self._note(entry.event, name, entry.seq, measured)
        if isinstance(entry.event, e.SegmentSealed):
            self.segments.append(entry.event)

    def models(self) -> list[tuple[str, ModelState]]:
        """The spec's models by name."""
        return sorted((name, model) for name, model in self.state.models.items() if model.spec == self.spec)

    def findings(self) -> tuple[Finding, ...]:
        """The spec's findings in the order of the ledger."""
        return tuple(
            Finding(
                opened=found.opened,
                seq=found.seq,
                action=None if found.verdict is None else found.verdict.action,
                reason="" if found.verdict is None else found.verdict.reason,
            )
            for found in self.state.findings.values()
            if self.state.models[found.opened.model].spec == self.spec
        )

    def chapter(self) -> tuple[str | None, tuple[Entry, ...]]:
        """The model to which most kinds of things happened, then most things; and its entries."""
        if not self.pages:
            return None, ()
        richest = max(sorted(self.pages), key=lambda name: (len(self._kinds(name)), len(self.marks.get(name, []))))
        return richest, tuple(self.pages[richest])

    def _kinds(self, name: str) -> set[MarkKind]:
        return {mark.kind for mark in self.marks.get(name, [])}

    def _concerned(self, event: e.Event) -> tuple[str, ...]:
        if isinstance(event, e.RetrainingStarted):
            return event.models
        if isinstance(event, e.RetrainingFinished):
            return self.state.batches[event.batch].models
        name = getattr(event, "model", None)
        return () if name is None else (name,)

    def _mark(self, name: str, seq: int, kind: MarkKind, text: str, at: datetime, version: int | None = None) -> None:
        self.marks.setdefault(name, []).append(Mark(name, at, kind, text, seq, version))

    def _end(self, name: str, version: int, ending: Ending, reason: str) -> None:
        """Notes how the retraining that made this version ended; a first version was made by none."""
        registered = self.state.models[name].version(version).registered
        attempt = self.attempts.get((name, registered.batch))
        if attempt is not None:
            report = self.state.models[name].version(version).report
            compared = None if report is None else report.comparison
            self.attempts[name, registered.batch] = Attempt(
                name, attempt.as_of, attempt.cause, ending, reason, version, compared
            )

    def _moment(self, name: str, version: int) -> datetime:
        """Data time of an event that does not say: the last closed tick, or what the version was trained up to."""
        known = self.state.ticks_until
        return known if known > DAWN else self.state.models[name].version(version).registered.as_of

    # --- what each event means for one model -------------------------------------------------------

    @singledispatchmethod
    def _note(self, event: Any, name: str, seq: int, measured: datetime | None) -> None:
        """Most events leave no mark."""

    @_note.register
    def _(self, event: e.VersionPromoted, name: str, seq: int, measured: datetime | None) -> None:
        self.first.setdefault(name, event.version)
        at = event.as_of or self._moment(name, event.version)
        self._mark(name, seq, MarkKind.PROMOTED, event.reason, at, event.version)
        self._end(name, event.version, Ending.PROMOTED, event.reason)

    @_note.register
    def _(self, event: e.VersionRegistered, name: str, seq: int, measured: datetime | None) -> None:
        self._end(name, event.version, Ending.UNDER_WAY, "")

    @_note.register
    def _(self, event: e.VersionRefused, name: str, seq: int, measured: datetime | None) -> None:
        at = self.state.models[name].version(event.version).registered.as_of
        self._mark(name, seq, MarkKind.REFUSED, event.reason, at, event.version)
        self._end(name, event.version, Ending.REFUSED, event.reason)

    @_note.register
    def _(self, event: e.RolloutAborted, name: str, seq: int, measured: datetime | None) -> None:
        at = measured or self._moment(name, event.version)
        self._mark(name, seq, MarkKind.ABORTED, event.reason, at, event.version)
        self._end(name, event.version, Ending.ABORTED, event.reason)

    @_note.register
    def _(self, event: e.RolledBack, name: str, seq: int, measured: datetime | None) -> None:
        self._mark(name, seq, MarkKind.ROLLED_BACK, event.reason, self._moment(name, event.to), event.version)
        self._end(name, event.version, Ending.ROLLED_BACK, event.reason)

    @_note.register
    def _(self, event: e.FindingOpened, name: str, seq: int, measured: datetime | None) -> None:
        performance = event.about is e.FindingKind.PERFORMANCE
        kind = MarkKind.PERFORMANCE if performance else MarkKind.DATA_DRIFT
        moved = ", ".join(statistic.feature for statistic in event.features[:3])
        text = f"evidence e^{event.log_evidence:.1f} over e^{event.log_threshold:.1f}; most moved: {moved or 'nothing'}"
        self._mark(name, seq, kind, text, event.as_of, event.version)

    @_note.register
    def _(self, event: e.VerdictReached, name: str, seq: int, measured: datetime | None) -> None:
        if event.verdict.action is Action.RETRAIN:
            self.causes[name] = event.verdict.reason

    @_note.register
    def _(self, event: e.RetrainingStarted, name: str, seq: int, measured: datetime | None) -> None:
        cause = self.causes.pop(name, event.reason)
        self._mark(name, seq, MarkKind.RETRAINING, cause, event.as_of)
        self.attempts[name, event.batch] = Attempt(name, event.as_of, cause, Ending.UNDER_WAY, "")

    @_note.register
    def _(self, event: e.RetrainingFinished, name: str, seq: int, measured: datetime | None) -> None:
        attempt = self.attempts.get((name, event.batch))
        if attempt is not None and attempt.version is None and attempt.ending is Ending.UNDER_WAY:
            self._fail(attempt, event.batch, event.reason or "the batch ended without a version", seq)

    @_note.register
    def _(self, event: e.TrainingFailed, name: str, seq: int, measured: datetime | None) -> None:
        attempt = self.attempts.get((name, event.batch))
        if attempt is not None:
            self._fail(attempt, event.batch, event.reason, seq)

    def _fail(self, attempt: Attempt, batch: str, reason: str, seq: int) -> None:
        self._mark(attempt.model, seq, MarkKind.FAILED, reason, attempt.as_of)
        failed = Attempt(attempt.model, attempt.as_of, attempt.cause, Ending.FAILED, reason)
        self.attempts[attempt.model, batch] = failed


def _models(tale: _Tale, judged: Judged) -> tuple[ModelStory, ...]:
    known = tale.models()
    cut = _common_prefix([name for name, _ in known])
    return tuple(
        ModelStory(
            name=name,
            label=name[cut:],
            first_version=tale.first.get(name),
            champion=model.champion,
            retrainings=model.retrainings,
            errors=judged.models.get(name),
            marks=tuple(tale.marks.get(name, ())),
        )
        for name, model in known
    )


def _common_prefix(names: list[str]) -> int:
    """Length of what all names begin with, up to and including a dash; 0 for a single one."""
    if len(names) < 2:
        return 0
    low, high = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low.rfind("-", 0, same) + 1


def _counts(tale: _Tale, judged: Judged) -> Counts:
    marks = Counter(mark.kind for each in tale.marks.values() for mark in each)
    findings = tale.findings()
    totals = tale.state.totals
    batches = [batch for batch in tale.state.batches.values() if batch.spec == tale.spec]
    return Counts(
        requests=judged.requests,
        decisions=judged.decisions,
        outcomes=judged.outcomes,
        without_outcome=judged.decisions - judged.outcomes,
        not_compared=judged.not_compared,
        repeated=judged.repeated,
        shadow=judged.shadow,
        reproduced=judged.reproduced,
        recomputed=judged.recomputed,
        batches=len(batches),
        retrained=sum(len(batch.models) for batch in batches),
        promoted=marks[MarkKind.PROMOTED],
        replaced=marks[MarkKind.PROMOTED] - len(tale.first),
        refused=marks[MarkKind.REFUSED],
        aborted=marks[MarkKind.ABORTED],
        rolled_back=marks[MarkKind.ROLLED_BACK],
        failed=marks[MarkKind.FAILED],
        segments=totals.segments,
        lost=totals.lost,
        refused_loads=totals.refused_loads,
        refused_commands=totals.refused_commands,
        entries=tale.state.size,
        findings={kind: sum(each.opened.about is kind for each in findings) for kind in e.FindingKind},
        verdicts={action: sum(each.action is action for each in findings) for action in Action},
    )
