"""What is said of records, and of what is kept of them."""

from __future__ import annotations

from runtime.console.sentences.told import Told, tell
from runtime.console.words import (
    count,
    day,
    short,
)
from runtime.domain import erasure as s
from runtime.domain import events as e
from runtime.domain import keeping as k


@tell.register
def _(event: e.SegmentSealed) -> Told:
    what = count(event.records, event.content.value.removesuffix("s"))
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {short(event.epoch)}"
    return Told(f"segment {short(event.digest)} sealed with {what}", numbers=numbers, about=f"replica {event.replica}")


@tell.register
def _(event: e.RecordsLost) -> Told:
    lost = count(event.last_number - event.first_number + 1, "record")
    numbers = f"numbers {event.first_number} to {event.last_number} of epoch {short(event.epoch)}"
    return Told(f"{lost} lost", event.reason, numbers, f"replica {event.replica}")


@tell.register
def _(event: e.RecordsDropped) -> Told:
    dropped = count(event.records, event.content.value.removesuffix("s"))
    numbers = f"counted in file {event.file} of epoch {short(event.epoch)}"
    return Told(f"{dropped} not kept", "its capture policy is sampled", numbers)


@tell.register
def _(event: e.LoadRefused) -> Told:
    return Told(f"replica {event.replica} would not load version {event.version}", event.reason)


@tell.register
def _(event: k.LegalHoldPlaced) -> Told:
    return Told(f"legal hold {event.hold} placed", event.reason)


@tell.register
def _(event: k.LegalHoldReleased) -> Told:
    return Told(f"legal hold {event.hold} released", event.reason, about="fleet")


@tell.register
def _(event: k.BodiesDeleted) -> Told:
    what = f"{count(event.records, 'record')} in {count(len(event.digests), 'segment')} deleted"
    numbers = f"of {count(len(event.models), 'model')}, none newer than {day(event.before)}"
    return Told(what, event.reason, numbers, "fleet")


@tell.register
def _(event: k.EvidenceExported) -> Told:
    numbers = f"{day(event.since)} to {day(event.until)}, with {count(event.samples, 'record')}"
    return Told(f"evidence pack {short(event.digest)} written", numbers=numbers)


@tell.register
def _(event: s.SubjectErasureOrdered) -> Told:
    records = count(sum(part.records for part in event.parts), "record")
    numbers = f"{records} of {', '.join(f'{part.model} ({short(part.pseudonym)})' for part in event.parts)}"
    return Told("erasure of a data subject ordered", event.reason, numbers, "fleet")


@tell.register
def _(event: s.SubjectErased) -> Told:
    numbers = f"key destroyed, inputs of {count(event.records, 'record')} unreadable"
    return Told(f"data subject {short(event.pseudonym)} erased", event.reason, numbers)
