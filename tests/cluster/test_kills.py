"""Any process may die at any moment, and the loop still ends in the same place."""

import os
import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import psutil
import pytest

from runtime.domain.entry import Entry
from runtime.domain.events import FindingOpened, RecordsLost, RetrainingFinished, SegmentSealed, TicksClosed
from runtime.ledger.verify import verify_log
from runtime.local_cluster import LocalCluster
from runtime.pipeline.outcomes import Left, Period
from runtime.pipeline.replay import Day, Replay, Tally
from tests.cluster.fleet import Fleet, Story, ask, ask_around, environment, fleet_up, train
from tests.cluster.routes import APRIL_END, MARCH, MODELS

PATIENCE = 60.0
KILLS = {
    # While only champions answer: the shadow's half of a pair is written after the answer and dies with its replica.
    datetime(2013, 3, 3, tzinfo=UTC): "replica",
    datetime(2013, 3, 10, tzinfo=UTC): "governor",
    datetime(2013, 3, 14, tzinfo=UTC): "monitor",
    datetime(2013, 3, 21, tzinfo=UTC): "operator",
    datetime(2013, 3, 24, tzinfo=UTC): "monitor-1",
    datetime(2013, 3, 27, tzinfo=UTC): "governor",
}
MONITORS = {"FLEETWARD_MONITORS": "2", "FLEETWARD_MONITOR_SAVE_SECONDS": "0"}
"""Two share the models, and save what they know at the end of every tick; the undisturbed fleet has one."""


