"""Two monitors that are killed before and after what they say is recorded: the ledger holds what one alone says."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import pytest

from actors.governor import Monitoring
from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.decision import Decision, Outcomes
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.monitoring.fold import Monitor
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.settings import Settings
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import FULL, MODEL, a_spec, applied, declared, evaluated, promoted, registered, started
from tests.unit.governance.desk import Desk
from tests.unit.governance.test_writer import OPERATOR
from tests.unit.monitoring.world import BASELINE, Traffic, day, frames
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
MODELS = (MODEL, "flight-time-AA", "flight-time-DL", "flight-time-WN")
DAYS = 4
FAULTS = {(0, 3, "before"), (0, 6, "after"), (1, 2, "after"), (1, 5, "before")}
"""By monitor and the number of its command: killed before it is recorded, or after, without an answer."""


class Governing:
    """A governor's writer behind a socket, and the monitors that it kills."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.settings = Settings.from_environment({"FLEETWARD_HOME": str(folder)})
        self.store = ObjectStore.open(self.settings.store)
        self.desk = Desk(folder)
        self.socket = str(folder / "governor.socket")
        self.commands: Counter[int] = Counter()
        self.faults = set(FAULTS)
        self.starts: Counter[int] = Counter()
        self.refused: list[FleetwardError] = []
        self._monitors: dict[int, subprocess.Popen[bytes]] = {}
        self._turn = threading.Lock()
        self._serving: list[threading.Thread] = []
        self._listener = Listener(self.socket, family="AF_UNIX")
        threading.Thread(target=self._listen, daemon=True).start()

    def keep(self, monitors: int) -> bool:
        """Starts those that are not there, as Ray would."""
        for number in range(monitors):
            if number not in self._monitors or self._monitors[number].poll() is not None:
                command = [
                    sys.executable,
                    "-m",
                    "tests.crash.monitor_process",
                    self.socket,
                    str(self.home),
                    str(number),
                ]
                self._monitors[number] = subprocess.Popen(command, cwd=ROOT)
                self.starts[number] += 1
        return True

    def wait_for_ticks(self) -> None:
        """Until all ticks before the watermark are closed; who was killed is started again."""
        state = self.desk.writer.state
        wait_until(lambda: self.keep(2) and state.ticks_until == state.watermark, seconds=120)

    def close(self) -> None:
        for process in self._monitors.values():
            process.kill()
            process.wait()
        self._listener.close()
        for thread in self._serving:  # each ends with its monitor, some after a long poll
            thread.join(10)
        self.desk.log.close()

    def _listen(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._serving.append(thread)
                thread.start()

    def _serve(self, connection: Connection) -> None:
        with connection, suppress(EOFError, ConnectionError):
            number = connection.recv()
            while True:
                method, arguments = connection.recv()
                connection.send(getattr(self, f"_{method}")(number, *arguments))

    def _entries(self, _: int, since: int) -> object:
        with suppress(AssertionError):  # a long poll
            wait_until(lambda: self.desk.writer.state.size > since, seconds=0.2)
        return list(self.desk.log.entries(since))

    def _size(self, _: int) -> int:
        return self.desk.writer.state.size

    def _monitoring(self, _: int) -> Monitoring:
        with self.desk.writer.lock:
            state = self.desk.writer.state
            return Monitoring(size=state.size, monitors=state.monitors, saves=dict(state.saves))

    def _record(self, number: int, drafts: list[Draft]) -> object:
        with self._turn:
            self.commands[number] += 1
            at = (number, self.commands[number])
            if (*at, "before") in self.faults:
                self._kill(number, (*at, "before"))
            answers = self.desk.give(*drafts)
            self.refused += [answer for answer in answers if isinstance(answer, FleetwardError)]
            if (*at, "after") in self.faults:
                self._kill(number, (*at, "after"))
        return answers

    def _kill(self, number: int, fault: tuple[int, int, str]) -> None:
        self.faults.discard(fault)
        self._monitors[number].kill()
        self._monitors[number].wait()
        raise EOFError

    # --- what happens to the fleet -------------------------------------------------------------------

    def begin(self) -> None:
        """Four models, each with a champion."""
        self.desk.record(applied(a_spec()))
        baseline = self.store.put(canonical.encode(BASELINE.as_document()))
        for model in MODELS:
            version = registered(1, model).model_copy(update={"baseline": baseline})
            for event in (declared(model), version, evaluated(model=model)):
                self.desk.record(event)
            for move in (started(1, FULL), promoted()):
                answer = self.desk.record(move.model_copy(update={"model": model}), OPERATOR)
                assert not isinstance(answer, FleetwardError), answer

    def live(self, number: int) -> None:
        """One day of all models, sealed by one replica, and its end."""
        records: list[Decision | Outcomes] = []
        for at, model in enumerate(MODELS):
            today = Traffic(number, rows=20, bias=40.0 * (at % 2), seed=at)
            records += [replace(today.decision, model=model), replace(today.outcomes, model=model)]
        for event in seal(frames(*records), self.store, f"replica-{number}", "epoch"):
            self.desk.record(event, "service:replica")
        self.desk.record(e.WatermarkAdvanced(until=day(number + 1)), "job:replay")


@pytest.fixture
def governing(tmp_path: Path) -> Iterator[Governing]:
    governing = Governing(tmp_path)
    yield governing
    governing.close()


def said_by_one(governing: Governing) -> dict[str, e.FindingOpened]:
    """What a monitor alone finds, from the same ledger and store."""
    alone = Monitor(
        governing.store.get,
        lambda digest: decisions_of(governing.store, digest, lambda _: None),
        lambda digest: outcomes_of(governing.store, digest),
    )
    drafts = [draft for entry in governing.desk.log.entries() for draft in alone.apply(entry)]
    return {draft.event.finding: draft.event for draft in drafts if isinstance(draft.event, e.FindingOpened)}


def test_monitors_that_are_killed_find_what_one_that_lives_finds(governing: Governing) -> None:
    governing.begin()
    governing.desk.record(e.MonitorsSet(monitors=2), OPERATOR)
    for number in range(DAYS):
        governing.live(number)
        governing.wait_for_ticks()
    wait_until(lambda: governing.keep(2) and len(governing.desk.writer.state.saves) == 2, seconds=60)
    with governing.desk.writer.lock:  # the state runs ahead of the log within a commit
        events = [entry.event for entry in governing.desk.log.entries()]
    found = [event for event in events if isinstance(event, e.FindingOpened)]
    assert governing.faults == set(), "every fault came about"
    assert governing.starts == {0: 3, 1: 3}
    assert governing.refused == []
    assert {event.finding: event for event in found} == said_by_one(governing)
    assert len(found) == len({event.finding for event in found}) > 0
    closed = Counter((event.monitor, event.until) for event in events if isinstance(event, e.TicksClosed))
    assert closed == {(monitor, day(number + 1)): 1 for monitor in range(2) for number in range(DAYS)}
    told = [event for event in events if isinstance(event, e.TicksClosed)]
    assert sum(event.decisions for event in told) == 20 * len(MODELS) * DAYS
