"""A small fleet with a real ledger and a real store, whose every number can be computed by hand.

Model ``air-a``: version 1 answers x, version 2 answers 2x. Model ``air-b``: version 1 answers x + 1.

    2013   model  answered by      x       answer   actual   served error   version 1 would err
    March  air-a  1 champion       10, 20  10, 20   12, 20   2, 0           2, 0
    March  air-b  1 champion       4       5        8        3              3
    April  air-a  2 canary         10      20       19       1              9
    April  air-b  1 champion       3       4        4        0              0
    May    air-a  2 champion       3       6        6        0              3
    May    air-a  2 champion       7       14       (none arrived)
                                                    mean:    6/6 = 1        17/6
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from runtime.domain import events as e
from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.entry import Draft
from runtime.domain.ids import derived_id, digest_of
from runtime.domain.reports import Comparison, EvaluationReport, FeatureStatistic, GateResult, WindowPerformance
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from runtime.flavors.encoding import Encoding
from runtime.flavors.sklearn import SklearnPredictor, dump
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.storage.frames import NumberedDecision, NumberedOutcomes
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from runtime.storage.subject_key import SubjectKey

JOB, OPERATOR, MONITOR, REPLICA = "job:train", "service:operator", "service:monitor", "service:replica"
SCRIPT = "<script>alert('boo')</script>"
SCHEMA = Schema(
    inputs=(Field(name="x", kind=FieldKind.NUMBER), Field(name="sky", kind=FieldKind.TEXT)),
    outputs=(Field(name="minutes", kind=FieldKind.NUMBER),),
)


def day(month: int, number: int = 1) -> datetime:
    return datetime(2013, month, number, tzinfo=UTC)


def spec(name: str = "air-{route}") -> Spec:
    return Spec.model_validate(
        {
            "kind": "fleet",
            "name": name,
            "for_each": {"by": ["route"]},
            "owner": {"team": "planning & co", "contact": "planning@example.com"},
            "purpose": f"minutes in the air {SCRIPT}",
            "risk_tier": "low",
            "task": "regression",
            "data": {"source": "a.b:load", "time": "at", "target": "minutes", "features": ["x", "sky"]},
            "train": {"estimator": "LinearRegression"},
            "gates": [{"metric": "mae", "max": 30}],
            "approval": {"automatic_if": ["all_gates_pass"]},
        }
    )


def artifact(slope: float, intercept: float = 0.0) -> bytes:
    """A version that answers ``slope * x + intercept``, exactly, whatever the sky."""
    from sklearn.linear_model import LinearRegression

    estimator = LinearRegression().fit(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0]))
    estimator.coef_, estimator.intercept_ = np.array([slope, 0.0]), intercept
    encoding = Encoding(columns=("x", "sky"), categories={"sky": ("clear", "cloudy")})
    return dump(SklearnPredictor(estimator, SCHEMA, encoding))


@dataclass
class Fleet:
    """Records what happens to a fleet as its actors would."""

    home: Path
    store: ObjectStore = field(init=False)
    log: Log = field(init=False)
    writer: Writer = field(init=False)
    sealed: dict[str, e.SegmentSealed] = field(default_factory=dict)
    decisions: int = 0
    outcomes: int = 0

    def __post_init__(self) -> None:
        self.store = ObjectStore.open(self.store_url)
        self.log = Log.open(self.database_url, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        key = SigningKey.load_or_create(self.home / "key")
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, key))

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def store_url(self) -> str:
        return str(self.home / "store")

    def record(self, principal: str, *events: e.Event) -> None:
        answers = self.writer.commit([[Draft.fresh(event, principal) for event in events]])[0]
        for answer in answers:
            if not isinstance(answer, Receipt):
                raise answer

    def declare(self, *routes: str, name: str = "air-{route}") -> None:
        applied = spec(name)
        self.record(JOB, e.SpecApplied(name=applied.name, digest=applied.digest, spec=applied.as_document()))
        for route in routes:
            partition = {"route": route}
            self.record(
                JOB, e.ModelDeclared(model=name.replace("{route}", route), spec=applied.name, partition=partition)
            )

    def version(
        self,
        model: str,
        number: int,
        content: bytes,
        *,
        batch: str = "first",
        refused_because: str | None = None,
        compared: Comparison | None = None,
        schema: Schema = SCHEMA,
        baseline: str | None = None,
    ) -> None:
        digest = self.store.put(content)
        registered = e.VersionRegistered.model_validate(
            {
                "kind": "version_registered",
                "model": model,
                "version": number,
                "artifact": digest,
                "artifact_bytes": len(content),
                "package": digest,
                "baseline": baseline or digest,
                "flavor": "sklearn",
                "estimator": "LinearRegression",
                "parameters": {},
                "seed": 0,
                "schema": schema,
                "dataset": digest_of(b"data"),
                "train_rows": 10,
                "first_time": day(1),
                "last_time": day(2),
                "as_of": day(3),
                "batch": batch,
                "code_revision": "none",
                "environment": {},
            }
        )
        gate = GateResult(gate="mae", passed=refused_because is None, reason=refused_because or "fine")
        report = EvaluationReport(metrics={"mae": 1.0}, rows=10, gates=(gate,), comparison=compared)
        self.record(JOB, registered, e.VersionEvaluated(model=model, version=number, report=report))

    def roll_out(self, model: str, number: int, *stages: e.Stage) -> None:
        steps = tuple(e.Step(stage=stage, share=0.5, decisions=1) for stage in (*stages, e.Stage.FULL))
        self.record(OPERATOR, e.RolloutStarted(model=model, version=number, steps=steps))

    def promote(self, model: str, number: int, at: datetime | None = None) -> None:
        self.record(OPERATOR, e.VersionPromoted(model=model, version=number, reason="good enough", as_of=at))

    def find(self, model: str, kind: e.FindingKind, at: datetime, *, recent_mae: float = 2.0) -> None:
        finding = e.FindingOpened(
            finding=derived_id(model, kind, at),
            model=model,
            version=1,
            about=kind,
            as_of=at,
            since=day(3),
            log_evidence=12.0,
            log_threshold=9.2,
            features=(FeatureStatistic(feature="x", log_score=1, js=0.1, psi=0.2, missing_rate=0),),
            recent=WindowPerformance(rows=30, mae=recent_mae, bias=0),
            baseline=WindowPerformance(rows=100, mae=1.0, bias=0),
        )
        self.record(MONITOR, finding)

    def retrain(self, batch: str, at: datetime, *models: str) -> None:
        name = self.writer.state.models[models[0]].spec
        self.record(
            OPERATOR, e.RetrainingStarted(batch=batch, spec=name, models=models, as_of=at, reason=f"asked for {SCRIPT}")
        )

    def finish(self, batch: str, *, succeeded: bool = True, reason: str = "") -> None:
        self.record(OPERATOR, e.RetrainingFinished(batch=batch, succeeded=succeeded, reason=reason))

    def answer(
        self,
        name: str,
        model: str,
        version: int,
        at: datetime,
        xs: list[float],
        answers: list[float],
        *,
        variant: Variant = Variant.CHAMPION,
        seal_as: str | None = None,
        key: SubjectKey | None = None,
    ) -> None:
        """Records and seals one decision, under a data subject's key if there is one; ``seal_as`` names its segment."""
        decision = Decision(
            decision_id=derived_id(name),
            time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.decisions),
            event_time=at,
            model=model,
            version=version,
            artifact=digest_of(b"artifact"),
            grant_id="grant",
            variant=variant,
            caller="planning",
            trace_id="0" * 32,
            latency_us=800,
            numbers=([*xs],),
            texts=([*("cloudy" for _ in xs)],),
            outputs=answers,
        )
        decision = decision if key is None else key.protect(decision)
        self._seal([NumberedDecision(self.decisions + 1, decision)], seal_as or name)
        self.decisions += decision.rows

    def tell(self, name: str, model: str, actuals: list[float]) -> None:
        outcomes = Outcomes(
            decision_id=derived_id(name),
            time=datetime(2026, 1, 2, tzinfo=UTC),
            model=model,
            caller="planning",
            rows=list(range(len(actuals))),
            actuals=actuals,
        )
        self._seal([NumberedOutcomes(self.outcomes + 1, outcomes)], f"outcome of {name}")
        self.outcomes += len(actuals)

    def _seal(self, frames: list[Any], name: str) -> None:
        for event in seal(frames, self.store, "replica-1", "epoch-1"):
            self.record(REPLICA, event)
            self.sealed[name] = event

    def object_of(self, digest: str) -> Path:
        return Path(self.store.path_of(digest))

    def close(self) -> None:
        self.log.close()


