"""A monitoring report tells what was recorded: its numbers can be counted by hand, and its page holds the same ones."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.cli.reporting import _past
from runtime.console.model_report import render
from runtime.domain import canonical
from runtime.domain import events as e
from runtime.domain.decision import Variant
from runtime.domain.errors import Refused, UnknownModel
from runtime.domain.monitored import MonitoringReport
from runtime.domain.reports import WindowPerformance
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.reporting import report_on
from runtime.statistics.dle import LossEstimator
from runtime.statistics.performance import error_profile
from runtime.statistics.profile import Profile
from tests.unit.console.fleets import SCRIPT, Fleet, artifact, day, open_for_business

MODEL, SINCE, UNTIL = "air-a", day(4), day(5)
ROWS = 40


def a_baseline() -> Baseline:
    chance = np.random.default_rng(7)
    x = chance.normal(10, 2, 2000)
    columns = {"x": x, "sky": np.full(2000, "cloudy"), "minutes": x}
    errors = chance.normal(0, 1, 2000)
    performance = WindowPerformance(rows=2000, mae=float(np.abs(errors).mean()), bias=float(errors.mean()))
    losses = LossEstimator.learned(x, errors)
    return Baseline(Profile.from_columns(columns), error_profile(errors), performance, losses=losses)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Twenty days of a model whose x is 4 higher from the 11th day on; its answers are 1 too high."""
    fleet = Fleet(tmp_path)
    open_for_business(fleet)
    digest = fleet.store.put(canonical.encode(a_baseline().as_document()))
    fleet.version(MODEL, 2, artifact(1.5), baseline=digest)
    fleet.roll_out(MODEL, 2)
    fleet.promote(MODEL, 2, day(3))
    for number in range(20):
        chance = np.random.default_rng(number)
        xs = (chance.normal(10, 2, ROWS) + (4 if number >= 10 else 0)).tolist()
        fleet.answer(f"day {number}", MODEL, 2, day(4, 1 + number), xs, xs)
        fleet.tell(f"day {number}", MODEL, [x - 1 for x in xs])
    fleet.find(MODEL, e.FindingKind.DATA_DRIFT, day(4, 13))
    yield fleet
    fleet.close()


def report_of(fleet: Fleet, **options: int) -> MonitoringReport:
    return report_on(_past(fleet.database_url), fleet.store, MODEL, SINCE, UNTIL, **options)


def test_rows_errors_and_findings_are_those_of_the_record(fleet: Fleet) -> None:
    report = report_of(fleet)
    assert (report.version, report.quality.rows, report.quality.compared) == (2, 20 * ROWS, 20 * ROWS)
    assert report.window is not None
    assert report.window.mae == pytest.approx(1.0)
    assert report.window.bias == pytest.approx(1.0)
    assert report.window.rows == report.quality.with_outcome == 20 * ROWS
    assert sum(period.performance.rows for period in report.periods) == 20 * ROWS
    assert [found.as_of for found in report.findings] == [day(4, 13)]
    assert report.findings[0].verdict is not None


def test_the_feature_that_moved_is_named_first_and_shares_add_up(fleet: Fleet) -> None:
    features = report_of(fleet).features
    assert {feature.name for feature in features} == {"x", "sky", "minutes"}
    assert features[-1].name == "sky"
    assert features[-1].psi == pytest.approx(0, abs=0.01)
    for feature in features:
        assert sum(share.window for share in feature.shares) == pytest.approx(1)
        assert sum(share.baseline for share in feature.shares) == pytest.approx(1)
    moved = next(feature for feature in features if feature.name == "x")
    assert moved.psi > 0.2
    assert moved.ks == pytest.approx(0.34, abs=0.1)  # half of the rows are two deviations up: (2 x 0.84 - 1) / 2


def test_ticks_alarm_after_the_change_and_not_before(fleet: Fleet) -> None:
    ticks = report_of(fleet).ticks
    assert len(ticks) == 20
    assert sum(tick.rows for tick in ticks) == 20 * ROWS
    first = next(number for number, tick in enumerate(ticks) if tick.alarm)
    assert first in {10, 11}


def test_shadows_and_repeated_requests_are_not_counted_twice(fleet: Fleet) -> None:
    fleet.answer("day 3", MODEL, 2, day(4, 4), [10.0], [10.0], seal_as="again")
    fleet.answer("shadowed", MODEL, 1, day(4, 4), [10.0], [10.0], variant=Variant.SHADOW)
    quality = report_of(fleet).quality
    assert (quality.rows, quality.repeated) == (20 * ROWS, 1)
    assert quality.by_version == {"2": 20 * ROWS}


def test_a_segment_that_is_gone_is_told(fleet: Fleet) -> None:
    fleet.object_of(fleet.sealed["day 5"].digest).unlink()
    quality = report_of(fleet).quality
    assert (quality.rows, quality.missing_segments) == (19 * ROWS, 1)


def test_a_time_without_rows_has_a_report_that_says_so(fleet: Fleet) -> None:
    report = report_on(_past(fleet.database_url), fleet.store, MODEL, day(7), day(8))
    assert (report.version, report.features, report.ticks, report.window) == (2, (), (), None)
    assert "No row of this version and time is recorded" in render(report)


def test_a_model_nobody_knows_and_one_that_never_served_are_refused(fleet: Fleet) -> None:
    with pytest.raises(UnknownModel):
        report_on(_past(fleet.database_url), fleet.store, "nobody", SINCE, UNTIL)
    fleet.declare("idle")
    with pytest.raises(Refused, match="nothing of it serves"):
        report_on(_past(fleet.database_url), fleet.store, "air-idle", SINCE, UNTIL)