@pytest.fixture(scope="module")
def killed(story: Story, cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The same eight weeks, watched by two; with a day's answers out and not yet sealed, somebody is killed."""
    from actors.quiescence import settle
    from jobs import replaying

    home = tmp_path_factory.mktemp("kills")
    with fleet_up(cluster, home, **MONITORS) as fleet, pytest.MonkeyPatch.context() as patch:
        skipped, registered = train(fleet)
        settle(fleet.spec.serving.pools)  # first versions are promoted by the operator
        answers = ask_around(fleet)
        with _first_retraining_killed(fleet) as victims:
            patch.setattr(replaying, "Replay", KillingReplay)
            tally = replaying.replay(fleet.spec, fleet.url, MARCH, APRIL_END)
        assert len(victims) == 1
        yield Story(fleet, skipped, registered, answers, tally, fleet.entries())


class KillingReplay(Replay):
    """A replay that kills somebody on the days of ``KILLS``."""

    def send(self, day: Day) -> Tally:
        tally = super().send(day)
        if (victim := KILLS.get(day.start)) is not None:
            os.kill(min(pids_of(victim)), signal.SIGKILL)
        return tally


def pids_of(who: str) -> set[int]:
    """The process of an actor, or those of the pool's replicas."""
    from ray.util.state import list_actors

    return {
        int(actor.pid)
        for actor in list_actors(filters=[("state", "=", "ALIVE")], limit=1000)
        if actor.pid and (actor.name == who or (who == "replica" and "ServeReplica:pool-default" in actor.class_name))
    }


@contextmanager
def _first_retraining_killed(fleet: Fleet) -> Iterator[list[int]]:
    """In a thread: waits for the first retraining job of the fleet, and kills its driver."""
    killed: list[int] = []
    over = threading.Event()

    def hunt() -> None:
        while not killed and not over.is_set():
            for process in psutil.process_iter():
                if _is_retraining_of(process, fleet):
                    process.send_signal(signal.SIGKILL)
                    killed.append(process.pid)
                    return
            over.wait(0.2)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        yield killed
    finally:
        over.set()
        hunter.join()


def _is_retraining_of(process: psutil.Process, fleet: Fleet) -> bool:
    with suppress(psutil.Error):
        if process.cmdline()[1:3] == ["-m", "jobs.retrain"]:
            return process.environ().get("FLEETWARD_HOME") == str(fleet.settings.home)
    return False


def test_killed_or_not_the_fleet_comes_to_the_same_ends_for_the_same_reasons(killed: Story, story: Story) -> None:
    undisturbed, disturbed = projection(story.entries), projection(killed.entries)
    assert disturbed.keys() == undisturbed.keys()
    for subject in undisturbed:
        assert disturbed[subject] == undisturbed[subject], subject


def test_every_tick_was_closed_by_both_monitors_and_once(killed: Story, story: Story) -> None:
    untils = [event.until for event in story.events(TicksClosed)]
    assert untils
    for monitor in range(2):
        assert [event.until for event in killed.events(TicksClosed) if event.monitor == monitor] == untils


def test_no_request_fails(killed: Story) -> None:
    assert not killed.tally.failed, killed.tally.failures


def test_no_record_is_lost(killed: Story, story: Story) -> None:
    assert not killed.events(RecordsLost)
    replayed = set(killed.served_rows()) & set(story.served_rows())
    assert len(replayed) == story.tally.decisions


def test_the_dead_replicas_records_were_sealed_by_another(killed: Story) -> None:
    assert len({event.epoch for event in killed.events(SegmentSealed)}) > killed.fleet.settings.replicas


def test_a_retraining_whose_driver_was_killed_is_tried_again_and_finishes(killed: Story) -> None:
    first, *others = killed.events(RetrainingFinished)
    assert first.succeeded
    assert first.reason.endswith("-2 succeeded")
    assert all(each.succeeded and each.reason.endswith("-1 succeeded") for each in others)


def test_the_ledger_verifies(killed: Story) -> None:
    assert verify_log(killed.fleet.settings.database).size >= len(killed.entries)


def test_each_victim_is_back(killed: Story) -> None:
    _until(lambda: all(len(pids_of(actor)) == 1 for actor in ("governor", "monitor", "monitor-1", "operator")))
    _until(lambda: len(pids_of("replica")) == killed.fleet.settings.replicas)


def test_a_second_deploy_keeps_the_actors_and_replaces_replicas_under_way(killed: Story) -> None:
    from actors.deploy import deploy, is_deployed

    fleet = killed.fleet
    before = {name: pids_of(name) for name in ("governor", "monitor", "operator")}
    assert is_deployed()
    with environment({**fleet.cluster.environment(), **fleet.settings.as_environment()}):
        deploy(fleet.settings)
    assert {name: pids_of(name) for name in before} == before
    assert ask(fleet, MODELS[0]).status_code == 200


def test_outcomes_of_a_file_are_handed_in_once_and_a_look_back_finds_what_both_monitors_found(
    killed: Story, tmp_path: Path
) -> None:
    from jobs.handing_in import hand_in, source_of
    from jobs.looking.again import look_again

    fleet = killed.fleet
    good = killed.answers["good"].headers["fleetward-decision-id"]
    rows = pd.DataFrame({"decision_id": [good, good, str(UUID(int=1))], "actual": [40.5, 40.5, 1.0]})
    rows.to_csv(tmp_path / "outcomes.csv", index=False)
    rows.to_parquet(tmp_path / "outcomes.parquet", index=False)
    asked, period = ("decision_id", "actual", None, None), Period(datetime.now(UTC))
    with environment(fleet.settings.as_environment()):
        first = hand_in(source_of(f"{tmp_path}/outcomes.csv", None), MODELS[0], asked, period, fleet.url)
        again = hand_in(source_of(f"{tmp_path}/outcomes.parquet", None), MODELS[0], asked, period, fleet.url)
        found = look_again(fleet.settings, {}, None)
    assert (first.handed_in, first.left, first.failures) == (1, {Left.KNOWN: 1, Left.UNKNOWN: 1}, [])
    assert (again.handed_in, again.left, again.failures) == (0, {Left.KNOWN: 2, Left.UNKNOWN: 1}, [])
    opened = [entry.event for entry in fleet.entries() if isinstance(entry.event, FindingOpened)]
    assert opened
    assert all(each.pop("found_then") for each in found["findings"])
    theirs = [each.as_document() for each in opened]
    assert sorted(found["findings"], key=_of_finding) == sorted(theirs, key=_of_finding)
    assert (found["found_then_alone"], found["unreadable_entries"]) == ([], 0)


def _of_finding(document: dict[str, Any]) -> str:
    return str(document["finding"])


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        if holds():
            return
        assert time.monotonic() < ends
        time.sleep(0.2)


# --- what two ledgers of the same history have in common ---------------------------------------------------

OF_THE_RUN = {"governor_started", "segment_sealed", "monitor_saved", "monitors_set", "ticks_closed"}
NOT_COMPARED = {
    # signatures, times of the clock, and what depends on them; the code may change while the tests run
    *("signed", "grant_id", "valid_until", "code_revision", "latency_ms_p99", "package", "card"),
    # a request that is sent again is recorded again, and counted once
    *("decisions", "outcomes"),
}


def projection(entries: list[Entry]) -> dict[str, list[dict[str, Any]]]:
    """By model ("" for the fleet): what happened to it and why, in order, without what belongs to the run."""
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        document = entry.event.model_dump(mode="json")
        if document["kind"] not in OF_THE_RUN:
            told[document.get("model") or ""].append(_comparable(document))
    return dict(told)


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        if "latency" in str(value.get("gate", "")):
            return "a latency"
        return {key: _comparable(each) for key, each in value.items() if key not in NOT_COMPARED}
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    return re.sub(r"^job retrain-\S+", "job", value) if isinstance(value, str) else value
