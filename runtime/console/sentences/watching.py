"""What is said of monitoring, findings and retrainings."""

from __future__ import annotations

from runtime.console.sentences.told import Told, tell
from runtime.console.words import (
    FOUND,
    count,
    day,
    errors_compared,
    minute,
    short,
    worst_feature,
)
from runtime.domain import alarms as a
from runtime.domain import events as e
from runtime.domain import findings as f
from runtime.domain.metrics import shown, spelled
from runtime.domain.verdict import Action


@tell.register
def _(event: e.WatermarkAdvanced) -> Told:
    return Told(f"all traffic before {minute(event.until)} has been handed in", about="fleet")


@tell.register
def _(event: e.TicksClosed) -> Told:
    seen = f"{count(event.decisions, 'decision')} and {count(event.outcomes, 'outcome')}"
    late = f", {count(event.late, 'decision')} late" if event.late else ""
    by = "" if event.monitors is None else f" by {_monitor(event.monitor or 0, event.monitors)}"
    what = f"{count(event.ticks, 'tick')} closed{by} up to {minute(event.until)}"
    return Told(what, numbers=f"{seen}{late}", about="fleet")


@tell.register
def _(event: e.MonitorsSet) -> Told:
    return Told(f"models are shared by {count(event.monitors, 'monitor')}", about="fleet")


@tell.register
def _(event: e.MonitorSaved) -> Told:
    of = f"{count(event.watched, 'model')}, as of {event.size:,} entries"
    return Told(f"{_monitor(event.monitor, event.monitors)} saved what it knows of {of}", about="fleet")


def _monitor(monitor: int, monitors: int) -> str:
    return f"monitor {monitor + 1} of {monitors}"


@tell.register
def _(event: e.FindingOpened) -> Told:
    evidence = f"log evidence {event.log_evidence:.1f} over its threshold {event.log_threshold:.1f}"
    worst = worst_feature(event) or errors_compared(event)
    since = f"since {day(event.since)}, as of {day(event.as_of)}"
    about = FOUND[event.about]
    if event.breaches:
        failed = "; ".join(" ".join(filter(None, (each.of, each.told))) for each in event.breaches[:3])
        return Told(f"{about} found in version {event.version} as of {day(event.as_of)}", failed)
    return Told(f"{about} found in version {event.version} {since}", numbers=f"{evidence}{worst}")


@tell.register
def _(event: e.VerdictReached) -> Told:
    action = {
        Action.NOTHING: "nothing to do about",
        Action.RETRAIN: "retrain because of",
        Action.RECALIBRATE: "a person must recalibrate because of",
        Action.ROLL_BACK: "roll back because of",
        Action.CALL_A_PERSON: "a person must look at",
    }[event.verdict.action]
    return Told(f"verdict, {action} the finding of {day(event.as_of)}", event.verdict.reason)


@tell.register
def _(event: f.FindingAnswered) -> Told:
    said = {
        f.Answer.ACKNOWLEDGED: "acknowledged",
        f.Answer.SNOOZED: "snoozed",
        f.Answer.ACCEPTED: "accepted as normal, its window is the baseline now",
        f.Answer.DISMISSED: "dismissed as a false alarm",
        f.Answer.RESOLVED: "resolved",
    }[event.answer]
    until = "" if event.until is None else f"until {minute(event.until)}"
    what = "incident" if event.model is None else "finding"
    return Told(f"{what} {short(event.finding)} {said}", event.reason, until, event.model or "fleet")


@tell.register
def _(event: f.IncidentOpened) -> Told:
    what = f"incident {short(event.incident)}: {event.feature} {event.direction.value} from {event.source}"
    numbers = f"in {count(len(event.models), 'model')} of {event.watched:,} that read it, as of {day(event.as_of)}"
    return Told(what, event.verdict.reason, numbers, "fleet")


@tell.register
def _(event: a.MonitoringBudgetSet) -> Told:
    return Told("alarm budget set", event.reason, f"{event.false_alarms:g} false alarms in 30 days", "fleet")


@tell.register
def _(event: a.TrafficMeasured) -> Told:
    total = sum(event.rows_a_day.values())
    return Told(
        "traffic measured",
        numbers=f"{total:,.0f} rows a day of {count(len(event.rows_a_day), 'model')} until {day(event.until)}",
        about="fleet",
    )


@tell.register
def _(event: e.RetrainingStarted) -> Told:
    what = f"retraining {short(event.batch)} of {count(len(event.models), 'model')} started"
    return Told(what, event.reason, f"on data before {day(event.as_of)}", event.spec)


@tell.register
def _(event: e.RetrainingBudgetSet) -> Told:
    days = event.every.total_seconds() / 86_400
    most = f"at most {count(event.models, 'model')} in {days:g} days"
    return Told("retraining budget set", event.reason, most, "fleet")


@tell.register
def _(event: e.RetrainingScored) -> Told:
    name = spelled(event.metric.error_name)
    after, before, usual = (shown(event.metric, each) for each in (event.after, event.before, event.usual))
    end = f"{name} {after} on {count(event.rows, 'row')}, against {before} at the alarm and {usual} usually"
    return Told(f"retraining of version {event.version} {'helped' if event.helped else 'did not help'}", numbers=end)


@tell.register
def _(event: e.RetrainingFinished) -> Told:
    end = "succeeded" if event.succeeded else "failed"
    return Told(f"retraining {short(event.batch)} {end}", event.reason, about="fleet")
