"""A fleet to look at: models of flights with half a year behind them, in a real ledger and a real store.

All of it is recorded through a governor's own writer, seeded, in the data's time of 2026: first versions, weekly
findings with their evidence, retrainings that were accepted and refused, one version that waits for people, one
rollout that runs, one model that is suspended, and a decision with everything behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from runtime.domain import alarms as a
from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.decision import Decision, Variant
from runtime.domain.entry import Draft
from runtime.domain.findings import Direction
from runtime.domain.ids import derived_id, digest_of
from runtime.domain.metrics import Metric
from runtime.domain.reports import (
    Comparison,
    EvaluationReport,
    FeatureStatistic,
    GateResult,
    SliceGap,
    WindowPerformance,
)
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from runtime.domain.tokens import GOVERNOR_ITSELF, OWN_SECRET
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.storage.frames import NumberedDecision
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal

JOB, OPERATOR, MONITOR, REPLICA, GOVERNOR = (
    "job:train",
    "service:operator",
    "service:monitor",
    "service:replica",
    "service:governor",
)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN", "9E", "FL")
AIRPORTS = ("ATL", "BOS", "CLT", "DEN", "DFW", "IAH", "LAX", "MCO", "MIA", "ORD", "PHX", "SEA", "SFO", "TPA")
FEATURES = ("distance", "hour", "month", "wind_speed", "visibility", "seats", "day_of_week")
STEPS = (
    e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=200),
    e.Step(stage=e.Stage.CANARY, share=0.1, decisions=200),
    e.Step(stage=e.Stage.FULL, share=1.0, decisions=0),
)
SCHEMA = Schema(
    inputs=(Field(name="distance", kind=FieldKind.NUMBER), Field(name="dest", kind=FieldKind.TEXT)),
    outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
)
TEAMS = (("flight-time", "network-planning", "low"), ("taxi-out", "ground-operations", "medium"))


def spec_of(name: str, team: str, tier: str) -> Spec:
    """A fleet by carrier and destination; only what is of low risk is approved by rule."""
    return Spec.model_validate(
        {
            "kind": "fleet",
            "name": f"{name}-{{carrier}}-{{dest}}",
            "for_each": {"by": ["carrier", "dest"]},
            "owner": {"team": team, "contact": f"{team}@example.com"},
            "purpose": f"minutes of {name.replace('-', ' ')}, for crew planning",
            "risk_tier": tier,
            "task": "regression",
            "data": {"source": "flights:load", "time": "scheduled", "target": "minutes", "features": list(FEATURES)},
            "train": {"estimator": "HistGradientBoostingRegressor"},
            "gates": [{"metric": "mae", "max": 30}],
            "approval": {"automatic_if": ["all_gates_pass", {"risk_tier": "low"}]},
        }
    )


class Flights:
    """The writer with its ledger, the store and the publisher; ``models`` of them, from ``seed``."""

    def __init__(self, home: Path, *, models: int = 24, seed: int = 7, weeks: int = 26) -> None:
        self.home, self.weeks = home, weeks
        self.database_url, self.store_url = f"sqlite:///{home / 'ledger.db'}", str(home / "store")
        self._now = datetime(2026, 7, 6, 8, tzinfo=UTC)
        self._key = SigningKey.load_or_create(home / "governor.pem")
        self.log = Log.open(self.database_url, self._clock)
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, self._key))
        self.store = ObjectStore.open(self.store_url)
        self.chance = np.random.default_rng(seed)
        started = e.GovernorStarted(epoch=1, key_id=self._key.key_id, public_key=self._key.public_key_text)
        self.record(GOVERNOR, started)
        self.publisher = Publisher(self.log, Signer(self._key, "fleetward.example/flights"), self._clock)
        self.names = self._declared(models)

    def live(self) -> str:
        """Half a year; the id of a decision with everything behind it."""
        for at, name in enumerate(self.names):
            self._first_version(name, at)
        for at, name in enumerate(self.names):
            self._half_a_year(name, at)
        until = FIRST + WEEK * self.weeks
        self.record(OPERATOR, e.WatermarkAdvanced(until=until))
        self.record(MONITOR, e.TicksClosed(until=until, ticks=self.weeks * 7, decisions=18_240, outcomes=17_903))
        rows = {name: float(self.chance.integers(40, 900)) for name in self.names}
        self.record(MONITOR, a.TrafficMeasured(until=until, rows_a_day=rows))
        decision = self._decide(self.names[0])
        if len(self.names) > 5:
            for name in self.waiting:
                self._waits_for_people(name)
            self._rolls_out(self.names[2])
            self.record("user:olga", e.ModelSuspended(model=self.names[4], reason="the airport is closed this week"))
        self.publisher.publish()
        return decision

    @property
    def waiting(self) -> list[str]:
        """Models whose next version waits for people."""
        return [name for name in self.names if name.startswith("taxi-out")][:3]

    def record(self, principal: str, *events: e.Event) -> None:
        """As the governor does for whoever proved to be the principal."""
        proof = GOVERNOR_ITSELF if principal == GOVERNOR else None if principal.startswith("user:") else OWN_SECRET
        drafts = [replace(Draft.fresh(event, principal), proof=proof) for event in events]
        (answers,) = self.writer.commit([drafts])
        for answer in answers:
            assert isinstance(answer, Receipt), answer

    def close(self) -> None:
        self.log.close()

    def _clock(self) -> datetime:
        self._now += timedelta(milliseconds=20)
        return self._now

    def _declared(self, models: int) -> Sequence[str]:
        named: list[str] = []
        for place, (name, team, tier) in enumerate(TEAMS):
            spec = spec_of(name, team, tier)
            self.record(JOB, e.SpecApplied(name=spec.name, digest=spec.digest, spec=spec.as_document()))
            wanted = models - models // 4 if place == 0 else models // 4
            found = list(self._partitions(wanted))
            self.record(
                JOB,
                *(
                    e.ModelDeclared(
                        model=f"{name}-{carrier}-{dest}", spec=spec.name, partition={"carrier": carrier, "dest": dest}
                    )
                    for carrier, dest in found
                ),
            )
            self._prepared(spec.name)
            named += [f"{name}-{carrier}-{dest}" for carrier, dest in found]
        return named

    def _partitions(self, wanted: int) -> Iterator[tuple[str, str]]:
        for number, (carrier, dest) in enumerate(product(CARRIERS, AIRPORTS)):
            if number < wanted:
                yield carrier, dest
        for number in range(len(CARRIERS) * len(AIRPORTS), wanted):
            yield CARRIERS[number % len(CARRIERS)], f"X{number:04d}"

    def _prepared(self, spec: str) -> None:
        columns = (*FEATURES, "minutes")
        last = FIRST - timedelta(days=1)
        prepared = e.DatasetPrepared(
            spec=spec,
            digest=digest_of(spec.encode()),
            rows=40_000,
            partitions=len(CARRIERS),
            columns=columns,
            first_time=last - timedelta(days=60),
            last_time=last,
        )
        self.record(JOB, prepared)

    def _registered(self, model: str, version: int, as_of: datetime) -> e.VersionRegistered:
        def digest(what: str) -> str:
            return digest_of(f"{what} {model} {version}".encode())

        return e.VersionRegistered.model_validate(
            {
                "model": model,
                "version": version,
                "parent": version - 1 or None,
                "artifact": digest("artifact"),
                "artifact_bytes": 181_204,
                "package": digest("package"),
                "baseline": digest("baseline"),
                "flavor": "sklearn",
                "estimator": "HistGradientBoostingRegressor",
                "parameters": {"learning_rate": 0.08, "max_iter": 120},
                "seed": 0,
                "schema": SCHEMA,
                "dataset": digest_of(self.writer.state.models[model].spec.encode()),
                "train_rows": 1_200 + int(self.chance.integers(0, 800)),
                "first_time": as_of - timedelta(days=60),
                "last_time": as_of,
                "as_of": as_of,
                "batch": f"batch-{as_of:%Y%m%d}",
                "code_revision": "4f1ca6b",
                "environment": {"python": "3.11"},
            }
        )

    def _report(self, mae: float, compared: Comparison | None = None, *, passed: bool = True) -> EvaluationReport:
        gates = [GateResult(gate="mae", passed=True, value=mae, limit=30.0, reason=f"MAE {mae:.2f} <= 30")]
        gates.append(GateResult(gate="latency p99", passed=True, value=4.2, limit=20.0, reason="4.2 ms <= 20 ms"))
        if compared is not None:
            told = f"difference {compared.difference:+.2f}"
            gates.append(
                GateResult(
                    gate="better than champion", passed=passed, value=compared.difference, limit=0.0, reason=told
                )
            )
        return EvaluationReport(
            metrics={"mae": mae, "rmse": mae * 1.34}, rows=320, comparison=compared, gates=tuple(gates)
        )

    def _first_version(self, model: str, at: int) -> None:
        mae = 6.0 + 4.0 * float(self.chance.random())
        self.record(
            JOB,
            self._registered(model, 1, FIRST),
            e.VersionEvaluated(model=model, version=1, report=self._report(mae)),
        )
        if model.startswith("taxi-out"):
            self.record("user:ada", e.ApprovalGiven(model=model, version=1, reason="looked at its slices"))
        if at % 11 != 9:  # some are trained and not rolled out yet
            self.record(OPERATOR, e.RolloutStarted(model=model, version=1, steps=STEPS[-1:]))
            self.record(OPERATOR, e.VersionPromoted(model=model, version=1, reason="its first", as_of=FIRST))

    def _half_a_year(self, model: str, at: int) -> None:
        state = self.writer.state.models[model]
        if state.champion is None:
            return
        error = state.versions[1].report.metrics["mae"] if state.versions[1].report else 8.0
        for week in range(3 + at % 4, self.weeks, 5 + at % 5):
            moment = FIRST + WEEK * week
            drifted = 1.0 + 0.04 * week * float(self.chance.random())
            about = e.FindingKind.PERFORMANCE if (week + at) % 3 == 0 else e.FindingKind.DATA_DRIFT
            self.find(model, about, moment, error, error * drifted)
        if at % 4 == 1 and not model.startswith("taxi-out"):
            self._second_version(model, error, FIRST + WEEK * 14)

    def _second_version(self, model: str, error: float, as_of: datetime) -> None:
        batch = f"batch-{as_of:%Y%m%d}-{model}"
        spec = self.writer.state.models[model].spec
        self.record(
            OPERATOR,
            e.RetrainingStarted(batch=batch, spec=spec, models=(model,), as_of=as_of, reason="errors grew by 24%"),
        )
        compared = self._compared(error * 1.3, error * 0.9, 320)
        self.record(
            JOB,
            self._registered(model, 2, as_of),
            e.VersionEvaluated(model=model, version=2, report=self._report(error * 0.9, compared)),
        )
        self.record(OPERATOR, e.RetrainingFinished(batch=batch, succeeded=True, reason="1 of 1 trained"))
        self.record(OPERATOR, e.RolloutStarted(model=model, version=2, steps=STEPS))
        day = timedelta(days=1)
        self.record(MONITOR, self._measured(model, 0, error, as_of + day))
        self.record(OPERATOR, e.RolloutAdvanced(model=model, version=2, step=1, reason="within the guardrail"))
        self.record(MONITOR, self._measured(model, 1, error, as_of + 3 * day))
        self.record(OPERATOR, e.RolloutAdvanced(model=model, version=2, step=2, reason="within the guardrail"))
        self.record(OPERATOR, e.VersionPromoted(model=model, version=2, reason="the last step", as_of=as_of + 4 * day))

    def _measured(self, model: str, step: int, error: float, as_of: datetime) -> e.RolloutMeasured:
        compared = self._compared(error * 1.25, error * 0.95, 200)
        return e.RolloutMeasured(model=model, version=2, step=step, comparison=compared, as_of=as_of)

    def _compared(self, champion: float, challenger: float, rows: int) -> Comparison:
        difference = challenger - champion
        return Comparison(
            metric="mae",
            rows=rows,
            champion=champion,
            challenger=challenger,
            difference=difference,
            low=difference - 0.6,
            high=difference + 0.6,
            confidence=0.95,
        )

    def _waits_for_people(self, model: str) -> None:
        report = self._report(6.1, self._compared(8.4, 6.1, 320))
        as_of = FIRST + WEEK * (self.weeks - 1)
        self.record(
            JOB,
            self._registered(model, 2, as_of),
            e.VersionEvaluated(model=model, version=2, report=report),
        )

    def _rolls_out(self, model: str) -> None:
        as_of = FIRST + WEEK * (self.weeks - 1)
        self.record(
            JOB,
            self._registered(model, 2, as_of),
            e.VersionEvaluated(model=model, version=2, report=self._report(6.6, self._compared(8.0, 6.6, 320))),
        )
        self.record(OPERATOR, e.RolloutStarted(model=model, version=2, steps=STEPS))
        self.record(OPERATOR, e.RolloutAdvanced(model=model, version=2, step=1, reason="within the guardrail"))
        self.record(MONITOR, self._measured(model, 1, 7.0, as_of + timedelta(days=2)))

    def find(self, model: str, about: e.FindingKind, as_of: datetime, expected: float, recent: float) -> str:
        """A finding with its evidence in the store; its id."""
        finding = derived_id("finding", model, as_of, about.value)
        moved = sorted(self.chance.choice(len(FEATURES), size=3, replace=False).tolist())
        features = [self._moved(FEATURES[at], place) for place, at in enumerate(moved)]
        opened = e.FindingOpened(
            finding=finding,
            model=model,
            version=1,
            about=about,
            as_of=as_of,
            since=as_of - timedelta(days=9),
            log_evidence=9.3 + 6 * float(self.chance.random()),
            log_threshold=9.21,
            features=tuple(features),
            recent=WindowPerformance(rows=30, mae=recent, bias=recent / 5),
            baseline=WindowPerformance(rows=400, mae=expected, bias=0.0),
            slices=(self._gap(recent),),
            evidence=self.store.put(self._evidence(finding, model, about, as_of, features)),
        )
        self.record(MONITOR, opened)
        return finding

    def _moved(self, name: str, place: int) -> FeatureStatistic:
        psi = float(self.chance.gamma(2.0, 0.09)) / (1 + place)
        direction = (Direction.UP, Direction.DOWN, Direction.SHAPE)[int(self.chance.integers(0, 3))]
        return FeatureStatistic(
            feature=name, log_score=9.4 - 2 * place, js=psi / 8, psi=psi, missing_rate=0.01, direction=direction
        )

    def _gap(self, recent: float) -> SliceGap:
        return SliceGap(
            slice="dest",
            metric=Metric.MAE,
            values=6,
            rows=180,
            worst="SFO",
            worst_error=recent * 1.5,
            best="BOS",
            best_error=recent * 0.7,
        )

    def _evidence(
        self, finding: str, model: str, about: e.FindingKind, as_of: datetime, features: Sequence[FeatureStatistic]
    ) -> bytes:
        return canonical.encode(
            {
                "finding": finding,
                "model": model,
                "version": 1,
                "about": about.value,
                "since": rfc3339(as_of - timedelta(days=9)),
                "until": rfc3339(as_of),
                "rows": 812,
                "baseline_rows": 1_400,
                "features": [self._counted(each) for each in features],
                "by_movement": [each.feature for each in features],
                "window": {},
            }
        )

    def _counted(self, statistic: FeatureStatistic) -> dict[str, Any]:
        centres = np.arange(10)
        old = (1_400 * np.exp(-((centres - 4.5) ** 2) / 8) / 5.0).astype(int)
        new = (812 * np.exp(-((centres - 4.5 - 5 * min(statistic.psi, 0.5)) ** 2) / 8) / 5.0).astype(int)
        return {
            **statistic.as_document(),
            "baseline_missing_rate": 0.0,
            "labels": [*(f"({at * 100}, {at * 100 + 100}]" for at in range(10)), "missing"],
            "baseline": [*old.tolist(), 0],
            "window": [*new.tolist(), 8],
            "unseen": {},
        }

    def _decide(self, model: str) -> str:
        state = self.writer.state.models[model]
        assert state.serving is not None
        assert state.serving.signed is not None
        grant = state.serving.signed.grant
        now = self._clock()
        decision = Decision(
            decision_id=derived_id("decision", model),
            time=now,
            event_time=now,
            model=model,
            version=state.serving.number,
            artifact=grant.artifact,
            grant_id=grant.grant_id,
            variant=Variant.CHAMPION,
            caller="crew-planning",
            trace_id="",
            latency_us=912,
            numbers=([762.0],),
            texts=(["ATL"],),
            outputs=[113.4],
        )
        (segment,) = seal([NumberedDecision(1, decision)], self.store, "replica-1", "epoch-1")
        self.record(REPLICA, segment)
        return decision.decision_id
