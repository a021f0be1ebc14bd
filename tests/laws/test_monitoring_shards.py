"""Laws of several monitors: together they say what one alone says, however often their number changes and they die."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.entry import Draft, Entry
from runtime.domain.fold import fold
from runtime.domain.ids import digest_of
from runtime.domain.state import FleetState
from runtime.monitoring.fold import MONITOR, Monitor
from runtime.monitoring.resuming import resume
from runtime.monitoring.rows import DecisionRows, OutcomeRows
from runtime.monitoring.saved import pack
from runtime.monitoring.shards import Shard, owner
from tests.laws.test_monitoring_fold import LEDGERS
from tests.unit.domain.lives import FULL, MODEL, MONDAY, declared
from tests.unit.monitoring.world import Traffic, day, rows_of

MODELS = tuple(f"flight-time-{carrier}" for carrier in ("AA", "B6", "DL", "UA", "WN"))
DAYS = 5


@dataclass
class Fleet:
    """A ledger of five models that the monitors follow; a segment holds rows of all of them."""

    entries: list[Entry] = field(default_factory=list)
    decisions: dict[str, list[DecisionRows]] = field(default_factory=dict)
    outcomes: dict[str, list[OutcomeRows]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=lambda: dict(LEDGERS.objects))
    monitors: dict[int, Monitor] = field(default_factory=dict)
    state: FleetState = field(default_factory=FleetState)

    def tell(self, *events: e.Event) -> None:
        """Records events, and what all monitors answer."""
        for event in events:
            self.record(Draft(event, MONITOR, f"id-{len(self.entries)}"))
            self.follow()

    def record(self, draft: Draft) -> None:
        known = next((each for each in self.entries if each.event_id == draft.event_id), None)
        if known is not None:
            assert known.event == draft.event, "a key came again with another body"
            return
        entry = Entry(len(self.entries), draft.event_id, MONDAY, draft.principal, draft.event)
        self.entries.append(entry)
        fold([entry], self.state)

    def follow(self) -> None:
        """Every monitor takes what it has not taken yet."""
        while any(monitor.state.size < len(self.entries) for monitor in self.monitors.values()):
            for monitor in list(self.monitors.values()):
                if monitor.state.size < len(self.entries):
                    for draft in monitor.apply(self.entries[monitor.state.size]):
                        self.record(draft)

    def start(self, number: int) -> None:
        """One monitor starts, from what was saved."""
        shard = Shard(number, self.state.monitors)
        known = resume(self.state.saves, shard, self.objects.__getitem__)
        read = (self.objects.__getitem__, self.decisions.__getitem__, self.outcomes.__getitem__)
        self.monitors[number] = Monitor(*read, shard, known)
        self.follow()

    def save(self, number: int) -> None:
        monitor = self.monitors[number]
        data = pack(monitor.shard, monitor.state.size, monitor.watches.values())
        digest = digest_of(data)
        self.objects[digest] = data
        shard, size = monitor.shard, monitor.state.size
        saved = e.MonitorSaved(
            monitor=shard.monitor, monitors=shard.monitors, size=size, digest=digest, watched=len(monitor.watches)
        )
        self.record(Draft(saved, MONITOR, f"saved-{shard}-{size}"))
        self.follow()

    def share_by(self, monitors: int, *, saving: Iterable[int]) -> None:
        """Another number of monitors; of the former ones only ``saving`` lived to save what they knew."""
        for number in saving:
            if number in self.monitors:
                self.save(number)
        self.monitors.clear()
        if monitors != self.state.monitors:
            self.tell(e.MonitorsSet(monitors=monitors))
        for number in range(monitors):
            self.start(number)

    def live(self, number: int) -> None:
        """One day of all models: a segment of decisions, one of outcomes, and the end of the day."""
        traffic = {model: Traffic(number, rows=12, bias=40.0 * (at % 2), seed=at) for at, model in enumerate(MODELS)}
        name = digest_of(f"day {number}".encode())
        self.decisions[name] = [replace(rows_of(today.decision), model=model) for model, today in traffic.items()]
        self.outcomes[name] = [
            OutcomeRows(
                model,
                [
                    (today.outcomes.decision_id, row, actual)
                    for row, actual in zip(today.outcomes.rows, today.outcomes.actuals, strict=True)
                ],
            )
            for model, today in traffic.items()
        ]
        for content in e.SegmentContent:
            self.tell(sealed(name, content, number))
        self.tell(e.WatermarkAdvanced(until=day(number + 1)))

    def findings(self) -> dict[str, e.FindingOpened]:
        return {entry.event.finding: entry.event for entry in self.entries if isinstance(entry.event, e.FindingOpened)}

    def counted(self) -> tuple[int, int]:
        """Decisions and outcomes that the closed ticks tell of."""
        closed = [entry.event for entry in self.entries if isinstance(entry.event, e.TicksClosed)]
        return sum(each.decisions for each in closed), sum(each.outcomes for each in closed)

    def knowledge(self) -> dict[str, bytes]:
        """What the owners of all models know, by model."""
        watches = {name: watch for monitor in self.monitors.values() for name, watch in monitor.watches.items()}
        return {name: pack(Shard(), 0, [watches[name]]) for name in sorted(watches)}


def sealed(name: str, content: e.SegmentContent, number: int) -> e.SegmentSealed:
    return e.SegmentSealed(
        content=content,
        digest=name,
        record_root="00",
        records=12 * len(MODELS),
        replica="memory",
        epoch="epoch",
        first_number=1 + number * 60,
        last_number=60 + number * 60,
        first_time=day(number),
        last_time=day(number),
    )


def a_fleet() -> Fleet:
    """Five models, each with a champion."""
    fleet = Fleet()
    fleet.tell(LEDGERS.start[0].event)  # the spec
    crowned = [
        entry.event for entry in LEDGERS.start[2:] if getattr(entry.event, "version", 0) == 1 and entry.event.kind
    ]
    for model in MODELS:
        fleet.tell(declared(model))
        for event in crowned:
            fleet.tell(of_model(event, model))
    return fleet


def of_model(event: e.Event, model: str) -> e.Event:
    """The same of another model."""
    changes: dict[str, object] = {"model": model}
    if isinstance(event, e.GrantIssued):
        grant = event.signed.grant.model_copy(update={"model": model, "grant_id": f"grant-{model}"})
        changes["signed"] = event.signed.model_copy(update={"grant": grant})
    if isinstance(event, e.VersionApproved):
        return event.model_copy(update=changes)
    if isinstance(event, e.RolloutStarted):
        changes["steps"] = FULL
    return event.model_copy(update=changes)


def alone() -> Fleet:
    fleet = a_fleet()
    fleet.start(0)
    for number in range(DAYS):
        fleet.live(number)
    return fleet


ALONE = alone()


@settings(max_examples=8)
@given(
    numbers=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    saving=st.lists(st.sets(st.integers(0, 3)), min_size=4, max_size=4),
    saved=st.lists(st.sets(st.integers(0, 3)), min_size=DAYS, max_size=DAYS),
    killed=st.lists(st.sets(st.integers(0, 3)), min_size=DAYS, max_size=DAYS),
)
def test_however_models_are_shared_and_whoever_dies_the_same_is_found_and_known(
    numbers: list[int], saving: list[set[int]], saved: list[set[int]], killed: list[set[int]]
) -> None:
    fleet = a_fleet()
    fleet.start(0)
    for number in range(DAYS):
        if number < len(numbers):
            fleet.share_by(numbers[number], saving=sorted(saving[number]))
        fleet.live(number)
        for each in sorted(saved[number] & fleet.monitors.keys()):
            fleet.save(each)
        for each in sorted(killed[number] & fleet.monitors.keys()):
            fleet.start(each)
        assert fleet.state.ticks_until == day(number + 1), "closed by all of them"
    assert ALONE.findings(), "there is something to find"
    assert fleet.findings() == ALONE.findings()
    assert fleet.counted() == ALONE.counted() == (12 * len(MODELS) * DAYS,) * 2
    assert fleet.knowledge() == ALONE.knowledge()


def test_models_of_monitors_that_saved_on_different_days_go_on_each_from_its_own_day() -> None:
    fleet = a_fleet()
    fleet.share_by(2, saving=[])
    for number in range(DAYS):
        fleet.live(number)
        if number < 2:
            fleet.save(number)
        if number == 3:
            fleet.share_by(3, saving=[])
    starts = {monitor._known.start for monitor in fleet.monitors.values()}
    assert starts == {min(save.size for save in fleet.state.saves.values())}, "from the older of the two saves"
    assert fleet.findings() == ALONE.findings()
    assert fleet.knowledge() == ALONE.knowledge()


def test_ticks_are_closed_when_the_last_monitor_closed_its_share() -> None:
    fleet = a_fleet()
    fleet.share_by(2, saving=[])
    away = fleet.monitors.pop(1)
    fleet.live(0)
    assert fleet.state.ticks_until < day(1)
    fleet.monitors[1] = away
    fleet.follow()
    assert fleet.state.ticks_until == day(1)


def test_ticks_that_a_former_monitor_did_not_close_are_closed_by_those_that_took_its_models_over() -> None:
    fleet = a_fleet()
    fleet.share_by(2, saving=[])
    del fleet.monitors[1]
    fleet.live(0)
    assert fleet.state.ticks_until < day(1)
    fleet.share_by(3, saving=[0])
    assert fleet.state.ticks_until == day(1)


@given(st.text(min_size=1), st.integers(1, 20))
def test_a_monitor_more_takes_models_from_others_and_changes_nothing_else(model: str, monitors: int) -> None:
    assert owner(model, monitors + 1) in {owner(model, monitors), monitors}


def test_models_are_shared_out_evenly() -> None:
    owners = [owner(f"flight-time-{number}", 4) for number in range(4000)]
    assert all(abs(owners.count(each) - 1000) < 100 for each in range(4))
    assert owner(MODEL, 1) == 0
