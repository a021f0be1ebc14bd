"""One plain English sentence for every ledger entry: who or what it is about, what happened, and why.

    <subject>: <what happened>[ by <person>][, <numbers>][: <reason>]

The person is named when one acted; what actors and jobs record goes without a name. A new event kind without
a sentence here fails the test that walks all of them.
"""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from typing import Any, NamedTuple

from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import keeping as k
from runtime.domain import tokens as t
from runtime.domain.entry import Entry
from runtime.domain.reports import Comparison, EvaluationReport
from runtime.domain.verdict import Action

_PERSON = "user:"
_SHOWN = 12
"""Characters of a digest or id that are shown: enough to find it by."""


class _Told(NamedTuple):
    what: str
    reason: str = ""
    numbers: str = ""
    about: str = ""
    """Said before the sentence where the event names no model."""


def sentence(entry: Entry) -> str:
    """What an entry says, in words. Raises ``TypeError`` for an event that has none."""
    told = _tell(entry.event)
    subject = told.about or getattr(entry.event, "model", None) or ""
    who = f" by {entry.principal}" if entry.principal.startswith(_PERSON) else ""
    numbers = f", {told.numbers}" if told.numbers else ""
    why = f": {told.reason}" if told.reason else ""
    return f"{subject}: {told.what}{who}{numbers}{why}"


@singledispatch
def _tell(event: Any) -> _Told:
    raise TypeError(f"no sentence for {type(event).__name__}")


# --- specs and models ------------------------------------------------------------------------------


@_tell.register
def _(event: e.SpecApplied) -> _Told:
    return _Told(f"spec {_short(event.digest)} applied", about=event.name)


@_tell.register
def _(event: e.ModelDeclared) -> _Told:
    return _Told(f"model declared from spec {event.spec}", numbers=_partition(event.partition))


@_tell.register
def _(event: e.PartitionSkipped) -> _Told:
    return _Told(f"partition {_partition(event.partition)} skipped", event.reason, about=event.spec)


@_tell.register
def _(event: e.ModelSuspended) -> _Told:
    return _Told("model suspended", event.reason)


@_tell.register
def _(event: e.ModelResumed) -> _Told:
    return _Told("model resumed", event.reason)


@_tell.register
def _(event: e.ModelRetired) -> _Told:
    successor = f" in favour of {event.successor}" if event.successor else ""
    return _Told(f"model retired{successor}", event.reason)


# --- MLOps: data, training, versions ---------------------------------------------------------------


@_tell.register
def _(event: e.DatasetPrepared) -> _Told:
    span = f"{_day(event.first_time)} to {_day(event.last_time)}"
    numbers = f"{_count(event.rows, 'row')} in {_count(event.partitions, 'partition')}, {span}"
    return _Told(f"dataset {_short(event.digest)} prepared", numbers=numbers, about=event.spec)


@_tell.register
def _(event: e.TrainingFailed) -> _Told:
    return _Told(f"training failed in batch {_short(event.batch)}", event.reason)


@_tell.register
def _(event: e.VersionRegistered) -> _Told:
    parent = f", successor of version {event.parent}" if event.parent else ""
    numbers = f"{event.estimator} trained on {_count(event.train_rows, 'row')} up to {_day(event.last_time)}{parent}"
    return _Told(f"version {event.version} registered", numbers=numbers)


@_tell.register
def _(event: e.VersionEvaluated) -> _Told:
    return _Told(f"version {event.version} evaluated", numbers=_report(event.report))


@_tell.register
def _(event: e.VersionRefused) -> _Told:
    return _Told(f"version {event.version} refused", event.reason)


# --- ModelOps: approval and grants -----------------------------------------------------------------


@_tell.register
def _(event: e.ApprovalRequested) -> _Told:
    people = f"{_count(event.approvers, 'approval')} of role {event.role}"
    return _Told(f"version {event.version} waits for {people}", event.reason)


@_tell.register
def _(event: e.ApprovalGiven) -> _Told:
    return _Told(f"approval of version {event.version} given", event.reason)


@_tell.register
def _(event: e.VersionApproved) -> _Told:
    how = f"approved automatically under {_names(event.approved_by)}"
    if not event.automatic:
        how = f"approved, agreed to by {_names(event.approved_by)}"
    return _Told(f"version {event.version} {how}", event.reason, f"valid until {_day(event.valid_until)}")


@_tell.register
def _(event: e.GrantIssued) -> _Told:
    grant = event.signed.grant
    where = f"serve in {grant.environment}, pool {grant.pool}"
    return _Told(f"version {event.version} granted the right to {where}, until {_day(grant.valid_until)}")


