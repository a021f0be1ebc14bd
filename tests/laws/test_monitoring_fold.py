"""Laws of the monitor: what it says is a function of the ledger and its segments, not of how it came to read them."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.decision import Decision, Outcomes
from runtime.domain.entry import Draft, Entry
from runtime.monitoring.fold import Monitor
from tests.unit.domain.lives import MODEL, MONDAY, STEPS, started
from tests.unit.monitoring.world import Traffic, World, day

Records = list[list[Decision | Outcomes]]


@st.composite
def weeks(draw: st.DrawFn) -> Records:
    """Records by the day they are handed in: outcomes come any number of days later, a shadow comes along or not."""
    length = draw(st.integers(1, 6))
    handed_in: Records = [[] for _ in range(length)]
    for number in range(length):
        today = Traffic(number, rows=draw(st.integers(1, 40)), bias=draw(st.sampled_from([0.0, 15.0])))
        handed_in[number].append(today.decision)
        if draw(st.booleans()):
            handed_in[number].append(today.beside(2, error=3.0))
        late = number + draw(st.integers(0, 3))
        if late < length:
            handed_in[late].append(today.outcomes)
    return handed_in


class Ledgers:
    """One world for all examples; each starts from its ledger as of the start of a rollout."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.world = World(Path(folder))
            self.world.prepare(2)
            self.world.tell(started(2, STEPS))
            self.start = list(self.world.entries)
            kept = {entry.event.baseline for entry in self.start if isinstance(entry.event, e.VersionRegistered)}
            self.objects = {digest: self.world.store.get(digest) for digest in kept}

    def monitor(self) -> Monitor:
        """A monitor at the start, with everything it reads in memory."""
        monitor = self.fresh()
        for entry in self.start:
            monitor.apply(entry)
        return monitor

    def fresh(self) -> Monitor:
        return Monitor(self.objects.__getitem__, self.world.decisions.__getitem__, self.world.outcomes.__getitem__)

    def entries(self, events: Iterable[e.Event]) -> list[Entry]:
        """Entries that come after the start."""
        first = len(self.start)
        return [Entry(first + at, f"id-{at}", MONDAY, "service:replica", event) for at, event in enumerate(events)]

    def segments(self, records: Records) -> list[e.Event]:
        """A segment for each record, and a watermark at the end of each day."""
        events: list[e.Event] = []
        for number, today in enumerate(records):
            events += [self.world.in_memory(record) for record in today]
            events.append(e.WatermarkAdvanced(until=day(number + 1)))
        return events


LEDGERS = Ledgers()


def knowledge(monitor: Monitor) -> dict[str, Any]:
    """What a monitor knows of its model, in comparable form."""
    watch = monitor.watches[MODEL]
    assert watch.features is not None
    assert watch.errors is not None
    gauges = (watch.features, watch.errors)
    return {
        "evidence": [gauge.state.as_document() for gauge in gauges],
        "since": [gauge.since for gauge in gauges],
        "window": [gauge.window.as_document() for gauge in gauges],
        "recent": list(watch.recent),
        "waiting": len(watch.waiting),
        "trial": watch.trial,
        "unknown": watch.unknown_outcomes,
    }


def said(monitor: Monitor, entries: Iterable[Entry]) -> list[Draft]:
    return [draft for entry in entries for draft in monitor.apply(entry)]


@settings(max_examples=40)
@given(records=weeks(), cut=st.integers(0, 40))
def test_a_monitor_that_starts_again_in_the_middle_says_and_knows_the_same(records: Records, cut: int) -> None:
    entries = LEDGERS.entries(LEDGERS.segments(records))
    whole = LEDGERS.monitor()
    everything = said(whole, entries)
    first = said(LEDGERS.monitor(), entries[:cut])
    again = LEDGERS.monitor()
    assert said(again, entries[:cut]) == first, "what was recorded already comes again under its old keys"
    assert first + said(again, entries[cut:]) == everything
    assert knowledge(again) == knowledge(whole)
    assert again.state == whole.state


@settings(max_examples=40)
@given(records=weeks(), data=st.data())
def test_the_order_of_a_days_segments_changes_nothing(records: Records, data: st.DataObject) -> None:
    shuffled = [data.draw(st.permutations(today)) for today in records]
    one, other = LEDGERS.monitor(), LEDGERS.monitor()
    drafts = said(one, LEDGERS.entries(LEDGERS.segments(records)))
    assert said(other, LEDGERS.entries(LEDGERS.segments(shuffled))) == drafts
    assert knowledge(other) == knowledge(one)


@settings(max_examples=40)
@given(records=weeks(), data=st.data())
def test_records_that_come_again_change_only_the_counts_of_records(records: Records, data: st.DataObject) -> None:
    doubled: Records = []
    for number, today in enumerate(records):
        earlier = [record for before in records[: number + 1] for record in before]
        doubled.append([*today, *data.draw(st.lists(st.sampled_from(earlier), max_size=3) if earlier else st.just([]))])
    one, other = LEDGERS.monitor(), LEDGERS.monitor()
    drafts = said(one, LEDGERS.entries(LEDGERS.segments(records)))
    again = said(other, LEDGERS.entries(LEDGERS.segments(doubled)))
    assert [d for d in again if d.event.kind != "ticks_closed"] == [d for d in drafts if d.event.kind != "ticks_closed"]
    assert knowledge(other) | {"unknown": 0} == knowledge(one) | {"unknown": 0}
