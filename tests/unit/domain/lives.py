"""What the tests of domain, policy and governance are made of: a spec, events of a version's life, a history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.fold import apply
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.ids import derived_id, digest_of
from runtime.domain.model_state import ModelState, VersionState
from runtime.domain.reports import Comparison, EvaluationReport, FeatureStatistic, GateResult, WindowPerformance
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
MODEL = "flight-time-UA"
KINDS: tuple[type[Any], ...] = get_args(get_args(e.Event)[0])
STEPS = (
    e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=30),
    e.Step(stage=e.Stage.CANARY, share=0.1, decisions=10),
    e.Step(stage=e.Stage.FULL, share=1.0, decisions=0),
)
FULL = STEPS[-1:]
SCHEMA = Schema(
    inputs=(Field(name="hour", kind=FieldKind.NUMBER), Field(name="dest", kind=FieldKind.TEXT)),
    outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
)
DOCUMENT: dict[str, Any] = {
    "kind": "fleet",
    "name": "flight-time-{carrier}",
    "for_each": {"by": ["carrier"]},
    "owner": {"team": "network-planning", "contact": "planning@example.com"},
    "purpose": "minutes in the air",
    "risk_tier": "low",
    "task": "regression",
    "data": {"source": "data:load", "time": "scheduled", "target": "air_time", "features": ["hour", "dest"]},
    "train": {"estimator": "HistGradientBoostingRegressor", "search": {"learning_rate": "loguniform(0.02, 0.3)"}},
    "gates": [{"metric": "mae", "max": 30}],
    "rollout": [{"shadow": 30}, {"canary": "10%", "for": 10}, {"full": True}],
    "guardrail": {"worse_by": 0.1},
    "approval": {"automatic_if": ["all_gates_pass", {"risk_tier": "low"}], "valid_for": "90d"},
}


def a_spec(**changes: Any) -> Spec:
    return Spec.model_validate(DOCUMENT | changes)


def digest(text: str) -> str:
    return digest_of(text.encode())


def applied(spec: Spec) -> e.SpecApplied:
    return e.SpecApplied(name="flights", digest=spec.digest, spec=spec.as_document())


def declared(model: str = MODEL) -> e.ModelDeclared:
    return e.ModelDeclared(model=model, spec="flights", partition={"carrier": model[-2:]})


def registered(version: int = 1, model: str = MODEL, as_of: datetime = MONDAY) -> e.VersionRegistered:
    return e.VersionRegistered(
        model=model,
        version=version,
        artifact=digest(f"artifact {version}"),
        artifact_bytes=1000,
        package=digest(f"package {version}"),
        baseline=digest(f"baseline {version}"),
        flavor="sklearn",
        estimator="HistGradientBoostingRegressor",
        parameters={"learning_rate": 0.1, "max_depth": None},
        seed=2013,
        schema=SCHEMA,
        dataset=digest("dataset"),
        train_rows=400,
        first_time=as_of - timedelta(days=60),
        last_time=as_of,
        as_of=as_of,
        batch="batch-1",
        code_revision="abc",
        environment={"python": "3.11"},
    )


def a_report(*, passed: bool = True) -> EvaluationReport:
    gate = GateResult(gate="mae", passed=passed, value=12.0, limit=30.0, reason=f"MAE 12 {'<=' if passed else '>'} 30")
    return EvaluationReport(metrics={"mae": 12.0}, rows=100, gates=(gate,))


def evaluated(version: int = 1, *, passed: bool = True, model: str = MODEL) -> e.VersionEvaluated:
    return e.VersionEvaluated(model=model, version=version, report=a_report(passed=passed))


def refused(version: int = 1) -> e.VersionRefused:
    return e.VersionRefused(model=MODEL, version=version, reason="MAE 40 > 30")


def approval_requested(version: int = 1, approvers: int = 1) -> e.ApprovalRequested:
    return e.ApprovalRequested(
        model=MODEL, version=version, approvers=approvers, role="approver", reason="high risk", policy=digest("policy")
    )


def renewal_requested(version: int = 1) -> e.ApprovalRequested:
    return approval_requested(version).model_copy(update={"renewal": True})


def approval_given(version: int = 1) -> e.ApprovalGiven:
    return e.ApprovalGiven(model=MODEL, version=version, reason="looks right")


def approved(version: int = 1) -> e.VersionApproved:
    return e.VersionApproved(
        model=MODEL,
        version=version,
        approved_by=("policy:abc",),
        automatic=True,
        reason="all 1 gates passed",
        policy=digest("policy"),
        valid_until=MONDAY + timedelta(days=90),
    )


def a_grant(version: int = 1) -> Grant:
    return Grant(
        grant_id=f"grant-{version}",
        model=MODEL,
        version=version,
        artifact=digest(f"artifact {version}"),
        package=digest(f"package {version}"),
        environment="prod",
        pool="default",
        policy=digest("policy"),
        valid_from=MONDAY,
        valid_until=MONDAY + timedelta(days=90),
    )


def granted(version: int = 1) -> e.GrantIssued:
    return e.GrantIssued(
        model=MODEL, version=version, signed=SignedGrant(grant=a_grant(version), key_id="k", signature="s")
    )


def revoked(version: int = 1, grant_id: str = "") -> e.GrantRevoked:
    return e.GrantRevoked(model=MODEL, version=version, grant_id=grant_id or f"grant-{version}", reason="rolled back")


def started(version: int = 1, steps: tuple[e.Step, ...] = STEPS) -> e.RolloutStarted:
    return e.RolloutStarted(model=MODEL, version=version, steps=steps)


def a_comparison(challenger: float = 9.0, rows: int = 30) -> Comparison:
    return Comparison(
        metric="mae", rows=rows, champion=10.0, challenger=challenger, difference=challenger - 10.0, confidence=0.95
    )


def measured(version: int = 1, step: int = 0, challenger: float = 9.0) -> e.RolloutMeasured:
    return e.RolloutMeasured(
        model=MODEL, version=version, step=step, comparison=a_comparison(challenger), as_of=MONDAY + timedelta(days=1)
    )


def advanced(version: int = 1, step: int = 1) -> e.RolloutAdvanced:
    return e.RolloutAdvanced(model=MODEL, version=version, step=step, reason="within the guardrail")


def aborted(version: int = 1) -> e.RolloutAborted:
    return e.RolloutAborted(model=MODEL, version=version, reason="above the guardrail")


def promoted(version: int = 1, as_of: datetime | None = MONDAY) -> e.VersionPromoted:
    return e.VersionPromoted(model=MODEL, version=version, reason="the last step", as_of=as_of)


def rolled_back(version: int = 2, to: int = 1) -> e.RolledBack:
    return e.RolledBack(model=MODEL, version=version, to=to, reason="complaints")


def a_finding(
    name: str = "finding-1",
    about: e.FindingKind = e.FindingKind.PERFORMANCE,
    recent: float | None = 15.0,
    features: tuple[FeatureStatistic, ...] = (),
    as_of: datetime = MONDAY,
    model: str = MODEL,
) -> e.FindingOpened:
    """A finding whose recent MAE stands against a baseline of 10."""
    return e.FindingOpened(
        finding=name,
        model=model,
        version=1,
        about=about,
        as_of=as_of,
        since=as_of - timedelta(days=3),
        log_evidence=12.0,
        log_threshold=9.2,
        features=features,
        recent=None if recent is None else WindowPerformance(rows=30, mae=recent, bias=1.0),
        baseline=None if recent is None else WindowPerformance(rows=400, mae=10.0, bias=0.0),
    )


@dataclass
class History:
    """Entries and the state they fold into; an event that is refused leaves no entry."""

    entries: list[Entry] = field(default_factory=list)
    state: FleetState = field(default_factory=FleetState)

    @classmethod
    def of(cls, *events: e.Event, spec: Spec | None = None) -> History:
        """A fleet with one declared model, and what happened to it."""
        return cls().after(applied(spec or a_spec()), declared(), *events)

    def after(self, *events: e.Event, by: str = "service:governor") -> History:
        for event in events:
            self.record(event, by)
        return self

    def record(self, event: e.Event, by: str = "service:governor") -> Entry:
        seq = self.state.size
        entry = Entry(seq, derived_id("test", seq), MONDAY + timedelta(minutes=seq), by, event)
        apply(self.state, entry)
        self.entries.append(entry)
        return entry

    @property
    def model(self) -> ModelState:
        return self.state.model(MODEL)

    def version(self, number: int = 1) -> VersionState:
        return self.model.version(number)


def servable(version: int = 1) -> tuple[e.Event, ...]:
    """What happens until a version may be rolled out."""
    return registered(version), evaluated(version), approved(version), granted(version)


def champion(version: int = 1) -> tuple[e.Event, ...]:
    """What happens until a version is the champion, without steps in between."""
    return *servable(version), started(version, FULL), promoted(version)


def prepared() -> e.DatasetPrepared:
    """The dataset that ``registered`` was trained on."""
    return e.DatasetPrepared(
        spec="flights",
        digest=registered().dataset,
        rows=400,
        partitions=1,
        columns=("hour",),
        first_time=MONDAY,
        last_time=MONDAY,
    )