@_tell.register
def _(event: e.GrantRevoked) -> _Told:
    return _Told(f"grant of version {event.version} revoked", event.reason)


# --- ModelOps: rollout -----------------------------------------------------------------------------


@_tell.register
def _(event: e.RolloutStarted) -> _Told:
    steps = ", then ".join(_step(step) for step in event.steps)
    return _Told(f"rollout of version {event.version} started", numbers=steps)


@_tell.register
def _(event: e.RolloutMeasured) -> _Told:
    step = f"step {event.step + 1} of version {event.version}'s rollout"
    return _Told(f"{step} measured", numbers=_comparison(event.comparison))


@_tell.register
def _(event: e.RolloutAdvanced) -> _Told:
    return _Told(f"rollout of version {event.version} advanced to step {event.step + 1}", event.reason)


@_tell.register
def _(event: e.RolloutAborted) -> _Told:
    return _Told(f"rollout of version {event.version} aborted", event.reason)


@_tell.register
def _(event: e.VersionPromoted) -> _Told:
    return _Told(f"version {event.version} promoted to champion", event.reason)


@_tell.register
def _(event: e.RolledBack) -> _Told:
    return _Told(f"rolled back from version {event.version} to version {event.to}", event.reason)


# --- ModelOps: monitoring and retraining -----------------------------------------------------------


@_tell.register
def _(event: e.WatermarkAdvanced) -> _Told:
    return _Told(f"all traffic before {_minute(event.until)} has been handed in", about="fleet")


@_tell.register
def _(event: e.TicksClosed) -> _Told:
    seen = f"{_count(event.decisions, 'decision')} and {_count(event.outcomes, 'outcome')}"
    return _Told(f"{_count(event.ticks, 'tick')} closed up to {_minute(event.until)}", numbers=seen, about="fleet")


@_tell.register
def _(event: e.FindingOpened) -> _Told:
    evidence = f"log evidence {event.log_evidence:.1f} over its threshold {event.log_threshold:.1f}"
    worst = _features(event) or _errors(event)
    since = f"since {_day(event.since)}, as of {_day(event.as_of)}"
    about = "data drift" if event.about is e.FindingKind.DATA_DRIFT else "change of performance"
    return _Told(f"{about} found in version {event.version} {since}", numbers=f"{evidence}{worst}")


@_tell.register
def _(event: e.VerdictReached) -> _Told:
    action = {
        Action.NOTHING: "nothing to do about",
        Action.RETRAIN: "retrain because of",
        Action.CALL_A_PERSON: "a person must look at",
    }[event.verdict.action]
    return _Told(f"verdict, {action} the finding of {_day(event.as_of)}", event.verdict.reason)


@_tell.register
def _(event: e.RetrainingStarted) -> _Told:
    what = f"retraining {_short(event.batch)} of {_count(len(event.models), 'model')} started"
    return _Told(what, event.reason, f"on data before {_day(event.as_of)}", event.spec)


@_tell.register
def _(event: e.RetrainingFinished) -> _Told:
    end = "succeeded" if event.succeeded else "failed"
    return _Told(f"retraining {_short(event.batch)} {end}", event.reason, about="fleet")


# --- data plane ------------------------------------------------------------------------------------


@_tell.register
def _(event: e.SegmentSealed) -> _Told:
    what = _count(event.records, event.content.value.removesuffix("s"))
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {_short(event.epoch)}"
    return _Told(
        f"segment {_short(event.digest)} sealed with {what}", numbers=numbers, about=f"replica {event.replica}"
    )


@_tell.register
def _(event: e.RecordsLost) -> _Told:
    lost = _count(event.last_number - event.first_number + 1, "record")
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {_short(event.epoch)}"
    return _Told(f"{lost} lost", event.reason, numbers, f"replica {event.replica}")


@_tell.register
def _(event: e.RecordsDropped) -> _Told:
    dropped = _count(event.records, event.content.value.removesuffix("s"))
    numbers = f"counted in file {event.file} of epoch {_short(event.epoch)}"
    return _Told(f"{dropped} not kept", "its capture policy is sampled", numbers)


@_tell.register
def _(event: e.LoadRefused) -> _Told:
    return _Told(f"replica {event.replica} would not load version {event.version}", event.reason)


# --- what is kept ----------------------------------------------------------------------------------


@_tell.register
def _(event: k.LegalHoldPlaced) -> _Told:
    return _Told(f"legal hold {event.hold} placed", event.reason)


@_tell.register
def _(event: k.LegalHoldReleased) -> _Told:
    return _Told(f"legal hold {event.hold} released", event.reason, about="fleet")