def test_what_answers_alone_let_expect_stands_beside_what_outcomes_tell(fleet: Fleet) -> None:
    report = report_of(fleet)
    assert report.estimated is not None
    assert (report.estimated.method, report.estimated.rows) == ("dle", 20 * ROWS)
    [expected] = [each for each in report.estimated.metrics if each.metric.value == "mae"]
    assert expected.low < expected.value < expected.high
    assert expected.value == pytest.approx(report.baseline.mae, abs=0.1)  # it sees no change of the errors themselves
    assert f"({expected.low:.4g} to {expected.high:.4g})" in render(report)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_asks_for_nothing_runs_nothing_and_escapes_what_comes_from_outside(fleet: Fleet) -> None:
    text = render(report_of(fleet))
    tags = Page(text).tags
    outside = {"src", "href", "srcset", "data", "action", "xlink:href", "poster"}
    assert not [tag for tag, attributes in tags if tag in {"script", "link", "img"} or outside & attributes.keys()]
    assert SCRIPT not in text
    assert "url(" not in text
    assert "&lt;script&gt;" in text
    assert sum(tag == "svg" for tag, _ in tags) == 5
    assert all(attributes.get("aria-label") for tag, attributes in tags if tag == "svg")


def test_the_command_writes_the_page_and_the_same_numbers_as_json(fleet: Fleet, tmp_path: Path) -> None:
    page, numbers = tmp_path / "a.html", tmp_path / "a.json"
    where = [
        "--database",
        fleet.database_url,
        "--store",
        fleet.store_url,
        "--since",
        "2013-04-01",
        "--until",
        "2013-05-01",
    ]
    run = CliRunner().invoke(app, ["report", MODEL, *where, "--html", str(page), "--json", str(numbers)])
    assert run.exit_code == 0, run.output
    assert page.read_text() == render(report_of(fleet))
    assert MonitoringReport.model_validate(json.loads(numbers.read_text())) == report_of(fleet)
    run = CliRunner().invoke(app, ["report", MODEL, *where])
    assert json.loads(run.stdout)["quality"]["rows"] == 20 * ROWS
    run = CliRunner().invoke(app, ["report", MODEL, *where[:4], "--since", "2013-05-01", "--until", "2013-04-01"])
    assert run.exit_code == 2
    assert "is not after --since" in run.output


# --- in a terminal and in a notebook -----------------------------------------------------------------


def drift(fleet: Fleet, *arguments: str) -> Result:
    where = ["--database", fleet.database_url, "--store", fleet.store_url]
    return CliRunner().invoke(app, ["drift", MODEL, *where, *arguments])


BOUNDS = ("--since", "2013-04-01", "--until", "2013-05-01")


def test_drift_ranks_the_features_and_draws_the_surest(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    run = drift(fleet, *BOUNDS, "--shown", "1")
    assert run.exit_code == 0, run.output
    ranked = [feature.name for feature in report_of(fleet).features]
    lines = run.stdout.splitlines()
    assert lines[0] == f"{MODEL} version 2, 2013-04-01 00:00 to 2013-05-01 00:00"
    rows = [line.split() for line in lines if line.startswith(" ") and line.split()[0] in ranked]
    assert [row[0] for row in rows] == ranked
    assert [row[1] for row in rows[:2]] == ["up", "up"]
    assert sum(line.startswith(f"{ranked[0]}: ") for line in lines) == 1
    assert not any(line.startswith(f"{ranked[1]}: ") for line in lines)


def test_drift_as_json_has_the_numbers_of_the_report(fleet: Fleet) -> None:
    document = json.loads(drift(fleet, *BOUNDS, "-o", "json").stdout)
    report = report_of(fleet)
    assert document["features"] == report.as_document()["features"]
    assert (document["alarms"], document["quality"]["rows"]) == (report.alarms, 20 * ROWS)


def test_drift_of_a_time_without_rows_says_so(fleet: Fleet) -> None:
    run = drift(fleet, "--since", "2013-07-01", "--until", "2013-08-01")
    assert run.exit_code == 0
    assert "nothing to compare" in run.stderr
    run = drift(fleet, "--since", "2013-07-01", "--until", "2013-07-01")
    assert run.exit_code == 2


def test_without_bounds_it_is_the_seven_days_before_the_data_ends(fleet: Fleet) -> None:
    fleet.record("service:operator", e.WatermarkAdvanced(until=day(4, 21)))
    document = json.loads(drift(fleet, "-o", "json").stdout)
    assert (document["since"][:10], document["until"][:10]) == ("2013-04-14", "2013-04-21")
    assert document["quality"]["rows"] == 7 * ROWS


def test_a_report_shows_itself_in_a_notebook_and_escapes_names(fleet: Fleet) -> None:
    report = report_of(fleet)
    shown = report._repr_html_()
    assert shown.count("<tr>") == 1 + len(report.features)
    assert f"{report.alarms} alarms in 20 ticks" in shown
    (first, *_) = report.features
    strange = report.model_copy(update={"features": (first.model_copy(update={"name": SCRIPT}),)})
    assert SCRIPT not in strange._repr_html_()
    assert "&lt;script&gt;" in strange._repr_html_()


def test_a_regression_has_no_calibration(fleet: Fleet) -> None:
    where = ["--database", fleet.database_url, "--store", fleet.store_url]
    run = CliRunner().invoke(app, ["calibration", MODEL, *where, *BOUNDS])
    assert run.exit_code == 3
    assert "only probabilities of two classes have one" in run.stderr