def a_comparison(champion: float = 4.0, challenger: float = 1.5) -> Comparison:
    return Comparison(
        metric="mae",
        rows=10,
        champion=champion,
        challenger=challenger,
        difference=challenger - champion,
        confidence=0.95,
    )


def open_for_business(fleet: Fleet) -> None:
    """Two models, each with its first version as champion."""
    fleet.declare("a", "b")
    fleet.record(
        JOB, e.PartitionSkipped(spec="air-{route}", partition={"route": SCRIPT}, reason="3 rows, fewer than 10")
    )
    fleet.version("air-a", 1, artifact(1.0))
    fleet.version("air-b", 1, artifact(1.0, 1.0))
    for model in ("air-a", "air-b"):
        fleet.roll_out(model, 1)
        fleet.promote(model, 1)


def live_a_spring(fleet: Fleet) -> None:
    """The traffic of this module's table, and what came of it."""
    fleet.answer("march a", "air-a", 1, day(3, 5), [10.0, 20.0], [10.0, 20.0])
    fleet.answer("march b", "air-b", 1, day(3, 6), [4.0], [5.0])
    fleet.tell("march a", "air-a", [12.0, 20.0])
    fleet.tell("march b", "air-b", [8.0])
    fleet.find("air-a", e.FindingKind.DATA_DRIFT, day(3, 12))
    fleet.find("air-a", e.FindingKind.PERFORMANCE, day(4))
    fleet.retrain("batch-1", day(4), "air-a", "air-b")
    fleet.version("air-a", 2, artifact(2.0), batch="batch-1", compared=a_comparison())
    fleet.version("air-b", 2, artifact(9.0), batch="batch-1", refused_because=f"no better {SCRIPT}")
    fleet.finish("batch-1")
    fleet.roll_out("air-a", 2, e.Stage.CANARY)
    fleet.answer("april a", "air-a", 2, day(4, 9), [10.0], [20.0], variant=Variant.CANARY)
    fleet.answer("april a", "air-a", 1, day(4, 9), [10.0], [10.0], variant=Variant.SHADOW, seal_as="shadow")
    fleet.answer("april b", "air-b", 1, day(4, 9), [3.0], [4.0])
    fleet.tell("april a", "air-a", [19.0])
    fleet.tell("april b", "air-b", [4.0])
    fleet.promote("air-a", 2, day(4, 20))
    fleet.answer("may a", "air-a", 2, day(5, 7), [3.0], [6.0])
    fleet.answer("may a", "air-a", 2, day(5, 7), [3.0], [6.0], seal_as="sent again")
    fleet.answer("may, no outcome", "air-a", 2, day(5, 8), [7.0], [14.0])
    fleet.tell("may a", "air-a", [6.0])
