"""The story of a small fleet: one model with two champions behind it and a version that waits, one with nothing.

minutes-a   version 1 champion, then version 2; version 3 waits for approval; a finding; a retraining
minutes-b   version 1 refused by its gates
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.load import parse_spec
from runtime.domain.reports import EvaluationReport, FeatureStatistic, GateResult, WindowPerformance
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.spec import Spec
from tests.unit.domain.lives import FULL, a_finding, registered

BASE = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA = datetime(2013, 3, 1, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
BATCH = "batch-1"

SPEC_TEXT = """
kind: fleet
name: minutes-{route}
for_each: {by: [route]}
owner: {team: planning, contact: planning@example.com}
purpose: minutes in the air
risk_tier: medium
task: regression
data: {source: "examples.flights.data:load", time: scheduled, target: air_time, features: [hour]}
train: {estimator: HistGradientBoostingRegressor}
gates: [{metric: mae, max: 30}]
"""

_SCHEMA = Schema(
    inputs=(Field(name="hour", kind=FieldKind.NUMBER),), outputs=(Field(name="air_time", kind=FieldKind.NUMBER),)
)


def clock(start: datetime) -> Callable[[], datetime]:
    """Gives a second later each time."""
    times = (start + timedelta(seconds=count) for count in range(1_000_000))
    return lambda: next(times)


@cache
def spec() -> Spec:
    return parse_spec(SPEC_TEXT)


def story() -> Iterator[Draft]:
    """Every draft, in order; what follows from them by policy comes from the writer."""
    owner, operator, monitor = "user:dora", "service:operator", "service:monitor"
    told: list[tuple[str, e.Event]] = [
        ("service:governor", e.GovernorStarted(epoch=1, key_id="0123456789abcdef", public_key="ed25519:x")),
        (owner, e.SpecApplied(name=spec().name, digest=spec().digest, spec=spec().as_document())),
        (owner, e.ModelDeclared(model="minutes-a", spec=spec().name, partition={"route": "a"})),
        (owner, e.ModelDeclared(model="minutes-b", spec=spec().name, partition={"route": "b"})),
        (owner, e.PartitionSkipped(spec=spec().name, partition={"route": "c"}, reason="too few rows")),
        *((owner, event) for event in _made("minutes-b", 1, mae=31.5)),
        *((owner, event) for event in _made("minutes-a", 1, mae=9.25)),
        *_promoted("minutes-a", 1),
        *((owner, event) for event in _made("minutes-a", 2, mae=8.5)),
        *_promoted("minutes-a", 2),
        *((owner, event) for event in _made("minutes-a", 3, mae=8.75)),
        (operator, e.WatermarkAdvanced(until=DATA)),
        (monitor, _finding()),
        (monitor, e.TicksClosed(until=DATA, ticks=1, decisions=29, outcomes=27)),
        (operator, _retraining()),
        (operator, e.RetrainingFinished(batch=BATCH, succeeded=True, reason="job succeeded")),
    ]
    for number, (principal, event) in enumerate(told):
        yield Draft(event, principal, f"draft-{number}")


def _retraining() -> e.RetrainingStarted:
    return e.RetrainingStarted(
        batch=BATCH, spec=spec().name, models=("minutes-a",), as_of=DATA, reason="1 due [urgent]"
    )


def _made(model: str, version: int, *, mae: float) -> tuple[e.Event, ...]:
    passed = mae <= 30
    gate = GateResult(gate="mae", passed=passed, value=mae, limit=30, reason=f"mae {mae}, limit 30")
    made = registered(version, model, DATA).model_copy(
        update={"train_rows": 1234, "artifact": DIGEST, "schema_": _SCHEMA, "batch": "train-1"}
    )
    report = EvaluationReport(metrics={"mae": mae}, rows=100, gates=(gate,))
    return made, e.VersionEvaluated(model=model, version=version, report=report)


def _promoted(model: str, version: int) -> Iterator[tuple[str, e.Event]]:
    yield "user:ada", e.ApprovalGiven(model=model, version=version, reason="fine")
    yield "service:operator", e.RolloutStarted(model=model, version=version, steps=FULL)
    yield "service:operator", e.VersionPromoted(model=model, version=version, reason="the last step", as_of=DATA)


def _finding() -> e.FindingOpened:
    return a_finding(
        about=e.FindingKind.DATA_DRIFT,
        features=(FeatureStatistic(feature="hour", log_score=12.3, js=0.5, psi=2.26, missing_rate=0.0),),
        as_of=DATA,
        model="minutes-a",
    ).model_copy(
        update={
            "version": 2,
            "since": DATA,
            "log_evidence": 12.34,
            "log_threshold": 9.21,
            "recent": WindowPerformance(rows=30, mae=8.6, bias=1.0),
            "baseline": WindowPerformance(rows=300, mae=8.5, bias=0.0),
        }
    )
