"""A policy tried on a recorded past: the one in force gives history back, another one is counted between its bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from jobs.cli import app
from runtime.backtest.backtest import NothingRecorded, backtest
from runtime.backtest.report import Line, Report
from runtime.backtest.worlds import Chosen
from runtime.domain import events as e
from runtime.domain.policy_document import PolicyDocument
from tests.unit.backtest.lived import SECONDS_A_MODEL, Fleet
from tests.unit.monitoring.world import day

DAYS = 49


def bias(model: int, number: int) -> float:
    """Model 0 stays as it was; 1 goes wrong on day 20 for good; 2 for two weeks, on day 30, by less."""
    if model == 1:
        return 25.0 if number >= 20 else 0.0
    if model == 2:
        return 8.0 if 30 <= number < 44 else 0.0
    return 0.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    lived = Fleet(tmp_path_factory.mktemp("fleet"), 3, bias)
    lived.live(range(DAYS))
    yield lived
    lived.log.close()


def tried(fleet: Fleet, days: int = DAYS, **rules: Any) -> Report:
    document = PolicyDocument.model_validate({"kind": "policy", "name": "tried", "about": "a trial"} | rules)
    return backtest(fleet.past(), fleet.recorded(), document, timedelta(days=days))


def line(report: Report, name: str) -> Line:
    return next((each for each in report.lines if each.name == name), Line(name, 0, 0, 0))


def test_the_past_has_alarms_retrainings_and_promotions_to_try_a_policy_on(fleet: Fleet) -> None:
    assert fleet.count(e.FindingOpened) >= 2
    assert fleet.count(e.RetrainingStarted) >= 1
    assert fleet.count(e.VersionPromoted) >= 4
    assert fleet.writer.state.totals.refused_commands == 0


def test_the_policy_in_force_gives_the_ledgers_own_decisions_back_one_for_one(fleet: Fleet) -> None:
    report = tried(fleet)
    assert report.reproduced.differences == []
    of_kind = report.reproduced.checked
    assert of_kind["finding_opened"] == fleet.count(e.FindingOpened)
    assert of_kind["verdict_reached"] == fleet.count(e.VerdictReached)
    assert of_kind["retraining_started"] == fleet.count(e.RetrainingStarted)
    assert of_kind["version_promoted"] == fleet.count(e.VersionPromoted) - len(fleet.names), "first ones came before"
    assert line(report, "alarms").current == fleet.count(e.FindingOpened)
    started = [entry.event for entry in fleet.log.entries() if isinstance(entry.event, e.RetrainingStarted)]
    assert line(report, "retrains").current == sum(len(each.models) for each in started)


def test_a_policy_that_overrides_nothing_changes_nothing_at_either_end_of_a_range(fleet: Fleet) -> None:
    report = tried(fleet)
    assert [(each.current, each.current) for each in report.lines] == [(each.low, each.high) for each in report.lines]
    assert report.left == []
    assert report.assumes == []


def test_saying_again_what_the_spec_says_gives_history_back_through_a_monitor_of_its_own(fleet: Fleet) -> None:
    report = tried(fleet, days=40, monitor={"false_alarm_every": 1000}, retrain={"window": "7d"})
    assert report.left == []
    assert [(each.current, each.current) for each in report.lines] == [(each.low, each.high) for each in report.lines]


def test_never_retraining_keeps_the_errors_that_retraining_took_away(fleet: Fleet) -> None:
    report = tried(fleet, retrain={"when": []})
    retrains, error = line(report, "retrains"), line(report, "error")
    assert retrains.current
    assert (retrains.low, retrains.high) == (0, 0)
    assert error.low is not None
    assert error.current is not None
    assert error.low > error.current * 1.1
    assert [course.why for course in report.left] == ["not retrained where history was"] * len(report.left)
    assert line(report, "retrain_seconds").current == retrains.current * SECONDS_A_MODEL
    assert "What nobody trained nobody measured" in report.assumes[0]


def test_a_retraining_that_history_does_not_know_is_counted_between_two_bounds(fleet: Fleet) -> None:
    strict = tried(fleet, retrain={"degraded_by": 4.0})
    retrains = line(strict, "retrains")
    assert (retrains.low, retrains.high) == (0, 0)
    daily = tried(fleet, retrain={"window": "1d"})
    retrains = line(daily, "retrains")
    assert retrains.low is not None
    assert retrains.high is not None
    assert retrains.low >= 1
    assert {course.why for course in daily.left} == {"retrained at another time than history was"}
    error = line(daily, "error")
    assert error.low is not None
    assert error.high is not None
    assert error.low < error.high


def test_a_deaf_monitor_raises_no_alarm_and_misses_what_history_told(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1, lambda _, number: 12.0 if number >= 10 else 0.0, retrain={"when": []})
    fleet.live(range(30))
    report = tried(fleet, monitor={"delta0": 1e6, "error_reference_sigmas": 1e6})
    fleet.log.close()
    alarms, missed = line(report, "alarms"), line(report, "missed_degradations")
    assert alarms.current
    assert (alarms.low, alarms.high) == (0, 0)
    assert [(each.model, each.since) for each in report.degradations] == [("flight-time-0000", day(11))]
    assert (missed.current, missed.low, missed.high) == (0, 1, 1)


def test_where_nothing_is_approved_automatically_a_person_is_asked_of_every_challenger(fleet: Fleet) -> None:
    stopped = tried(fleet, approval={"automatic_if": []})
    asked = line(stopped, "people_asked")
    assert asked.current == 0
    assert asked.high == line(stopped, "retrains").current
    assert "people who are asked say yes, and at once" in stopped.assumes


def test_a_past_without_a_tick_is_refused(tmp_path: Path) -> None:
    empty = Fleet(tmp_path, 1, bias)
    with pytest.raises(NothingRecorded, match="no tick was closed"):
        tried(empty)
    empty.log.close()


def test_the_report_is_a_document_with_each_number_of_both(fleet: Fleet) -> None:
    document = tried(fleet, retrain={"when": []}).as_document()
    assert document["reproduced"]["differing"] == 0
    assert document["proposed"]["retrains"] == [0, 0]
    assert document["ledger"] == {"size": fleet.log.size, "root": fleet.log.root}
    assert len(document["weeks"]) >= DAYS / 7


# --- at the command line ---------------------------------------------------------------------------


def command(fleet: Fleet, folder: Path, *arguments: str) -> Result:
    policy = folder / "policy.yaml"
    policy.write_text("kind: policy\nname: never\nabout: a trial\nretrain: {when: []}\n")
    asked = ["backtest", str(policy), "--since", "30d", "--database", fleet.database, "--store", fleet.folder]
    return CliRunner().invoke(app, [*asked, *arguments], prog_name="fleetward", env={"COLUMNS": "200"})


def test_the_command_shows_both_and_says_what_it_assumes(fleet: Fleet, tmp_path: Path) -> None:
    made = command(fleet, tmp_path, "--json", str(tmp_path / "r.json"), "--plot", str(tmp_path / "r.svg"))
    assert made.exit_code == 0, made.output
    rows = {line.split("  ")[0].strip(): line.split()[-2:] for line in made.stdout.splitlines()}
    document = json.loads((tmp_path / "r.json").read_text())
    assert rows["retrains"] == [str(document["current"]["retrains"]), "0"]
    assert "0 differ" in made.stdout
    assert "What nobody trained nobody measured" in made.stdout
    drawn = ET.fromstring((tmp_path / "r.svg").read_text())  # noqa: S314 - our own
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(drawn.findall(".//{http://www.w3.org/2000/svg}rect")) > 30


def test_a_pattern_chooses_the_models_that_are_looked_at(fleet: Fleet, tmp_path: Path) -> None:
    made = command(fleet, tmp_path, "--model", "*-0000", "-o", "json")
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert (document["models"], document["current"]["retrains"], document["left"]) == (1, 0, [])
    assert document["reproduced"]["differing"] == 0, "what is recorded of other models is not looked for"


def test_parts_of_the_models_add_up_to_the_whole(fleet: Fleet) -> None:
    policy = PolicyDocument.model_validate(
        {"kind": "policy", "name": "t", "about": "x", "retrain": {"degraded_by": 0.5}}
    )
    parts = [backtest(fleet.past(), fleet.recorded(), policy, timedelta(days=30), Chosen(part, 2)) for part in range(2)]
    whole = backtest(fleet.past(), fleet.recorded(), policy, timedelta(days=30)).as_document()
    both = (parts[0] + parts[1]).as_document()
    assert {part.models for part in parts} != {0, 3}, "each has some"
    for document in (whole, both):
        for numbers in (document["current"], *document["weeks"], *document["proposed"].values()):
            _rounded(numbers)
    assert both == whole


def _rounded(numbers: Any) -> None:
    """Sums of floats in another order differ in their last digits."""
    places = numbers.items() if isinstance(numbers, dict) else enumerate(numbers)
    for key, value in list(places):
        if isinstance(value, float):
            numbers[key] = round(value, 6)
        elif isinstance(value, dict):
            _rounded(value)


def test_a_span_that_is_none_is_wrong_usage(fleet: Fleet, tmp_path: Path) -> None:
    assert "expected a duration such as 90d" in command(fleet, tmp_path, "--since", "a while").stderr
