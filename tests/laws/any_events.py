"""Events of every kind, with few names and numbers, so that they often speak of the same model and version.

A field is drawn by its name, and by its type where the name is not listed: a new kind of event needs no change.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.checks import Breach, Check
from runtime.domain.erasure import ErasurePart
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.findings import Direction
from runtime.domain.guards import Guard, GuardReading
from runtime.domain.metrics import Metric
from runtime.domain.people import Evidence, People, Seat, TimeOut
from runtime.domain.policy_document import PolicyDocument
from runtime.domain.pools import PoolOptions
from runtime.domain.reports import (
    Comparison,
    EstimatedPerformance,
    EvaluationReport,
    Expected,
    FeatureStatistic,
    GateResult,
    SliceGap,
    WindowPerformance,
)
from runtime.domain.tokens import GIVEN
from runtime.domain.verdict import Verdict
from tests.unit.domain.lives import KINDS, MODEL, MONDAY, SCHEMA, STEPS, a_grant, a_spec, digest, granted

SPEC = a_spec()
POLICY = PolicyDocument.model_validate({"kind": "policy", "name": "flights", "about": "a law", "alarm_budget": 4})
DIGESTS = st.sampled_from([digest("a"), digest("b"), SPEC.digest])
MOMENTS = st.integers(-3, 60).map(lambda days: MONDAY + timedelta(days=days))
COUNTS = st.integers(0, 3)
TEXTS = st.sampled_from(["", "drift", "\u00e9\U0001f6eb\x00"])
PLAIN = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
FLOATS = st.floats(-1e9, 1e9)
PERFORMANCES = st.builds(WindowPerformance, rows=COUNTS, mae=FLOATS, bias=FLOATS)
EXPECTED = st.builds(Expected, metric=st.sampled_from(Metric), value=FLOATS, low=FLOATS, high=FLOATS)
ESTIMATES = st.builds(
    EstimatedPerformance,
    rows=COUNTS,
    method=st.sampled_from(["cbpe", "dle"]),
    confidence=st.just(0.95),
    metrics=st.lists(EXPECTED, max_size=2).map(tuple),
)
GAPS = st.builds(
    SliceGap,
    slice=TEXTS,
    metric=st.sampled_from(Metric),
    values=COUNTS,
    rows=COUNTS,
    worst=TEXTS,
    worst_error=FLOATS,
    best=TEXTS,
    best_error=FLOATS,
    demographic_parity_difference=st.none() | st.floats(0, 1),
    equalized_odds_difference=st.none() | st.floats(0, 1),
)
COMPARISONS = st.builds(
    Comparison,
    metric=st.just("mae"),
    rows=st.integers(0, 60),
    champion=FLOATS,
    challenger=FLOATS,
    difference=FLOATS,
    low=st.none() | FLOATS,
    high=st.none() | FLOATS,
    confidence=st.just(0.95),
)
GATES = st.builds(GateResult, gate=TEXTS, passed=st.booleans(), value=st.none() | FLOATS, limit=FLOATS, reason=TEXTS)
STATISTICS = st.builds(
    FeatureStatistic,
    feature=TEXTS | st.sampled_from(SPEC.data.features),
    log_score=FLOATS,
    js=FLOATS,
    psi=FLOATS,
    missing_rate=st.floats(0, 1),
    direction=st.none() | st.sampled_from(Direction),
)
BREACHES = st.builds(Breach, check=st.sampled_from(Check), of=TEXTS, value=FLOATS, limit=FLOATS, told=TEXTS)
READINGS = st.builds(
    GuardReading,
    guard=st.sampled_from(Guard),
    rows=COUNTS,
    value=FLOATS,
    limit=FLOATS,
    log_evidence=FLOATS,
    log_threshold=FLOATS,
    log_cleared=st.none() | FLOATS,
)
MODELS = st.sampled_from([MODEL, "flight-time-AA"])
VERSIONS = st.integers(1, 3)

TERMS = st.sampled_from(
    [
        People(),
        People(approvers=2, also=(Seat(role="operator"),), within=timedelta(days=2), then=TimeOut.STAY),
        People(within=timedelta(days=1)),
        People(within=timedelta(days=1), then=TimeOut.ESCALATE, escalate_to=Seat(role="admin")),
        People(among=("user:ada", "user:bob"), evidence=Evidence(reason=3)),
    ]
)

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "estimated": st.none() | ESTIMATES,
    "guards": st.none() | st.lists(READINGS, min_size=1, max_size=2).map(tuple),
    "fallen": st.lists(MODELS, min_size=1, max_size=2).map(tuple),
    "alarms": st.none() | st.dictionaries(MODELS, MOMENTS, min_size=1, max_size=2),
    "every": st.sampled_from([timedelta(days=7), timedelta(days=28)]),
    "slices": st.none() | st.lists(GAPS, max_size=2).map(tuple),
    "model": MODELS,
    "models": st.lists(MODELS, min_size=1, max_size=2).map(tuple),
    "version": VERSIONS,
    "to": VERSIONS,
    "parent": st.none() | VERSIONS,
    "name": st.just("flights"),
    "partition": st.sampled_from([{"carrier": "UA"}, {"carrier": "AA"}]),
    "batch": st.sampled_from(["b1", "b2"]),
    "finding": st.sampled_from(["f1", "f2"]),
    "findings": st.lists(st.sampled_from(["f1", "f2"]), min_size=1, max_size=2).map(tuple),
    "incident": st.sampled_from(["i1", "i2"]),
    "evidence": st.none() | DIGESTS,
    "rows_a_day": st.dictionaries(MODELS, st.floats(0, 1e6), max_size=2),
    "false_alarms": st.floats(0.1, 100),
    "grant_id": st.sampled_from([a_grant(1).grant_id, a_grant(2).grant_id]),
    "signed": VERSIONS.map(lambda version: granted(version).signed),
    "steps": st.sampled_from([STEPS, STEPS[1:], STEPS[-1:]]),
    "step": st.integers(0, 3),
    "comparison": COMPARISONS,
    "report": st.builds(EvaluationReport, metrics=st.dictionaries(TEXTS, FLOATS), rows=COUNTS, gates=st.tuples(GATES)),
    "features": st.lists(STATISTICS, max_size=2).map(tuple),
    "breaches": st.none() | st.lists(BREACHES, max_size=2).map(tuple),
    "recent": st.none() | PERFORMANCES,
    "baseline": DIGESTS,
    "verdict": st.builds(Verdict, action=st.sampled_from(["nothing", "retrain", "call_a_person"]), reason=TEXTS),
    "schema": st.just(SCHEMA),
    "parameters": st.dictionaries(TEXTS, PLAIN, max_size=3),
    "environment": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "columns": st.just(("hour",)),
    "entries": VERSIONS,
    "asked": st.none() | TERMS,
    "announced": st.none() | MOMENTS,
    "card": st.none() | DIGESTS,
    "conditions": st.none() | st.just(("domestic alone",)),
    "successor": st.none() | MODELS,
    "valid_seconds": st.sampled_from([60, 3600]),
    "broke": st.none() | st.dictionaries(TEXTS, COUNTS, max_size=2),
    "approved_by": st.just(("user:ada",)),
    "epoch": st.sampled_from([1, 2]),
    "hold": VERSIONS,
    "digests": st.lists(DIGESTS, min_size=1, max_size=2).map(tuple),
    "records": VERSIONS,
    "pool": st.sampled_from(["default", "fast"]),
    "options": st.builds(PoolOptions, cpus=st.floats(0, 8)),
    "requests": VERSIONS,
    "monitor": st.none() | st.just(0),
    "monitors": VERSIONS,
    "size": COUNTS,
    "late": st.none() | VERSIONS,
    "token": st.sampled_from(["a" * 16, "b" * 16]),
    "secret": st.sampled_from(["hmac-sha256:" + "0" * 64]),
    "principal": st.sampled_from(["user:ada", "user:https://login.example.com/|7"]),
    "role": st.sampled_from(sorted(GIVEN)),
    "roles": st.lists(st.sampled_from(sorted(GIVEN)), min_size=1, max_size=2).map(tuple),
    "per_second": st.none() | st.floats(0.1, 100),
    "pseudonym": st.sampled_from(["a" * 64, "b" * 64]),
    "parts": st.lists(
        st.builds(ErasurePart, model=MODELS, pseudonym=st.sampled_from(["a" * 64, "b" * 64]), records=COUNTS),
        min_size=1,
        max_size=2,
    ).map(tuple),
}
DIGEST_FIELDS = ("digest", "artifact", "package", "dataset", "policy")
MOMENT_FIELDS = ("as_of", "since", "until", "valid_until", "before", "first_time", "last_time", "expires")


OF_KIND: dict[tuple[type[Any], str], st.SearchStrategy[Any]] = {
    (e.SpecApplied, "spec"): st.just(SPEC.as_document()) | st.dictionaries(TEXTS, PLAIN, max_size=2),
    (e.SpecApplied, "digest"): st.just(SPEC.digest) | DIGESTS,
    (e.MonitorSaved, "monitor"): st.just(0),
    (e.DatasetPrepared, "decisions"): st.none()
    | st.builds(
        DecisionsRead, read=DIGESTS, entries=COUNTS, rows=COUNTS, left_out=st.dictionaries(TEXTS, COUNTS, max_size=2)
    ),
    (e.BreakGlassOpened, "reason"): st.just("outage"),
    (e.RetrainingScored, "before"): FLOATS,
    (e.BreakGlassSigned, "reason"): st.just("seen it"),
    (e.RetrainingBudgetSet, "models"): VERSIONS,
    (e.RetrainingStarted, "findings"): st.none() | st.dictionaries(MODELS, BY_NAME["finding"], min_size=1, max_size=2),
    (e.FindingOpened, "baseline"): st.none() | PERFORMANCES,
    (e.VerdictReached, "incident"): st.none() | BY_NAME["incident"],
    (e.FindingAnswered, "finding"): BY_NAME["finding"] | BY_NAME["incident"],
    (e.FindingAnswered, "model"): st.none() | MODELS,
    (e.FindingAnswered, "until"): st.none() | MOMENTS,
    (e.PolicyProposed, "document"): st.just(POLICY.as_document()) | st.dictionaries(TEXTS, PLAIN, max_size=2),
    (e.PolicyProposed, "digest"): st.just(POLICY.digest) | DIGESTS,
    (e.PolicyProposed, "backtest"): st.none() | DIGESTS,
    (e.PolicyApproved, "digest"): st.just(POLICY.digest) | DIGESTS,
    (e.PolicyRejected, "digest"): st.just(POLICY.digest) | DIGESTS,
}
"""Fields that mean something else in events of one kind."""


def _field(kind: type[Any], name: str, annotation: Any) -> st.SearchStrategy[Any]:
    if (kind, name) in OF_KIND:
        return OF_KIND[kind, name]
    if name == "epoch" and kind is not e.GovernorStarted:
        return TEXTS
    if name == "spec":
        return st.just("flights")
    if name in BY_NAME:
        return BY_NAME[name]
    if name in DIGEST_FIELDS:
        return DIGESTS
    if name in MOMENT_FIELDS:
        return MOMENTS
    by_type: dict[Any, st.SearchStrategy[Any]] = {str: TEXTS, int: COUNTS, float: FLOATS, bool: st.booleans()}
    by_type[int | None] = st.none() | COUNTS
    return by_type[annotation] if annotation in by_type else st.from_type(annotation)


def of_kind(kind: type[Any]) -> st.SearchStrategy[e.Event]:
    """Events of one kind."""
    fields = {
        info.alias or name: _field(kind, info.alias or name, info.annotation)
        for name, info in kind.model_fields.items()
        if name != "kind"
    }
    return st.fixed_dictionaries(fields).map(kind.model_validate)


def of_kinds(kinds: Iterable[type[Any]]) -> st.SearchStrategy[e.Event]:
    """Events of any of these kinds."""
    return st.one_of([of_kind(kind) for kind in kinds])


EVENTS = of_kinds(KINDS)

DECLARED: tuple[e.Event, ...] = (
    e.SpecApplied(name="flights", digest=SPEC.digest, spec=SPEC.as_document()),
    e.ModelDeclared(model=MODEL, spec="flights", partition={"carrier": "UA"}),
    e.ModelDeclared(model="flight-time-AA", spec="flights", partition={"carrier": "AA"}),
)
"""What most events need before they are legal."""
