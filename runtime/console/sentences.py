"""One plain English sentence for every ledger entry: who or what it is about, what happened, and why.

    <subject>: <what happened>[ by <person>][, <numbers>][: <reason>]

The person is named when one acted; what actors and jobs record goes without a name. A new event kind without
a sentence here fails the test that walks all of them.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple

from runtime.console.words import (
    FOUND,
    comparison_in_words,
    count,
    day,
    errors_compared,
    listed,
    minute,
    ordinal,
    partition_in_words,
    report_in_words,
    short,
    step_in_words,
    worst_feature,
)
from runtime.domain import alarms as a
from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain import keeping as k
from runtime.domain import tokens as t
from runtime.domain.entry import Entry
from runtime.domain.verdict import Action

_PERSON = "user:"


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
    return _Told(f"spec {short(event.digest)} applied", about=event.name)


@_tell.register
def _(event: e.ModelDeclared) -> _Told:
    return _Told(f"model declared from spec {event.spec}", numbers=partition_in_words(event.partition))


@_tell.register
def _(event: e.PartitionSkipped) -> _Told:
    return _Told(f"partition {partition_in_words(event.partition)} skipped", event.reason, about=event.spec)


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
    span = f"{day(event.first_time)} to {day(event.last_time)}"
    numbers = f"{count(event.rows, 'row')} in {count(event.partitions, 'partition')}, {span}"
    return _Told(f"dataset {short(event.digest)} prepared", numbers=numbers, about=event.spec)


@_tell.register
def _(event: e.TrainingFailed) -> _Told:
    return _Told(f"training failed in batch {short(event.batch)}", event.reason)


@_tell.register
def _(event: e.VersionRegistered) -> _Told:
    parent = f", successor of version {event.parent}" if event.parent else ""
    numbers = f"{event.estimator} trained on {count(event.train_rows, 'row')} up to {day(event.last_time)}{parent}"
    return _Told(f"version {event.version} registered", numbers=numbers)


@_tell.register
def _(event: e.VersionEvaluated) -> _Told:
    return _Told(f"version {event.version} evaluated", numbers=report_in_words(event.report))


@_tell.register
def _(event: e.VersionRefused) -> _Told:
    return _Told(f"version {event.version} refused", event.reason)


# --- ModelOps: approval and grants -----------------------------------------------------------------


@_tell.register
def _(event: e.ApprovalRequested) -> _Told:
    people = f"{count(event.approvers, 'approval')} of role {event.role}"
    return _Told(f"version {event.version} waits for {people}", event.reason)


@_tell.register
def _(event: e.ApprovalGiven) -> _Told:
    return _Told(f"approval of version {event.version} given", event.reason)


@_tell.register
def _(event: e.VersionApproved) -> _Told:
    how = f"approved automatically under {listed(event.approved_by)}"
    if not event.automatic:
        how = f"approved, agreed to by {listed(event.approved_by)}"
    return _Told(f"version {event.version} {how}", event.reason, f"valid until {day(event.valid_until)}")


@_tell.register
def _(event: e.GrantIssued) -> _Told:
    grant = event.signed.grant
    where = f"serve in {grant.environment}, pool {grant.pool}"
    return _Told(f"version {event.version} granted the right to {where}, until {day(grant.valid_until)}")


@_tell.register
def _(event: e.GrantRevoked) -> _Told:
    return _Told(f"grant of version {event.version} revoked", event.reason)


@_tell.register
def _(event: e.PoolConfigured) -> _Told:
    options = event.options
    reserved = [f"{options.cpus:g} CPU"]
    reserved += [f"{options.gpus:g} GPU"] * bool(options.gpus) + [f"{options.memory} bytes"] * bool(options.memory)
    return _Told(f"set to {options.replicas} replicas, each with {listed(tuple(reserved))}", about=f"pool {event.pool}")


@_tell.register
def _(event: e.ModelMoved) -> _Told:
    return _Told(f"moved to pool {event.pool}", event.reason)


# --- ModelOps: rollout -----------------------------------------------------------------------------


@_tell.register
def _(event: e.RolloutStarted) -> _Told:
    steps = ", then ".join(step_in_words(step) for step in event.steps)
    return _Told(f"rollout of version {event.version} started", numbers=steps)


@_tell.register
def _(event: e.RolloutMeasured) -> _Told:
    step = f"step {event.step + 1} of version {event.version}'s rollout"
    return _Told(f"{step} measured", numbers=comparison_in_words(event.comparison))


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
    return _Told(f"all traffic before {minute(event.until)} has been handed in", about="fleet")


@_tell.register
def _(event: e.TicksClosed) -> _Told:
    seen = f"{count(event.decisions, 'decision')} and {count(event.outcomes, 'outcome')}"
    late = f", {count(event.late, 'decision')} late" if event.late else ""
    by = "" if event.monitors is None else f" by {_monitor(event.monitor or 0, event.monitors)}"
    what = f"{count(event.ticks, 'tick')} closed{by} up to {minute(event.until)}"
    return _Told(what, numbers=f"{seen}{late}", about="fleet")


@_tell.register
def _(event: e.MonitorsSet) -> _Told:
    return _Told(f"models are shared by {count(event.monitors, 'monitor')}", about="fleet")


@_tell.register
def _(event: e.MonitorSaved) -> _Told:
    of = f"{count(event.watched, 'model')}, as of {event.size:,} entries"
    return _Told(f"{_monitor(event.monitor, event.monitors)} saved what it knows of {of}", about="fleet")


def _monitor(monitor: int, monitors: int) -> str:
    return f"monitor {monitor + 1} of {monitors}"


@_tell.register
def _(event: e.FindingOpened) -> _Told:
    evidence = f"log evidence {event.log_evidence:.1f} over its threshold {event.log_threshold:.1f}"
    worst = worst_feature(event) or errors_compared(event)
    since = f"since {day(event.since)}, as of {day(event.as_of)}"
    about = FOUND[event.about]
    if event.breaches:
        failed = "; ".join(" ".join(filter(None, (each.of, each.told))) for each in event.breaches[:3])
        return _Told(f"{about} found in version {event.version} as of {day(event.as_of)}", failed)
    return _Told(f"{about} found in version {event.version} {since}", numbers=f"{evidence}{worst}")


@_tell.register
def _(event: e.VerdictReached) -> _Told:
    action = {
        Action.NOTHING: "nothing to do about",
        Action.RETRAIN: "retrain because of",
        Action.CALL_A_PERSON: "a person must look at",
    }[event.verdict.action]
    return _Told(f"verdict, {action} the finding of {day(event.as_of)}", event.verdict.reason)


@_tell.register
def _(event: f.FindingAnswered) -> _Told:
    said = {
        f.Answer.ACKNOWLEDGED: "acknowledged",
        f.Answer.SNOOZED: "snoozed",
        f.Answer.ACCEPTED: "accepted as normal, its window is the baseline now",
        f.Answer.DISMISSED: "dismissed as a false alarm",
        f.Answer.RESOLVED: "resolved",
    }[event.answer]
    until = "" if event.until is None else f"until {minute(event.until)}"
    what = "incident" if event.model is None else "finding"
    return _Told(f"{what} {short(event.finding)} {said}", event.reason, until, event.model or "fleet")


@_tell.register
def _(event: f.IncidentOpened) -> _Told:
    what = f"incident {short(event.incident)}: {event.feature} {event.direction.value} from {event.source}"
    numbers = f"in {count(len(event.models), 'model')} of {event.watched:,} that read it, as of {day(event.as_of)}"
    return _Told(what, event.verdict.reason, numbers, "fleet")


@_tell.register
def _(event: a.MonitoringBudgetSet) -> _Told:
    return _Told("alarm budget set", event.reason, f"{event.false_alarms:g} false alarms in 30 days", "fleet")


@_tell.register
def _(event: a.TrafficMeasured) -> _Told:
    total = sum(event.rows_a_day.values())
    return _Told(
        "traffic measured",
        numbers=f"{total:,.0f} rows a day of {count(len(event.rows_a_day), 'model')} until {day(event.until)}",
        about="fleet",
    )


@_tell.register
def _(event: e.RetrainingStarted) -> _Told:
    what = f"retraining {short(event.batch)} of {count(len(event.models), 'model')} started"
    return _Told(what, event.reason, f"on data before {day(event.as_of)}", event.spec)


@_tell.register
def _(event: e.RetrainingFinished) -> _Told:
    end = "succeeded" if event.succeeded else "failed"
    return _Told(f"retraining {short(event.batch)} {end}", event.reason, about="fleet")


# --- data plane ------------------------------------------------------------------------------------


@_tell.register
def _(event: e.SegmentSealed) -> _Told:
    what = count(event.records, event.content.value.removesuffix("s"))
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {short(event.epoch)}"
    return _Told(f"segment {short(event.digest)} sealed with {what}", numbers=numbers, about=f"replica {event.replica}")


@_tell.register
def _(event: e.RecordsLost) -> _Told:
    lost = count(event.last_number - event.first_number + 1, "record")
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {short(event.epoch)}"
    return _Told(f"{lost} lost", event.reason, numbers, f"replica {event.replica}")


@_tell.register
def _(event: e.RecordsDropped) -> _Told:
    dropped = count(event.records, event.content.value.removesuffix("s"))
    numbers = f"counted in file {event.file} of epoch {short(event.epoch)}"
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
    what = f"{count(event.records, 'record')} in {count(len(event.digests), 'segment')} deleted"
    numbers = f"of {count(len(event.models), 'model')}, none newer than {day(event.before)}"
    return _Told(what, event.reason, numbers, "fleet")


@_tell.register
def _(event: k.EvidenceExported) -> _Told:
    numbers = f"{day(event.since)} to {day(event.until)}, with {count(event.samples, 'record')}"
    return _Told(f"evidence pack {short(event.digest)} written", numbers=numbers)


@_tell.register
def _(event: s.SubjectErasureOrdered) -> _Told:
    records = count(sum(part.records for part in event.parts), "record")
    numbers = f"{records} of {', '.join(f'{part.model} ({short(part.pseudonym)})' for part in event.parts)}"
    return _Told("erasure of a data subject ordered", event.reason, numbers, "fleet")


@_tell.register
def _(event: s.SubjectErased) -> _Told:
    numbers = f"key destroyed, inputs of {count(event.records, 'record')} unreadable"
    return _Told(f"data subject {short(event.pseudonym)} erased", event.reason, numbers)


# --- who may ask and who may act ---------------------------------------------------------------------


@_tell.register
def _(event: t.AuthenticationSet) -> _Told:
    what = "who asks and who acts must prove who they are"
    return _Told(what if event.mode == "required" else "principals are believed as they are named", about="fleet")


@_tell.register
def _(event: t.TokenCreated) -> _Told:
    models = f" on {listed(event.models)}" if event.models else ""
    quota = "" if event.per_second is None else f", at most {event.per_second:g} requests/s a replica"
    numbers = f"{listed(event.roles)}{models}{quota}, until {day(event.expires)}"
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
    what = f"replica {event.replica} refused {count(event.requests, 'request')}"
    who = f" of {event.caller}" if event.caller else " of nobody known"
    return _Told(f"{what}{who}", event.reason, about=event.model or "access")


# --- control plane ---------------------------------------------------------------------------------


@_tell.register
def _(event: e.GovernorStarted) -> _Told:
    return _Told(
        f"governor started for the {ordinal(event.epoch)} time", numbers=f"with key {event.key_id}", about="fleet"
    )


@_tell.register
def _(event: e.CommandRefused) -> _Told:
    return _Told(f"command {event.command} refused", event.reason, about=event.model or "fleet")
