"""A small world for the monitor: a store, segments sealed as a replica seals them, and a ledger that is fed back.

Flights of one model, predicted at 100 minutes and more; the error of each is drawn from a seeded generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.entry import Draft, Entry
from runtime.domain.events import SegmentContent
from runtime.domain.ids import derived_id
from runtime.domain.reports import WindowPerformance
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.fold import Monitor
from runtime.monitoring.rows import DecisionRows, OutcomeRows
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.monitoring.watch import Watch
from runtime.statistics.performance import error_profile
from runtime.statistics.profile import Profile
from runtime.storage.frames import NumberedDecision, NumberedOutcomes
from runtime.storage.inputs import KeyOf
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import (
    FULL,
    MODEL,
    MONDAY,
    a_spec,
    applied,
    approved,
    declared,
    digest,
    evaluated,
    granted,
    promoted,
    registered,
    started,
)

DESTINATIONS = ("LAX", "ORD", "SFO")


def a_baseline(rows: int = 2000) -> Baseline:
    """Errors of mean 0 and standard deviation 10, hours of the day, three destinations."""
    chance = np.random.default_rng(2013)
    errors = chance.normal(0, 10, rows)
    columns = {
        "hour": chance.uniform(6, 22, rows),
        "dest": chance.choice(DESTINATIONS, rows).astype(object),
        "prediction": chance.normal(100, 20, rows),
    }
    performance = WindowPerformance(rows=rows, mae=float(np.abs(errors).mean()), bias=float(errors.mean()))
    return Baseline(Profile.from_columns(columns), error_profile(errors), performance)


BASELINE = a_baseline()


def day(number: int) -> datetime:
    return MONDAY + timedelta(days=number)


@dataclass
class Traffic:
    """One day's decisions and their outcomes; the same day of the same seed is the same traffic.

    ``bias`` is added to every error, ``later`` to every hour, and a share ``lost`` of the hours is missing.
    """

    number: int
    rows: int = 50
    bias: float = 0.0
    later: float = 0.0
    lost: float = 0.0
    version: int = 1
    seed: int = 1
    decision: Decision = field(init=False)
    outcomes: Outcomes = field(init=False)

    def __post_init__(self) -> None:
        chance = np.random.default_rng((self.seed, self.number))
        predictions = chance.normal(100, 20, self.rows)
        hours = chance.uniform(6, 22, self.rows) + self.later
        hours[: round(self.rows * self.lost)] = np.nan
        self.decision = Decision(
            decision_id=derived_id("day", self.seed, self.number),
            time=day(self.number),
            event_time=day(self.number),
            model=MODEL,
            version=self.version,
            artifact="sha256:" + "a" * 64,
            grant_id="grant",
            variant=Variant.CHAMPION,
            caller="planning",
            trace_id="",
            latency_us=800,
            numbers=(hours.tolist(),),
            texts=(chance.choice(DESTINATIONS, self.rows).tolist(),),
            outputs=predictions.tolist(),
        )
        self.outcomes = Outcomes(
            decision_id=self.decision.decision_id,
            time=day(self.number + 1),
            model=MODEL,
            caller="planning",
            rows=list(range(self.rows)),
            actuals=(predictions - chance.normal(self.bias, 10, self.rows)).tolist(),
        )

    def beside(self, version: int, error: float) -> Decision:
        """What another version predicted in the shadow: always ``error`` above the outcome."""
        outputs = [actual + error for actual in self.outcomes.actuals]
        return Decision(
            **{name: getattr(self.decision, name) for name in self.decision.__slots__}
            | {"version": version, "variant": Variant.SHADOW, "outputs": outputs}
        )


def rows_of(decision: Decision) -> DecisionRows:
    """The decision as a segment's reader gives it."""
    return DecisionRows(
        model=decision.model,
        version=decision.version,
        variant=decision.variant,
        keys=[(decision.decision_id, row) for row in range(decision.rows)],
        numbers=np.array(decision.numbers, dtype=np.float64).T,
        texts=np.array(decision.texts, dtype=object).T,
        outputs=decision.outputs,
    )


def frames(*records: Decision | Outcomes) -> list[NumberedDecision | NumberedOutcomes]:
    """Records with the numbers that a replica gives them."""
    numbered: list[NumberedDecision | NumberedOutcomes] = []
    decisions = outcomes = 1
    for record in records:
        if isinstance(record, Decision):
            numbered.append(NumberedDecision(decisions, record))
            decisions += record.rows
        else:
            numbered.append(NumberedOutcomes(outcomes, record))
            outcomes += len(record.rows)
    return numbered


