"""A fleet that lived: governor's writer, monitor, operator's plan and a trainer in one process, over real segments.

Every model errs by N(bias, 10); a version trained on some day has learnt the bias of that day. Its ledger is as a
cluster would have written it, and a back-test reads it as it reads any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from runtime.backtest.backtest import Past
from runtime.backtest.worlds import Recorded
from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.ids import derived_id
from runtime.governance.writer import Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.monitoring.fold import Monitor
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.policy.plan import OPERATOR, plan
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import MONDAY, a_spec, applied, declared, evaluated, registered
from tests.unit.monitoring.world import DESTINATIONS, a_baseline, day, frames

JOB, REPLICA = "job:train", "service:replica"
SECONDS_A_MODEL = 30
Bias = Callable[[int, int], float]
"""Of a model by its number, and of a day."""

SPEC: dict[str, Any] = {
    "rollout": [{"shadow": 30}, {"full": True}],
    "retrain": {"when": ["performance"], "degraded_by": 0.1, "window": "7d", "snooze": "14d"},
    "monitor": {"false_alarm_every": 1000},
}


class Fleet:
    """So many models, from their first versions on."""

    def __init__(self, folder: Path, models: int, bias: Bias, *, rows: int = 50, **spec: Any) -> None:
        self.names = [f"flight-time-{number:04}" for number in range(models)]
        self.database, self.folder = f"sqlite:///{folder / 'ledger.db'}", str(folder / "store")
        self.store = ObjectStore.open(self.folder)
        self.now = MONDAY
        key = SigningKey.load_or_create(folder / "key")
        self.log = Log.open(self.database, lambda: self.now)
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, key))
        self.monitor = Monitor(
            self.store.get,
            lambda digest: decisions_of(self.store, digest, lambda _: None),
            lambda digest: outcomes_of(self.store, digest),
        )
        self.baseline = self.store.put(canonical.encode(a_baseline().as_document()))
        self._bias, self._rows = bias, rows
        self._learnt: dict[tuple[str, int], float] = {}
        self.record(JOB, applied(a_spec(**(SPEC | spec))), *map(declared, self.names))
        for name in self.names:
            self._register(name, 0)
        self._settle()

    def record(self, principal: str, *events: e.Event) -> None:
        """These, and all that follows from them."""
        self._commit([Draft.fresh(event, principal) for event in events])
        self._settle()

    def live(self, days: Iterable[int]) -> None:
        """Day after day: traffic, outcomes, the end of the tick."""
        for number in days:
            self.now = max(self.now, day(number + 1))
            records: list[Decision | Outcomes] = []
            for name in self.names:
                records += self._day(name, number)
            segments = seal(frames(*records), self.store, f"replica-{number}", "epoch")
            self.record(REPLICA, *segments)
            self.record(OPERATOR, e.WatermarkAdvanced(until=day(number + 1)))

    def past(self) -> Past:
        """What a back-test reads."""
        return Past(self.log.entries, self.log.size, self.log.root, self.writer.state.watermark)

    def recorded(self) -> Recorded:
        return Recorded(
            self.store.get,
            lambda digest: decisions_of(self.store, digest, lambda _: None),
            lambda digest: outcomes_of(self.store, digest),
        )

    def count(self, kind: type[e.Event]) -> int:
        return sum(isinstance(entry.event, kind) for entry in self.log.entries())

    # --- one process for all ------------------------------------------------------------------------

    def _commit(self, drafts: list[Draft]) -> None:
        for answer in self.writer.commit([drafts])[0]:
            if isinstance(answer, FleetwardError):
                raise answer

    def _settle(self) -> None:
        while True:
            for entry in self.log.entries(self.monitor.state.size):
                drafts = self.monitor.apply(entry)
                for document in self.monitor.evidence:
                    self.store.put(document)
                if drafts:
                    self._commit(drafts)
            due = plan(self.writer.state)
            if due.moves:
                self._commit(list(due.moves))
            for batch in due.jobs:
                self._train(batch.batch, batch.models, (batch.as_of - MONDAY).days)
            if due.settled and self.monitor.state.size == self.log.size:
                return

    def _train(self, batch: str, models: tuple[str, ...], number: int) -> None:
        for name in models:
            self._register(name, number)
        self.now += timedelta(seconds=SECONDS_A_MODEL * len(models))
        finished = e.RetrainingFinished(batch=batch, succeeded=True, reason="trained")
        self._commit([Draft.fresh(finished, OPERATOR)])

    def _register(self, name: str, number: int) -> None:
        version = self.writer.state.model(name).next_version
        self._learnt[name, version] = self._bias(self.names.index(name), number)
        event = registered(version, name, as_of=day(number)).model_copy(update={"baseline": self.baseline})
        self._commit([Draft.fresh(each, JOB) for each in (event, evaluated(version, model=name))])

    # --- traffic ------------------------------------------------------------------------------------

    def _day(self, name: str, number: int) -> list[Decision | Outcomes]:
        model, index = self.writer.state.model(name), self.names.index(name)
        chance = np.random.default_rng((2013, index, number))
        predictions = chance.normal(100, 20, self._rows)
        hours, places = chance.uniform(6, 22, self._rows), chance.choice(DESTINATIONS, self._rows)
        noise, champion = chance.normal(0, 10, self._rows), model.champion or 1
        actuals = predictions - noise - self._strays(name, champion, number)
        answered = Decision(
            decision_id=derived_id(name, number),
            time=day(number),
            event_time=day(number),
            model=name,
            version=champion,
            artifact="sha256:" + "a" * 64,
            grant_id="grant",
            variant=Variant.CHAMPION,
            caller="planning",
            trace_id="",
            latency_us=800,
            numbers=(hours.tolist(),),
            texts=(places.tolist(),),
            outputs=predictions.tolist(),
        )
        records: list[Decision | Outcomes] = [answered]
        if model.rollout is not None:
            outputs = actuals + chance.normal(0, 10, self._rows) + self._strays(name, model.rollout.version, number)
            fields = {each: getattr(answered, each) for each in answered.__slots__}
            beside = {"version": model.rollout.version, "variant": Variant.SHADOW, "outputs": outputs.tolist()}
            records.append(Decision(**(fields | beside)))
        told = list(range(self._rows))
        when = day(number + 1)
        records.append(Outcomes(answered.decision_id, when, name, "planning", told, actuals.tolist()))
        return records

    def _strays(self, name: str, version: int, number: int) -> float:
        return self._bias(self.names.index(name), number) - self._learnt[name, version]
