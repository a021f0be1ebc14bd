"""A past that is run through offline finds what the live monitor finds in the same rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runtime.domain import events as e
from runtime.domain.watched import Monitoring
from runtime.monitoring.past import (
    MOST_EMPTY,
    Counting,
    Reference,
    Ticks,
    checked,
    document_of,
    merged,
    packed,
    unpacked,
)
from runtime.statistics.errors import NoEvidence
from tests.unit.domain.lives import MODEL
from tests.unit.monitoring.world import BASELINE, Traffic, World

DAYS = 45
REFERENCE = Reference.of(BASELINE)


def the_days() -> list[Traffic]:
    """Hours are later from day 20 on, and missing from day 40 on."""
    return [Traffic(at, later=0.0 if at < 20 else 6.0, lost=float(at >= 40)) for at in range(DAYS)]


def as_table(days: list[Traffic]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "at": today.decision.event_time,
                "hour": today.decision.numbers[0],
                "dest": today.decision.texts[0],
                "prediction": today.decision.outputs,
            }
        )
        for today in days
    ]
    return pd.concat(parts, ignore_index=True)


def offline(frame: pd.DataFrame, monitor: Monitoring, parts: int = 1) -> list[e.FindingOpened]:
    counting = Counting(REFERENCE, monitor, "at")
    counted: list[Ticks] = []
    for part in np.array_split(np.arange(len(frame)), parts):
        ticks, untimed = counting.ticks(frame.iloc[part])
        assert untimed == 0
        counted.append(unpacked(packed(ticks), REFERENCE))
    ends = checked(MODEL, REFERENCE, monitor, merged(counted))
    return [finding for each in ends for finding in each.findings]


def test_the_same_rows_give_the_same_findings_as_live(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = []
    for today in the_days():
        world.hand_in(today.decision)
        found = [event for event in world.end_of(today.number) if isinstance(event, e.FindingOpened)]
        live += [each.model_copy(update={"evidence": None}) for each in found]  # nothing is stored offline
    assert {each.about for each in live} == {e.FindingKind.DATA_DRIFT, e.FindingKind.DATA_QUALITY}
    monitor = world.monitor.state.spec_of(world.monitor.state.model(MODEL)).monitor
    assert offline(as_table(the_days()), monitor) == live


def test_where_the_rows_lie_does_not_matter() -> None:
    frame, monitor = as_table(the_days()), Monitoring()
    shuffled = frame.sample(frac=1.0, random_state=7)
    whole = offline(frame, monitor)
    assert whole
    assert offline(shuffled, monitor, parts=9) == whole


def test_rows_without_a_time_are_counted_and_left_out() -> None:
    frame = as_table([Traffic(0)])
    frame["at"] = frame["at"].astype(str).astype(object)
    frame.loc[:4, "at"] = ["", "yesterday", None, "2013-13-01", "NaT"]
    ticks, untimed = Counting(REFERENCE, Monitoring(), "at").ticks(frame)
    assert (untimed, [tick.facts.rows for tick in ticks.values()]) == (5, [45])


def test_ticks_without_rows_are_told_too() -> None:
    frame = as_table([Traffic(0), Traffic(3)])
    ticks, _ = Counting(REFERENCE, Monitoring(), "at").ticks(frame)
    ends = list(checked(MODEL, REFERENCE, Monitoring(), ticks))
    assert [each.rows for each in ends] == [50, 0, 0, 50]
    assert document_of(ends)["ticks"][1]["rows"] == 0


def test_a_past_of_no_rows_has_no_ticks() -> None:
    ticks, _ = Counting(REFERENCE, Monitoring(), "at").ticks(as_table([Traffic(0)]).iloc[:0])
    assert document_of(checked(MODEL, REFERENCE, Monitoring(), ticks)) == {"ticks": [], "findings": []}


def test_a_column_that_became_text_is_counted_as_another_type() -> None:
    frame = as_table([Traffic(0)])
    frame["hour"] = "noon"
    (finding,) = [each for each in offline(frame, Monitoring()) if each.about is e.FindingKind.DATA_QUALITY]
    assert finding.breaches is not None
    assert [(each.check.value, each.of, each.value) for each in finding.breaches] == [("type", "hour", 1.0)]


@pytest.mark.parametrize("zone", [UTC, None])
def test_times_without_a_zone_are_in_utc(zone: object) -> None:
    at = datetime(2013, 3, 4, 12, tzinfo=UTC if zone else None)
    frame = as_table([Traffic(0)]).assign(at=at)
    ticks, _ = Counting(REFERENCE, Monitoring(), "at").ticks(frame)
    (end,) = checked(MODEL, REFERENCE, Monitoring(), ticks)
    assert end.end == datetime(2013, 3, 5, tzinfo=UTC)


def test_a_row_of_a_wrong_century_does_not_make_millions_of_ticks() -> None:
    frame = as_table([Traffic(0), Traffic(2)])
    frame["at"] = frame["at"].astype(object)
    frame.loc[0, "at"] = "1970-01-01T00:00:00Z"
    frame.loc[1, "at"] = "9999-12-31T00:00:00Z"
    frame["at"] = frame["at"].astype(str)
    monitor = Monitoring(every=timedelta(minutes=5))
    ticks, untimed = Counting(REFERENCE, monitor, "at").ticks(frame)
    ends = list(checked(MODEL, REFERENCE, monitor, ticks))
    assert untimed == 0
    assert sum(each.rows for each in ends) == 100
    assert len(ends) == len(ticks) + 2 * MOST_EMPTY + 2 * 288 - 1


def test_columns_that_the_data_does_not_have_are_not_compared() -> None:
    frame = as_table([Traffic(0)]).drop(columns="hour")
    reference = REFERENCE.within(list(frame.columns))
    assert reference.features.layout.names == ("dest", "prediction")
    assert reference.baseline is REFERENCE.baseline
    ticks, _ = Counting(reference, Monitoring(), "at").ticks(frame)
    assert [each.findings for each in checked(MODEL, reference, Monitoring(), ticks)] == [()]
    with pytest.raises(NoEvidence):
        REFERENCE.within(["another"])


def test_numbers_beyond_all_floats_are_of_another_type() -> None:
    frame = as_table([Traffic(0)])
    frame["hour"] = frame["hour"].astype(object)
    frame.loc[:39, "hour"] = [10**400] * 40
    (finding,) = [each for each in offline(frame, Monitoring()) if each.about is e.FindingKind.DATA_QUALITY]
    assert finding.breaches is not None
    assert [(each.check.value, each.value) for each in finding.breaches] == [("type", 0.8)]
