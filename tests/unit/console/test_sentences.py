"""Every kind of ledger entry has one sentence: total, on one line, with the reason and the numbers that matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from runtime.console.sentences import sentence
from runtime.domain import alarms as a
from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain import keeping as k
from runtime.domain import tokens as t
from runtime.domain.entry import Entry
from runtime.domain.events.versions import DecisionsRead
from runtime.domain.grant import SignedGrant
from runtime.domain.metrics import Metric
from runtime.domain.people import People, Seat
from runtime.domain.pools import PoolOptions
from runtime.domain.reports import Comparison, EvaluationReport, FeatureStatistic, GateResult, WindowPerformance
from runtime.domain.tokens import Role
from runtime.domain.verdict import Action, Verdict
from tests.unit.domain.lives import STEPS, a_finding, a_grant, registered

CLASSES: tuple[type[Any], ...] = get_args(get_args(e.Event)[0])
NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
MODEL = "flight-time-UA-EWR-SFO"
SPEC = "flight-time-{carrier}-{origin}-{dest}"
PARTITION = {"carrier": "UA", "origin": "EWR", "dest": "SFO"}
COMPARISON = Comparison(
    metric="mae", rows=1200, champion=10.5, challenger=9.25, difference=-1.25, low=-2.0, high=-0.5, confidence=0.95
)
GRANT = a_grant(3).model_copy(update={"model": MODEL, "valid_until": NOON})
REPORT = EvaluationReport(
    metrics={"mae": 9.256},
    rows=139,
    gates=(
        GateResult(gate="mae", passed=True, reason="within the limit"),
        GateResult(gate="size", passed=False, reason="too large"),
    ),
)
REGISTERED = registered(3, MODEL, NOON).model_copy(update={"parent": 2, "train_rows": 1694})
FINDING = a_finding(
    about=e.FindingKind.DATA_DRIFT,
    features=(FeatureStatistic(feature="pressure", log_score=12.3, js=0.5, psi=2.26, missing_rate=0.0),),
    as_of=NOON,
    model=MODEL,
).model_copy(
    update={
        "version": 3,
        "since": NOON,
        "log_evidence": 12.34,
        "log_threshold": 9.21,
        "recent": WindowPerformance(rows=30, mae=12.5, bias=1.0),
        "baseline": WindowPerformance(rows=300, mae=8.25, bias=0.0),
    }
)
VERDICT = e.VerdictReached(
    finding="finding-1",
    model=MODEL,
    verdict=Verdict(action=Action.RETRAIN, reason="recent MAE 12.50 is 1.52 times the baseline's"),
    policy=DIGEST,
    as_of=NOON,
)
SEALED = e.SegmentSealed(
    content=e.SegmentContent.DECISIONS,
    digest=DIGEST,
    record_root="00",
    records=1,
    replica="r1",
    epoch="epoch-1",
    first_number=7,
    last_number=7,
    first_time=NOON,
    last_time=NOON,
)
CASES: list[tuple[e.Event, str]] = [
    (e.SpecApplied(name=SPEC, digest=DIGEST, spec={}), f"{SPEC}: spec abababababab applied"),
    (
        e.ModelDeclared(model=MODEL, spec=SPEC, partition=PARTITION),
        f"{MODEL}: model declared from spec {SPEC}, carrier UA, origin EWR, dest SFO",
    ),
    (
        e.PartitionSkipped(spec=SPEC, partition=PARTITION, reason="12 rows, fewer than the 365 required"),
        f"{SPEC}: partition carrier UA, origin EWR, dest SFO skipped: 12 rows, fewer than the 365 required",
    ),
    (e.ModelSuspended(model=MODEL, reason="strike"), f"{MODEL}: model suspended: strike"),
    (e.ModelResumed(model=MODEL, reason="over"), f"{MODEL}: model resumed: over"),
    (
        e.ModelRetired(model=MODEL, reason="route closed", successor="flight-time-UA-JFK-SFO"),
        f"{MODEL}: model retired in favour of flight-time-UA-JFK-SFO: route closed",
    ),
    (
        e.DatasetPrepared(
            spec=SPEC, digest=DIGEST, rows=4554, partitions=1, columns=("a",), first_time=NOON, last_time=NOON
        ),
        f"{SPEC}: dataset abababababab prepared, 4,554 rows in 1 partition, 2013-03-01 to 2013-03-01",
    ),
    (
        e.DatasetPrepared(
            spec=SPEC,
            digest=DIGEST,
            rows=4554,
            partitions=1,
            columns=("a",),
            first_time=NOON,
            last_time=NOON,
            quarantined=12,
            broke={"a is missing": 3, "a is below 0": 11},
            decisions=DecisionsRead(read=DIGEST, entries=99, rows=4566, left_out={"without an outcome": 30, "old": 4}),
        ),
        (
            f"{SPEC}: dataset abababababab prepared, 4,554 rows in 1 partition, 2013-03-01 to 2013-03-01; "
            "from decisions, 34 of them left out; 12 rows in quarantine, most often a is below 0 (11)"
        ),
    ),
    (
        e.TrainingFailed(model=MODEL, batch="batch-1", reason="no rows"),
        f"{MODEL}: training failed in batch batch-1: no rows",
    ),
    (
        REGISTERED,
        (
            f"{MODEL}: version 3 registered, HistGradientBoostingRegressor trained on 1,694 rows up to 2013-03-01, "
            "successor of version 2"
        ),
    ),
    (
        e.VersionEvaluated(model=MODEL, version=3, report=REPORT),
        f"{MODEL}: version 3 evaluated, 1 of 2 gates passed on 139 rows, MAE 9.26",
    ),
    (e.VersionRefused(model=MODEL, version=3, reason="too slow"), f"{MODEL}: version 3 refused: too slow"),
    (
        e.ApprovalRequested(model=MODEL, version=3, approvers=2, role="approver", reason="high tier", policy=DIGEST),
        f"{MODEL}: version 3 waits for 2 approvals of role approver: high tier",
    ),
    (
        e.ApprovalGiven(model=MODEL, version=3, reason="looks right"),
        f"{MODEL}: approval of version 3 given: looks right",
    ),
    (
        e.ApprovalTimedOut(model=MODEL, version=3),
        f"{MODEL}: nobody decided on version 3 in time",
    ),
    (
        e.RenewalAsked(model=MODEL, version=3, reason="its right ends"),
        f"{MODEL}: version 3 is to serve for longer: its right ends",
    ),
    (
        e.RenewalRefused(model=MODEL, version=3, reason="too old"),
        f"{MODEL}: version 3 is not to serve for longer: too old",
    ),
    (
        e.ApprovalRevoked(model=MODEL, version=3, reason="recalled"),
        f"{MODEL}: approval of version 3 revoked: recalled",
    ),
    (
        e.BreakGlassOpened(model=MODEL, version=3, valid_seconds=5400, reason="outage"),
        f"{MODEL}: version 3 is to serve at once without its approval, for 1.5 h, once another person signs: outage",
    ),
    (
        e.BreakGlassSigned(model=MODEL, version=3, reason="seen it"),
        f"{MODEL}: glass broken for version 3, signed: seen it",
    ),
    (
        e.RetirementAnnounced(model=MODEL, until=NOON, reason="route closed", successor="other"),
        f"{MODEL}: model is to be retired in favour of other, on 2013-03-01 12:00: route closed",
    ),
    (
        e.RetirementCancelled(model=MODEL, reason="it stays"),
        f"{MODEL}: model is not to be retired: it stays",
    ),
    (
        e.ModelReviewed(model=MODEL, version=3, found=e.Fitness.WITH_CONDITIONS, reason="in summer"),
        f"{MODEL}: version 3 reviewed and found fit for its use, with conditions: in summer",
    ),
    (
        e.VersionApproved(
            model=MODEL,
            version=3,
            approved_by=("user:ada", "user:bob"),
            automatic=False,
            reason="2 of 2 approvals given",
            policy=DIGEST,
            valid_until=NOON,
        ),
        (
            f"{MODEL}: version 3 approved, agreed to by user:ada and user:bob, valid until 2013-03-01: "
            "2 of 2 approvals given"
        ),
    ),
    (
        e.GrantIssued(model=MODEL, version=3, signed=SignedGrant(grant=GRANT, key_id="k", signature="s")),
        f"{MODEL}: version 3 granted the right to serve in prod, pool default, until 2013-03-01",
    ),
    (
        e.GrantRevoked(model=MODEL, version=3, grant_id="grant-1", reason="rolled back"),
        f"{MODEL}: grant of version 3 revoked: rolled back",
    ),
    (
        e.PoolConfigured(pool="fast", options=PoolOptions.model_validate({"replicas": "1-4", "gpus": 0.5})),
        "pool fast: set to 1-4 replicas, each with 0.1 CPU and 0.5 GPU",
    ),
    (
        e.ModelMoved(model=MODEL, pool="fast", reason="its spec asks for it, and pool fast answers"),
        f"{MODEL}: moved to pool fast: its spec asks for it, and pool fast answers",
    ),
    (
        e.RolloutStarted(model=MODEL, version=3, steps=STEPS),
        (
            f"{MODEL}: rollout of version 3 started, shadow for 30 decisions, then canary at 10% for 10 decisions, "
            "then all traffic"
        ),
    ),
    (
        e.RolloutMeasured(model=MODEL, version=3, step=0, comparison=COMPARISON, as_of=NOON),
        (
            f"{MODEL}: step 1 of version 3's rollout measured, challenger MAE 9.25 against the champion's 10.50 on "
            "1,200 rows (difference -2.00 to -0.50 at 95% confidence)"
        ),
    ),
    (
        e.RolloutAdvanced(model=MODEL, version=3, step=1, reason="within the guardrail"),
        f"{MODEL}: rollout of version 3 advanced to step 2: within the guardrail",
    ),
    (
        e.RolloutAborted(model=MODEL, version=3, reason="above the guardrail"),
        f"{MODEL}: rollout of version 3 aborted: above the guardrail",
    ),
    (
        e.RolloutPaused(model=MODEL, version=3, reason="a strike"),
        f"{MODEL}: rollout of version 3 paused: a strike",
    ),
    (
        e.RolloutResumed(model=MODEL, version=3, reason="it is over"),
        f"{MODEL}: rollout of version 3 goes on: it is over",
    ),
    (
        e.WavesStopped(spec="flights", batch="b1", wave=1, fallen=(MODEL,), of=2, reason="1 of 2 were ended"),
        "flights: waves of batch b1 stopped after wave 1: 1 of 2 were ended",
    ),
    (
        e.WavesResumed(spec="flights", batch="b1", reason="a feed was late"),
        "flights: waves of batch b1 go on: a feed was late",
    ),
    (
        e.RetrainingBudgetSet(models=20, every=timedelta(days=7), reason="one machine"),
        "fleet: retraining budget set, at most 20 models in 7 days: one machine",
    ),
    (
        e.RetrainingScored(
            model=MODEL,
            version=3,
            batch="b1",
            finding="f1",
            metric=Metric.MAE,
            before=12.0,
            after=8.5,
            usual=8.0,
            rows=30,
            helped=True,
            as_of=NOON,
        ),
        f"{MODEL}: retraining of version 3 helped, MAE 8.50 on 30 rows, against 12.00 at the alarm and 8.00 usually",
    ),
    (
        e.VersionPromoted(model=MODEL, version=3, reason="the last step"),
        f"{MODEL}: version 3 promoted to champion: the last step",
    ),
    (
        e.RolledBack(model=MODEL, version=3, to=2, reason="complaints"),
        f"{MODEL}: rolled back from version 3 to version 2: complaints",
    ),
    (e.WatermarkAdvanced(until=NOON), "fleet: all traffic before 2013-03-01 12:00 has been handed in"),
    (
        e.TicksClosed(until=NOON, ticks=1, decisions=29, outcomes=1),
        "fleet: 1 tick closed up to 2013-03-01 12:00, 29 decisions and 1 outcome",
    ),
    (
        e.TicksClosed(until=NOON, ticks=1, decisions=29, outcomes=1, late=3, monitor=1, monitors=2),
        "fleet: 1 tick closed by monitor 2 of 2 up to 2013-03-01 12:00, 29 decisions and 1 outcome, 3 decisions late",
    ),
    (e.MonitorsSet(monitors=2), "fleet: models are shared by 2 monitors"),
    (
        e.MonitorSaved(monitor=0, monitors=2, size=1234, digest=DIGEST, watched=5),
        "fleet: monitor 1 of 2 saved what it knows of 5 models, as of 1,234 entries",
    ),
    (
        FINDING,
        (
            f"{MODEL}: data drift found in version 3 since 2013-03-01, as of 2013-03-01, log evidence 12.3 over its "
            "threshold 9.2, mostly in pressure (PSI 2.26)"
        ),
    ),
    (
        VERDICT,
        (
            f"{MODEL}: verdict, retrain because of the finding of 2013-03-01: "
            "recent MAE 12.50 is 1.52 times the baseline's"
        ),
    ),
    (
        f.FindingAnswered(finding="ab" * 18, model=MODEL, answer=f.Answer.SNOOZED, until=NOON, reason="strike"),
        f"{MODEL}: finding abababababab snoozed, until 2013-03-01 12:00: strike",
    ),
    (
        f.IncidentOpened(
            incident="ab" * 18,
            source="data:load",
            feature="temp",
            direction=f.Direction.MISSING,
            as_of=NOON,
            models=("a", "b"),
            findings=("1", "2"),
            watched=9,
            checks=2,
            log_chance=-20.0,
            verdict=Verdict(action=Action.CALL_A_PERSON, reason="one cause"),
        ),
        (
            "fleet: incident abababababab: temp missing from data:load, in 2 models of 9 that read it, "
            "as of 2013-03-01: one cause"
        ),
    ),
    (
        a.MonitoringBudgetSet(false_alarms=2.5, reason="two people on call"),
        "fleet: alarm budget set, 2.5 false alarms in 30 days: two people on call",
    ),
    (
        a.TrafficMeasured(until=NOON, rows_a_day={"a": 1000, "b": 500.4}),
        "fleet: traffic measured, 1,500 rows a day of 2 models until 2013-03-01",
    ),
    (
        e.RetrainingStarted(batch="batch-1", spec=SPEC, models=(MODEL,), as_of=NOON, reason="1 due"),
        f"{SPEC}: retraining batch-1 of 1 model started, on data before 2013-03-01: 1 due",
    ),
    (
        e.RetrainingFinished(batch="batch-1", succeeded=False, reason="3 attempts failed"),
        "fleet: retraining batch-1 failed: 3 attempts failed",
    ),
    (SEALED, "replica r1: segment abababababab sealed with 1 decision, numbers 7 to 7 of epoch epoch-1"),
    (
        e.RecordsLost(replica="r1", epoch="epoch-1", first_number=7, last_number=9, reason="torn file"),
        "replica r1: 3 records lost, numbers 7 to 9 of epoch epoch-1: torn file",
    ),
    (
        e.RecordsDropped(
            content=e.SegmentContent.DECISIONS, model=MODEL, replica="r1", epoch="epoch-1", file=4, records=900
        ),
        f"{MODEL}: 900 decisions not kept, counted in file 4 of epoch epoch-1: its capture policy is sampled",
    ),
    (k.LegalHoldPlaced(hold=1, model=MODEL, reason="case 7"), f"{MODEL}: legal hold 1 placed: case 7"),
    (k.LegalHoldReleased(hold=1, reason="closed"), "fleet: legal hold 1 released: closed"),
    (
        k.BodiesDeleted(digests=(DIGEST,), models=(MODEL,), records=46, before=NOON, reason="kept for its time"),
        "fleet: 46 records in 1 segment deleted, of 1 model, none newer than 2013-03-01: kept for its time",
    ),
    (
        k.EvidenceExported(
            model=MODEL, since=NOON, until=NOON + timedelta(days=31), digest=DIGEST, entries=900, samples=100
        ),
        f"{MODEL}: evidence pack abababababab written, 2013-03-01 to 2013-04-01, with 100 records",
    ),
    (
        s.SubjectErasureOrdered(
            parts=(s.ErasurePart(model=MODEL, pseudonym="ab" * 32, records=2),), reason="request 7 of 2026"
        ),
        f"fleet: erasure of a data subject ordered, 2 records of {MODEL} (abababababab): request 7 of 2026",
    ),
    (
        s.SubjectErased(model=MODEL, pseudonym="ab" * 32, records=1, reason="request 7 of 2026"),
        f"{MODEL}: data subject abababababab erased, key destroyed, inputs of 1 record unreadable: request 7 of 2026",
    ),
    (t.AuthenticationSet(mode="required"), "fleet: who asks and who acts must prove who they are"),
    (
        t.TokenCreated(
            token="abcdefghij234567",
            name="ops",
            roles=(Role.CLIENT,),
            models=("air-*",),
            per_second=50,
            expires=NOON,
            secret="hmac-sha256:" + "0" * 64,
        ),
        "access: key abcdefghij234567 made for ops, client on air-*, at most 50 requests/s a replica, until 2013-03-01",
    ),
    (t.TokenRevoked(token="abcdefghij234567", reason="leaked"), "access: key abcdefghij234567 revoked: leaked"),
    (
        t.RoleGiven(principal="user:bob", role=Role.APPROVER, reason="validator"),
        "access: role approver given to user:bob: validator",
    ),
    (
        t.RoleTaken(principal="user:bob", role=Role.APPROVER, reason="left"),
        "access: role approver taken from user:bob: left",
    ),
    (
        e.PolicyProposed(name="cautious", digest=DIGEST, document={}, reason="fewer"),
        f"fleet: policy cautious proposed ({DIGEST[7:19]}): fewer",
    ),
    (
        e.PolicyApproved(name="cautious", digest=DIGEST, reason="agreed"),
        f"fleet: policy cautious approved and in force ({DIGEST[7:19]}): agreed",
    ),
    (
        e.PolicyRejected(name="cautious", digest=DIGEST, reason="too few"),
        f"fleet: policy cautious rejected ({DIGEST[7:19]}): too few",
    ),
    (
        t.AccessRefused(
            replica="r1", caller="", model=MODEL, reason="no key", requests=3, first_time=NOON, last_time=NOON
        ),
        f"{MODEL}: replica r1 refused 3 requests of nobody known: no key",
    ),
    (
        e.LoadRefused(model=MODEL, version=3, replica="r1", reason="digest differs"),
        f"{MODEL}: replica r1 would not load version 3: digest differs",
    ),
    (
        e.GovernorStarted(epoch=2, key_id="5f489c82", public_key="ed25519:x"),
        "fleet: governor started for the 2nd time, with key 5f489c82",
    ),
    (
        e.CommandRefused(command="version_promoted", model=MODEL, reason="user:ada: it holds no grant"),
        f"{MODEL}: command version_promoted refused: user:ada: it holds no grant",
    ),
]


def said(event: e.Event, principal: str = "service:governor") -> str:
    return sentence(Entry(7, "event-7", NOON, principal, event))


def test_every_event_has_a_sentence() -> None:
    assert {type(event) for event, _ in CASES} == set(CLASSES)


@pytest.mark.parametrize(("event", "expected"), CASES, ids=[event.kind for event, _ in CASES])
def test_a_sentence_says_what_happened_to_what_and_why(event: e.Event, expected: str) -> None:
    assert said(event) == expected


@pytest.mark.parametrize("event", [event for event, _ in CASES], ids=[event.kind for event, _ in CASES])
def test_a_sentence_carries_the_reason_of_its_event(event: e.Event) -> None:
    reason = getattr(event, "reason", None)
    assert reason is None or said(event).endswith(f": {reason}")


def test_a_person_is_named_and_a_service_is_not() -> None:
    event = e.VersionRefused(model=MODEL, version=3, reason="too slow")
    assert said(event, "user:ada") == f"{MODEL}: version 3 refused by user:ada: too slow"
    assert "service" not in said(event)


def test_a_finding_about_errors_says_both_errors() -> None:
    event = FINDING.model_copy(update={"about": e.FindingKind.PERFORMANCE})
    assert "change of performance found" in said(event)
    assert "recent MAE 12.50 against the baseline's 8.25" in said(event)


@pytest.mark.parametrize(
    ("epoch", "word"), [(1, "1st"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
)
def test_a_governor_counts_its_starts_in_ordinals(epoch: int, word: str) -> None:
    assert f"for the {word} time" in said(e.GovernorStarted(epoch=epoch, key_id="k", public_key="p"))


def test_an_event_without_a_sentence_is_refused() -> None:
    with pytest.raises(TypeError, match="no sentence for object"):
        said(object())  # type: ignore[arg-type]


def test_a_request_says_which_people_it_asks_and_until_when() -> None:
    people = People(approvers=2, also=(Seat(role="operator"),), within=timedelta(days=1))
    event = e.ApprovalRequested(
        model=MODEL,
        version=3,
        approvers=3,
        role="approver",
        reason="high tier",
        policy=DIGEST,
        asked=people,
        until=NOON,
    )
    seats = "2 approvals of role approver and 1 approval of role operator"
    assert said(event) == f"{MODEL}: version 3 waits for {seats}, until 2013-03-01 12:00: high tier"
    again = event.model_copy(update={"renewal": True, "until": None})
    assert said(again) == f"{MODEL}: version 3 may serve longer after {seats}: high tier"


def test_a_consent_says_in_which_role_and_on_what_condition() -> None:
    event = e.ApprovalGiven(model=MODEL, version=3, reason="fine", role="operator", conditions=("in summer", "by day"))
    assert said(event, "user:ada").endswith("given as operator by user:ada, on condition of in summer and by day: fine")