@_tell.register
def _(event: k.BodiesDeleted) -> _Told:
    what = f"{_count(event.records, 'record')} in {_count(len(event.digests), 'segment')} deleted"
    numbers = f"of {_count(len(event.models), 'model')}, none newer than {_day(event.before)}"
    return _Told(what, event.reason, numbers, "fleet")


@_tell.register
def _(event: s.SubjectErasureOrdered) -> _Told:
    records = _count(sum(part.records for part in event.parts), "record")
    numbers = f"{records} of {', '.join(f'{part.model} ({_short(part.pseudonym)})' for part in event.parts)}"
    return _Told("erasure of a data subject ordered", event.reason, numbers, "fleet")


@_tell.register
def _(event: s.SubjectErased) -> _Told:
    numbers = f"key destroyed, inputs of {_count(event.records, 'record')} unreadable"
    return _Told(f"data subject {_short(event.pseudonym)} erased", event.reason, numbers)


# --- who may ask and who may act ---------------------------------------------------------------------


@_tell.register
def _(event: t.AuthenticationSet) -> _Told:
    what = "who asks and who acts must prove who they are"
    return _Told(what if event.mode == "required" else "principals are believed as they are named", about="fleet")


@_tell.register
def _(event: t.TokenCreated) -> _Told:
    models = f" on {_names(event.models)}" if event.models else ""
    quota = "" if event.per_second is None else f", at most {event.per_second:g} requests/s a replica"
    numbers = f"{_names(event.roles)}{models}{quota}, until {_day(event.expires)}"
    return _Told(f"key {event.token} made for {event.name}", numbers=numbers, about="access")


@_tell.register
def _(event: t.TokenRevoked) -> _Told:
    return _Told(f"key {event.token} revoked", event.reason, about="access")


@_tell.register
def _(event: t.RoleGiven) -> _Told:
    return _Told(f"role {event.role} given to {event.principal}", event.reason, about="access")


@_tell.register
def _(event: t.RoleTaken) -> _Told:
    return _Told(f"role {event.role} taken from {event.principal}", event.reason, about="access")


@_tell.register
def _(event: t.AccessRefused) -> _Told:
    what = f"replica {event.replica} refused {_count(event.requests, 'request')}"
    who = f" of {event.caller}" if event.caller else " of nobody known"
    return _Told(f"{what}{who}", event.reason, about=event.model or "access")


# --- control plane ---------------------------------------------------------------------------------


@_tell.register
def _(event: e.GovernorStarted) -> _Told:
    return _Told(
        f"governor started for the {_ordinal(event.epoch)} time", numbers=f"with key {event.key_id}", about="fleet"
    )


@_tell.register
def _(event: e.CommandRefused) -> _Told:
    return _Told(f"command {event.command} refused", event.reason, about=event.model or "fleet")


# --- words -----------------------------------------------------------------------------------------


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _ordinal(number: int) -> str:
    tens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if tens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _short(text: str) -> str:
    return text.removeprefix("sha256:")[:_SHOWN]


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _names(names: tuple[str, ...]) -> str:
    return " and ".join(names) or "nobody"


def _partition(partition: dict[str, str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in partition.items())


def _report(report: EvaluationReport) -> str:
    passed = len(report.gates) - len(report.failures)
    gates = f"{passed} of {_count(len(report.gates), 'gate')} passed on {_count(report.rows, 'row')}"
    mae = report.metrics.get("mae")
    return gates if mae is None else f"{gates}, MAE {mae:.2f}"


def _comparison(comparison: Comparison) -> str:
    metric = comparison.metric.upper()
    numbers = f"challenger {metric} {comparison.challenger:.2f} against the champion's {comparison.champion:.2f}"
    bounds = ""
    if comparison.low is not None and comparison.high is not None:
        level = f"{comparison.confidence:.0%} confidence"
        bounds = f" (difference {comparison.low:+.2f} to {comparison.high:+.2f} at {level})"
    return f"{numbers} on {_count(comparison.rows, 'row')}{bounds}"


def _step(step: e.Step) -> str:
    if step.stage is e.Stage.FULL:
        return "all traffic"
    share = "shadow" if step.stage is e.Stage.SHADOW else f"canary at {step.share:.0%}"
    return f"{share} for {_count(step.decisions, 'decision')}"


def _features(event: e.FindingOpened) -> str:
    if event.about is not e.FindingKind.DATA_DRIFT or not event.features:
        return ""
    first = event.features[0]
    return f", mostly in {first.feature} (PSI {first.psi:.2f})"


def _errors(event: e.FindingOpened) -> str:
    if event.recent is None or event.baseline is None:
        return ""
    return f", recent MAE {event.recent.mae:.2f} against the baseline's {event.baseline.mae:.2f}"
