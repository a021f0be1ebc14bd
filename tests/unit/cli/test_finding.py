"""``finding``, ``findings --open`` and ``budget``: the evidence as people read it, and what they say to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from jobs.cli.bars import evidence_lines
from jobs.cli.lagging import in_words
from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.findings import Answer, Direction
from runtime.domain.ids import digest_of
from runtime.domain.metrics import Metric
from runtime.domain.model_state import FindingState
from runtime.domain.reports import FeatureStatistic, SliceGap
from runtime.governance.writer import Receipt
from runtime.monitoring.evidence import evidence_of
from runtime.monitoring.gauge import Gauge
from runtime.settings import Settings
from runtime.statistics.detector import DetectorPlan
from runtime.statistics.profile import Profile
from runtime.storage.objects import ObjectStore
from tests.unit.cli.conftest import Installation
from tests.unit.cli.fleet import DATA
from tests.unit.domain.lives import a_finding

Run = Callable[..., Result]
Told = Callable[..., Any]


@pytest.fixture(autouse=True)
def up(governed: Installation) -> Installation:
    return governed


def opened(up: Installation, name: str, event: e.FindingOpened) -> str:
    ((answer,),) = up.writer.commit([[Draft(event, "service:monitor", name)]])
    assert isinstance(answer, Receipt), answer
    return name


def an_alarm() -> tuple[e.FindingOpened, bytes]:
    """A finding of a gauge that saw hours go missing, and its evidence."""
    chance = np.random.default_rng(2013)
    profile = Profile.from_columns({"hour": chance.uniform(6, 22, 2000), "dest": chance.choice(["LAX", "SFO"], 2000)})
    gauge = Gauge(profile, DetectorPlan.build(profile, checks_between_false_alarms=100))
    hours = np.where(np.arange(600) % 2, chance.uniform(6, 22, 600), np.nan)
    gauge.count({"hour": hours, "dest": np.array(["LAX", "JFK"] * 300, dtype=object)})
    reading = gauge.close(DATA)
    assert reading is not None
    assert reading.alarm
    features = gauge.statistics(reading)
    finding = a_finding("evident-1", e.FindingKind.DATA_DRIFT, None, features, DATA, "minutes-a")
    finding = finding.model_copy(update={"version": 2})
    document = evidence_of(finding, gauge, reading)
    return finding.model_copy(update={"evidence": digest_of(document)}), document


@pytest.fixture
def evident(up: Installation) -> str:
    finding, document = an_alarm()
    ObjectStore.open(Settings.from_environment().store).put(document)
    return opened(up, "evident-1", finding)


def state(up: Installation, name: str) -> FindingState:
    found = up.writer.state.finding(name)
    assert isinstance(found, FindingState)
    return found


def test_a_finding_is_shown_with_its_histograms(evident: str, run: Run) -> None:
    result = run("finding", "evident", "--offline")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert any(line.startswith("hour: missing, JS ") and "missing 50.0%, before 0.0%" in line for line in lines)
    (missing,) = [line for line in lines if line.strip().startswith("missing") and "50.0%" in line and "JS" not in line]
    assert "\u2588" * 20 in missing
    assert "names the baseline does not have: JFK (300)" in result.stdout
    assert "600 rows of the window against 2,000 of the baseline" in lines


def test_a_finding_tells_which_slices_are_answered_worst(up: Installation, run: Run) -> None:
    gap = SliceGap(
        slice="dest",
        metric=Metric.ACCURACY,
        values=3,
        rows=900,
        worst="LAX",
        worst_error=0.25,
        best="SFO",
        best_error=0.125,
        demographic_parity_difference=0.0625,
    )
    finding, _ = an_alarm()
    opened(up, "sliced-1", finding.model_copy(update={"finding": "sliced-1", "evidence": None, "slices": (gap,)}))
    lines = run("finding", "sliced-1", "--offline").stdout.splitlines()
    (line,) = [each for each in lines if each.startswith("slices")]
    assert "0.25" in line
    assert "on dest LAX against" in line
    assert line.endswith("on SFO, demographic parity difference 0.062, of 3 values in 900 rows")


@pytest.mark.parametrize(
    ("standings", "told"),
    [
        ([{"monitor": 0, "models": 4, "entries_behind": 1200}], "1,200 entries behind"),
        (
            [{"monitor": 0, "models": 4, "entries_behind": 0}, {"monitor": 1, "models": 3, "entries_behind": 7}],
            "2 of them, the furthest 7 entries behind",
        ),
        ([{"monitor": 0}], "monitor 0 does not answer"),
    ],
)
def test_how_far_monitors_are_behind_is_told_in_words(standings: list[dict[str, Any]], told: str) -> None:
    assert in_words(standings) == told


def test_a_finding_whose_evidence_is_gone_is_shown_without_it(up: Installation, run: Run) -> None:
    finding, _ = an_alarm()
    opened(up, "evident-1", finding)
    result = run("finding", "evident-1", "--offline")
    assert result.exit_code == 0
    assert "the evidence cannot be shown: no object sha256:" in result.stderr
    assert finding.evidence is not None
    assert finding.evidence in result.stdout


def test_the_document_of_a_finding_has_its_evidence_and_where_it_stands(evident: str, answer: Told) -> None:
    document = answer("finding", evident, "--offline")
    assert document["standing"] == "open"  # a column that goes missing calls a person
    assert document["features"][0]["direction"] == "missing"
    assert document["evidence_document"]["window"]["rows"] == 600
    assert document["answered"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--acknowledge"], Answer.ACKNOWLEDGED),
        (["--snooze", "7d"], Answer.SNOOZED),
        (["--accept"], Answer.ACCEPTED),
        (["--dismiss"], Answer.DISMISSED),
        (["--resolve"], Answer.RESOLVED),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_answer_is_recorded_with_who_and_why(
    options: list[str], said: Answer, evident: str, run: Run, up: Installation
) -> None:
    result = run("finding", "evid", *options, "--reason", "looked at it", "--as", "user:bob")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "by user:bob" in result.stdout
    answered = state(up, evident).answered
    assert answered is not None
    assert (answered.answer, answered.by, answered.reason) == (said, "user:bob", "looked at it")
    assert answered.until == (DATA + timedelta(days=7) if said is Answer.SNOOZED else None)


def test_a_snooze_may_name_its_day(evident: str, run: Run, up: Installation) -> None:
    assert run("finding", evident, "--snooze", "2013-04-01", "--reason", "spring").exit_code == 0
    answered = state(up, evident).answered
    assert answered is not None
    assert answered.until == DATA.replace(month=4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--accept"], "needs a --reason"),
        (["--accept", "--reason", " "], "needs a --reason"),
        (["--reason", "why not"], "goes with --acknowledge"),
        (["--accept", "--dismiss", "--reason", "both"], "two answers"),
        (["--snooze", "soon", "--reason", "x"], "expected a duration such as 7d, or a date"),
        (["--snooze", "2012-01-01", "--reason", "x"], "is over already"),
    ],
    ids=["no reason", "a blank one", "a reason for nothing", "two answers", "no time", "a time that is over"],
)
def test_what_is_no_answer_is_said_and_recorded_nowhere(
    options: list[str], expected: str, evident: str, run: Run, up: Installation
) -> None:
    size = up.writer.state.size
    result = run("finding", evident, *options)
    assert result.exit_code == 2
    assert expected in " ".join(result.stderr.replace("\u2502", " ").split())
    assert up.writer.state.size == size


def test_an_answer_that_is_no_legal_move_is_the_governors_refusal(evident: str, run: Run) -> None:
    assert run("finding", evident, "--resolve", "--reason", "repaired").exit_code == 0
    result = run("finding", evident, "--acknowledge", "--reason", "late")
    assert result.exit_code == 3
    assert "it is resolved; legal answers are: none" in result.stderr


def test_a_finding_that_is_none_is_not_found(run: Run) -> None:
    result = run("finding", "nothing", "--offline")
    assert result.exit_code == 1
    assert "no finding is meant by 'nothing': none has that id" in result.stderr


def test_open_findings_are_those_that_wait_for_somebody(up: Installation, answer: Told, run: Run) -> None:
    everything = answer("findings", "--offline")
    assert {each["standing"] for each in everything} == {"benign"}
    assert answer("findings", "--open", "--offline") == []
    broken = FeatureStatistic(feature="hour", log_score=20, js=0.9, psi=3, missing_rate=1, direction=Direction.MISSING)
    finding = a_finding("broken-1", e.FindingKind.DATA_DRIFT, None, (broken,), DATA, "minutes-a")
    opened(up, "broken-1", finding.model_copy(update={"version": 2}))
    assert [each["finding"] for each in answer("findings", "--open", "--offline")] == ["broken-1"]
    assert run("finding", "broken-1", "--dismiss", "--reason", "a test feed").exit_code == 0
    assert answer("findings", "--open", "--offline") == []
    assert [each["standing"] for each in answer("findings", "--offline")][-1] == "dismissed"


def test_a_finding_of_a_version_that_went_is_superseded(up: Installation, answer: Told) -> None:
    opened(up, "old-1", a_finding("old-1", as_of=DATA, model="minutes-a"))
    assert answer("finding", "old-1", "--offline")["standing"] == "superseded"


def test_the_alarm_budget_is_set_with_a_reason(run: Run, up: Installation) -> None:
    result = run("budget", "4", "--reason", "two people on call")
    assert result.exit_code == 0
    assert "alarm budget set by user:ada, 4 false alarms in 30 days: two people on call" in result.stdout
    assert up.writer.state.alarm_budget == 4
    assert run("budget", "0", "--reason", "none at all").exit_code == 2


def test_bars_of_a_window_without_rows_are_empty() -> None:
    feature = {"feature": "x", "js": 0.0, "psi": 0.0, "missing_rate": 0.0, "baseline_missing_rate": 0.0}
    feature |= {"labels": ["a"], "baseline": [3], "window": [0], "unseen": {}}
    lines = list(evidence_lines({"rows": 0, "baseline_rows": 3, "by_movement": ["x"], "features": [feature]}))
    assert lines[-1].endswith("0.0%")
