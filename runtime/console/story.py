"""What happened to a fleet, told from its ledger and the segments and artifacts the ledger names; nothing else.

    ledger entries --chronicle--> state, promotions, causes --attempts--> how each retraining ended
    segments, first versions' artifacts --judging--> two errors a row --scores--> by month, model, week

Months, weeks and moments are of the data's own time: a replayed year is told as that year.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from runtime.console.attempts import Attempt, attempts
from runtime.console.chronicle import Chronicle, Promotion
from runtime.console.judging import Judged, Line, judge
from runtime.console.scores import Errors, Scores, month_before, scores, week_before
from runtime.domain.errors import LedgerCorrupt
from runtime.domain.events import FindingKind, FindingOpened
from runtime.domain.model_state import ModelState
from runtime.domain.spec import Spec
from runtime.ledger.log import Log, LogReader
from runtime.ledger.verify import verify_log
from runtime.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Head:
    """The ledger as it was read: ``problem`` names what its verification found, if anything."""

    size: int
    root: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Alarms by kind, and retrainings of single models by their ending."""

    alarms: Mapping[FindingKind, int]
    retrained: int
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Month:
    """One month; retrainings stand in the month whose data caused them. ``errors`` absent: no row is judged."""

    first: date
    errors: Errors | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class ModelStory:
    """One model; ``label`` is its name without what all names of the fleet begin with.

    ``champion`` is absent when nothing of it serves, and ``note`` says why. ``weeks`` are by their Monday.
    """

    name: str
    label: str
    champion: int | None
    note: str
    errors: Errors | None
    weeks: Mapping[date, Errors]
    promotions: tuple[Promotion, ...]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the report says. Decisions and outcomes are the whole ledger's records, rows are this spec's."""

    spec: Spec
    head: Head
    decisions: int
    outcomes: int
    lost: int
    judged: Judged
    errors: Errors | None
    tally: Tally
    months: tuple[Month, ...]
    alarm_weeks: Mapping[date, Mapping[FindingKind, int]]
    models: tuple[ModelStory, ...]
    attempts: tuple[Attempt, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def serving(self) -> int:
        """How many models have a champion."""
        return sum(model.champion is not None for model in self.models)


def read_story(database_url: str, store_url: str, *, spec: str | None = None) -> Story:
    """The story of a spec's models; the spec may be left out when the ledger knows only one.

    Raises ``Refused`` for no such spec and for a ledger that contradicts itself, ``LedgerCorrupt`` when its entries
    cannot be read, and ``EvidenceMissing``, ``DigestMismatch`` or ``SegmentMismatch`` when a segment or a first
    version's artifact is gone or changed.
    """
    with _collector_paused():
        with Log.open_read_only(database_url) as log:
            head = _head(database_url, log)
            chronicle = Chronicle.of(log.entries(limit=head.size))
        return _told(chronicle, ObjectStore.open(store_url), chronicle.spec(spec), head)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Entries and artifacts are many small objects that live: a collector that walks them again and again finds
    nothing and takes a third of the time (measured on 171 models and 300,000 rows).
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _head(database_url: str, log: LogReader) -> Head:
    """A ledger may grow while it is read: what is told is what stood there when it was verified."""
    try:
        verified = verify_log(database_url)
    except LedgerCorrupt as error:
        return Head(log.size, log.root, str(error))
    return Head(verified.size, verified.root)


def _told(chronicle: Chronicle, store: ObjectStore, spec: Spec, head: Head) -> Story:
    models = chronicle.models(spec.name)
    names = {model.name for model in models}
    lines = {
        model.name: Line(
            {number: version.registered for number, version in model.versions.items()},
            first=chronicle.promotions[model.name][0].version,
        )
        for model in models
        if model.name in chronicle.promotions
    }
    judged = judge(store, chronicle.segments, lines)
    scored = scores(judged)
    findings = [found.opened for found in chronicle.state.findings.values() if found.opened.model in names]
    tried = attempts(chronicle, spec.name)
    totals = chronicle.state.totals
    return Story(
        spec=spec,
        head=head,
        decisions=totals.decisions,
        outcomes=totals.outcomes,
        lost=totals.lost,
        judged=judged,
        errors=scored.overall,
        tally=_tally(findings, tried),
        months=_months(scored, findings, tried),
        alarm_weeks=_alarm_weeks(findings),
        models=_models(chronicle, models, scored, findings, tried),
        attempts=tried,
        skipped=tuple(
            ("-".join(values), reason)
            for (name, values), reason in sorted(chronicle.state.skipped.items())
            if name == spec.name
        ),
    )


def _tally(findings: list[FindingOpened], tried: tuple[Attempt, ...]) -> Tally:
    alarms = Counter(finding.about for finding in findings)
    return Tally(
        alarms=_shown(alarms),
        retrained=len(tried),
        accepted=sum(each.ending.accepted for each in tried),
        refused=sum(each.ending.refused for each in tried),
    )


def _months(scored: Scores, findings: list[FindingOpened], tried: tuple[Attempt, ...]) -> tuple[Month, ...]:
    alarmed = {month_before(finding.as_of) for finding in findings}
    retrained = {month_before(each.as_of) for each in tried}
    return tuple(
        Month(
            first,
            scored.months.get(first),
            _tally(
                [finding for finding in findings if month_before(finding.as_of) == first],
                tuple(each for each in tried if month_before(each.as_of) == first),
            ),
        )
        for first in sorted({*scored.months, *alarmed, *retrained})
    )


def _alarm_weeks(findings: list[FindingOpened]) -> Mapping[date, Mapping[FindingKind, int]]:
    counts = Counter((week_before(finding.as_of), finding.about) for finding in findings)
    weeks = sorted({week for week, _ in counts})
    return {week: _shown(Counter({kind: counts[week, kind] for kind in FindingKind})) for week in weeks}


def _shown(alarms: Counter[FindingKind]) -> dict[FindingKind, int]:
    """Drift and performance always, kinds of failed checks where there are any."""
    always = (FindingKind.DATA_DRIFT, FindingKind.PERFORMANCE)
    return {kind: alarms[kind] for kind in FindingKind if alarms[kind] or kind in always}


def _models(
    chronicle: Chronicle,
    models: list[ModelState],
    scored: Scores,
    findings: list[FindingOpened],
    tried: tuple[Attempt, ...],
) -> tuple[ModelStory, ...]:
    cut = _common_prefix([model.name for model in models])
    return tuple(
        ModelStory(
            name=model.name,
            label=model.name[cut:],
            champion=model.champion,
            note=_note(model),
            errors=scored.models.get(model.name),
            weeks=scored.weeks.get(model.name, {}),
            promotions=tuple(chronicle.promotions.get(model.name, ())),
            tally=_tally(
                [finding for finding in findings if finding.model == model.name],
                tuple(each for each in tried if each.model == model.name),
            ),
        )
        for model in models
    )


def _note(model: ModelState) -> str:
    """Why nothing of a model serves, as far as the ledger says."""
    if model.retired:
        return "retired"
    if model.suspended:
        return "suspended"
    if model.champion is not None:
        return ""
    if not model.versions:
        return "no version was trained"
    last = model.versions[max(model.versions)]
    return f"version {last.number} {last.status.value.replace('_', ' ')}" + (f": {last.reason}" if last.reason else "")


def _common_prefix(names: list[str]) -> int:
    """Length of what all names begin with, up to and including a dash; 0 for a single one."""
    if len(names) < 2:
        return 0
    low, high = min(names), max(names)
    same = next((place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low.rfind("-", 0, same) + 1