class World:
    """A monitor that follows a ledger; its drafts become entries, once for each key."""

    def __init__(self, folder: Path, *, watching: bool = True, **spec: object) -> None:
        self.store = ObjectStore.open(str(folder / "store"))
        self.entries: list[Entry] = []
        self.drafts: list[Draft] = []
        self.decisions: dict[str, list[DecisionRows]] = {}
        self.outcomes: dict[str, list[OutcomeRows]] = {}
        self.key_of: KeyOf = lambda pseudonym: None
        self.monitor = self.a_monitor()
        self._sealed = 0
        self.tell(applied(a_spec(**spec)), declared())
        if watching:
            self.crown(1)

    def a_monitor(self) -> Monitor:
        """A monitor that knows nothing yet."""
        return Monitor(
            self.store.get,
            lambda digest: self.decisions.get(digest) or decisions_of(self.store, digest, self.key_of),
            lambda digest: self.outcomes.get(digest) or outcomes_of(self.store, digest),
        )

    @property
    def watch(self) -> Watch:
        return self.monitor.watches[MODEL]

    def prepare(self, version: int, baseline: Baseline = BASELINE) -> None:
        """Everything that happens to a version before its rollout."""
        stored = self.store.put(canonical.encode(baseline.as_document()))
        event = registered(version).model_copy(update={"baseline": stored})
        self.tell(event, evaluated(version), approved(version), granted(version))

    def crown(self, version: int, baseline: Baseline = BASELINE) -> None:
        """A version becomes the champion at once."""
        self.prepare(version, baseline)
        self.tell(started(version, FULL), promoted(version))

    def tell(self, *events: e.Event) -> list[e.Event]:
        """Entries of these events, and of what the monitor answers; the answers."""
        told = []
        for event in events:
            drafts = self.monitor.apply(self._entry(Draft.fresh(event, "service:governor")))
            told += [draft.event for draft in drafts]
            for draft in drafts:
                known = next((each for each in self.drafts if each.event_id == draft.event_id), None)
                assert known is None or known == draft, "a key came again with another body"
                if known is None:
                    self.drafts.append(draft)
                    assert self.monitor.apply(self._entry(draft)) == []
        return told

    def _entry(self, draft: Draft) -> Entry:
        entry = Entry(len(self.entries), draft.event_id, MONDAY, draft.principal, draft.event)
        self.entries.append(entry)
        return entry

    def segments(self, *records: Decision | Outcomes) -> list[e.Event]:
        """The records as a replica of their own seals them."""
        self._sealed += 1
        return list(seal(frames(*records), self.store, f"replica-{self._sealed}", "epoch"))

    def hand_in(self, *records: Decision | Outcomes) -> None:
        self.tell(*self.segments(*records))

    def in_memory(self, record: Decision | Outcomes) -> e.SegmentSealed:
        """A segment as the store would give it back, without a store."""
        name = digest(repr(record))
        if isinstance(record, Decision):
            self.decisions[name] = [rows_of(record)]
        else:
            told = zip(record.rows, record.actuals, strict=True)
            rows = [(record.decision_id, row, actual) for row, actual in told]
            self.outcomes[name] = [OutcomeRows(record.model, rows)]
        records = record.rows if isinstance(record, Decision) else len(record.rows)
        return e.SegmentSealed(
            content=SegmentContent.DECISIONS if isinstance(record, Decision) else SegmentContent.OUTCOMES,
            digest=name,
            record_root="00",
            records=records,
            replica="memory",
            epoch="epoch",
            first_number=1,
            last_number=records,
            first_time=record.time,
            last_time=record.time,
        )

    def end_of(self, number: int) -> list[e.Event]:
        """All traffic of the day is handed in; what the monitor says."""
        return self.tell(e.WatermarkAdvanced(until=day(number + 1)))

    def live(self, traffic: Sequence[Traffic]) -> list[e.FindingOpened]:
        """Day after day, decisions and outcomes; the findings. Sealed in memory, since many days are many files."""
        found: list[e.FindingOpened] = []
        for today in traffic:
            self.tell(self.in_memory(today.decision), self.in_memory(today.outcomes))
            found += [event for event in self.end_of(today.number) if isinstance(event, e.FindingOpened)]
        return found
