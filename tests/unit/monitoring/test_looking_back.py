"""What workers do with blocks of a past, without the cluster: each model is compared with its own."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.display.past import tell_rows
from jobs.lookback import _baseline, main
from jobs.looking.back import Against, Rows, _before, _close, _count, _reference, _reference_of
from runtime.domain.errors import DataError
from runtime.domain.watched import Monitoring
from runtime.monitoring.past import Reference
from tests.unit.domain.lives import a_spec
from tests.unit.monitoring.test_past import as_table
from tests.unit.monitoring.world import BASELINE, Traffic, day

CARRIERS = {"AA": 0.0, "WN": 6.0}
"""By how much hours are later from day 20 on."""
SPEC = a_spec()
ROWS = Rows("unused:here", "at", "", SPEC)
WANTED = ["hour", "dest", "prediction"]


def fleet() -> pd.DataFrame:
    parts = []
    for seed, (carrier, later) in enumerate(CARRIERS.items()):
        days = [Traffic(at, seed=seed, later=later if at >= 20 else 0.0) for at in range(40)]
        parts.append(as_table(days).assign(carrier=carrier))
    return pd.concat(parts, ignore_index=True)


def looked_at(blocks: list[pd.DataFrame], rows: Rows, against: Against) -> dict[str, dict[str, Any]]:
    """As on the cluster: blocks are counted, then each model is closed."""
    ticks: dict[str, list[str]] = {}
    for block in blocks:
        for each in _count(block, rows, against).to_dict("records"):
            if each["ticks"]:
                ticks.setdefault(each["model"], []).append(each["ticks"])
    closed = (_close({"model": name, "parts": parts}, against) for name, parts in ticks.items())
    return {each["model"]: json.loads(each["found"]) for each in closed}


def found_in(document: dict[str, Any]) -> list[str]:
    return [finding["as_of"][:10] for finding in document["findings"]]


def test_each_model_of_a_fleet_is_compared_with_its_own_past() -> None:
    frame = fleet()
    early = _before(frame, ROWS, day(15))
    assert len(early) == 2 * 15 * 50
    references = {}
    for _, part in early.groupby("__model"):
        (made,) = _reference(part, WANTED).to_dict("records")
        references[made["model"]] = _reference_of(json.loads(made["reference"]))
    assert set(references) == {"flight-time-AA", "flight-time-WN"}
    later = Rows("unused:here", "at", "", SPEC, since=day(15))
    found = looked_at([frame], later, Against(Monitoring(), references))
    assert found_in(found["flight-time-AA"]) == []
    moved = [each for each in found["flight-time-WN"]["findings"] if each["about"] == "data_drift"]
    assert moved[0]["features"][0]["feature"] == "hour"
    assert moved[0]["as_of"][:10] in {f"{day(at):%Y-%m-%d}" for at in (21, 22, 23)}
    assert found["flight-time-AA"]["ticks"][0]["end"][:10] == f"{day(16):%Y-%m-%d}"


def test_blocks_of_any_size_in_any_order_give_the_same() -> None:
    frame, against = fleet(), Against(Monitoring(), {"": Reference.of(BASELINE)})
    whole = looked_at([frame], ROWS, against)
    shuffled = frame.sample(frac=1.0, random_state=3)
    blocks = [shuffled.iloc[at::7] for at in range(7)]
    again = looked_at(blocks, ROWS, against)
    assert again == whole
    assert found_in(whole["flight-time-WN"])


def test_rows_of_other_times_other_models_and_without_a_reference_are_not_looked_at() -> None:
    frame = fleet()
    reference = {"flight-time-AA": Reference.of(BASELINE)}
    one = Rows("unused:here", "at", "", SPEC, since=day(1), until=day(3), only="flight-time-AA")
    counted = _count(frame, one, Against(Monitoring(), reference)).to_dict("records")
    assert [(each["model"], len(json.loads(each["ticks"]))) for each in counted] == [("flight-time-AA", 2)]
    both = Rows("unused:here", "at", "", SPEC)
    counted = _count(frame, both, Against(Monitoring(), reference)).to_dict("records")
    assert [(each["model"], bool(each["ticks"]), each["rows"]) for each in counted] == [
        ("flight-time-AA", True, 0),
        ("flight-time-WN", False, 2000),
    ]


def test_what_was_found_is_told_in_the_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    against = Against(Monitoring(repeat_after=timedelta(days=5)), {"": Reference.of(BASELINE)})
    models = looked_at([fleet()], ROWS, against)
    for found in models.values():
        found |= {"untimed": 1, "not_in_the_data": ["wind"]}
    tell_rows({"models": models, "without_a_reference": {"flight-time-ZZ": 7}})
    *findings, last, untimed, absent, nobodys = capsys.readouterr().out.splitlines()
    assert findings == sorted(findings)
    assert all("data drift: hour up (PSI " in line for line in findings)
    assert last == f"{len(findings)} findings in 4,000 rows of 2 models, 80 ticks"
    assert untimed == "2 rows without a readable time were left out"
    assert absent == "not compared, since the data has no such column: wind"
    assert nobodys == "7 rows of 1 models have nothing to be compared with"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected a file, a query, --spec or --recorded"),
        (["a.csv", "--model", "m"], "--time is needed"),
        (["a.csv", "--time", "at"], "nothing to compare with"),
        (["a.csv", "--recorded"], "does not go with data"),
        (["--recorded", "--since", "2013-01-01"], "does not go with --since"),
        (
            ["a.csv", "--time", "at", "--baseline", "b.json", "--reference-before", "2013-01-01"],
            "two things to compare with",
        ),
    ],
)
def test_arguments_that_make_no_sense_together_are_named(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert told in capsys.readouterr().err


def test_a_file_that_is_no_baseline_is_named(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(DataError, match="No such file"):
        _baseline(path)
    for content in ("not json", "[]", '{"features": {}}', '{"features": {"features": []}}'):
        path.write_text(content)
        with pytest.raises(DataError, match="no baseline document of a package"):
            _baseline(path)
    path.write_text(json.dumps(BASELINE.as_document()))
    assert _baseline(path).features == BASELINE.features
