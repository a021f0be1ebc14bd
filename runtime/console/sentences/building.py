"""What is said of specs, models, data and versions."""

from __future__ import annotations

from runtime.console.sentences.told import Told, tell
from runtime.console.words import (
    count,
    day,
    minute,
    partition_in_words,
    report_in_words,
    short,
)
from runtime.domain import events as e


@tell.register
def _(event: e.SpecApplied) -> Told:
    return Told(f"spec {short(event.digest)} applied", about=event.name)


@tell.register
def _(event: e.ModelDeclared) -> Told:
    return Told(f"model declared from spec {event.spec}", numbers=partition_in_words(event.partition))


@tell.register
def _(event: e.PartitionSkipped) -> Told:
    return Told(f"partition {partition_in_words(event.partition)} skipped", event.reason, about=event.spec)


@tell.register
def _(event: e.ModelSuspended) -> Told:
    return Told("model suspended", event.reason)


@tell.register
def _(event: e.ModelResumed) -> Told:
    return Told("model resumed", event.reason)


@tell.register
def _(event: e.ModelRetired) -> Told:
    successor = f" in favour of {event.successor}" if event.successor else ""
    return Told(f"model retired{successor}", event.reason)


@tell.register
def _(event: e.RetirementAnnounced) -> Told:
    successor = f" in favour of {event.successor}" if event.successor else ""
    return Told(f"model is to be retired{successor}", event.reason, f"on {minute(event.until)}")


@tell.register
def _(event: e.RetirementCancelled) -> Told:
    return Told("model is not to be retired", event.reason)


@tell.register
def _(event: e.ModelReviewed) -> Told:
    found = {
        e.Fitness.FIT: "fit for its use",
        e.Fitness.WITH_CONDITIONS: "fit for its use, with conditions",
        e.Fitness.UNFIT: "unfit for its use",
    }[event.found]
    return Told(f"version {event.version} reviewed and found {found}", event.reason)


@tell.register
def _(event: e.DatasetPrepared) -> Told:
    span = f"{day(event.first_time)} to {day(event.last_time)}"
    numbers = f"{count(event.rows, 'row')} in {count(event.partitions, 'partition')}, {span}"
    if event.decisions is not None:
        numbers += f"; from decisions, {sum(event.decisions.left_out.values()):,} of them left out"
    if event.quarantined:
        what, rows = max((event.broke or {}).items(), key=lambda each: each[1], default=("", 0))
        most = f", most often {what} ({rows:,})" if what else ""
        numbers += f"; {count(event.quarantined, 'row')} in quarantine{most}"
    return Told(f"dataset {short(event.digest)} prepared", numbers=numbers, about=event.spec)


@tell.register
def _(event: e.TrainingFailed) -> Told:
    return Told(f"training failed in batch {short(event.batch)}", event.reason)


@tell.register
def _(event: e.VersionRegistered) -> Told:
    parent = f", successor of version {event.parent}" if event.parent else ""
    numbers = f"{event.estimator} trained on {count(event.train_rows, 'row')} up to {day(event.last_time)}{parent}"
    return Told(f"version {event.version} registered", numbers=numbers)


@tell.register
def _(event: e.VersionEvaluated) -> Told:
    return Told(f"version {event.version} evaluated", numbers=report_in_words(event.report))


@tell.register
def _(event: e.VersionRefused) -> Told:
    return Told(f"version {event.version} refused", event.reason)
