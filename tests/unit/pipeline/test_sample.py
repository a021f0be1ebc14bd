"""A part of a fleet is the same part every time."""

import pytest

from runtime.pipeline.grouping import find_groups
from runtime.pipeline.sample import sample
from runtime.pipeline.sources import load_source
from tests.unit.pipeline.flights import SPEC, a_spec

ENOUGH = a_spec(for_each={"by": ["carrier"], "min_rows": 40})
NAMES = [f"flight-time-{carrier}" for carrier in ("AA", "B6", "DL", "MQ", "UA", "WN")]


def test_a_sample_is_spread_evenly_over_the_names() -> None:
    assert sample(ENOUGH, 3) == {NAMES[0], NAMES[2], NAMES[4]}
    assert sample(ENOUGH, 1) == {NAMES[0]}


@pytest.mark.parametrize("count", range(8))
def test_a_sample_holds_as_many_models_as_were_asked_for(count: int) -> None:
    found = sample(ENOUGH, count)
    assert len(found) == min(count, 6)
    assert found <= set(NAMES)
    assert found == sample(ENOUGH, count)


def test_a_model_without_enough_rows_is_never_in_it() -> None:
    assert sample(ENOUGH, 99) == set(NAMES)
    assert sample(SPEC, 99) == {*NAMES, "flight-time-OO"}


def test_a_partition_that_is_left_out_says_why() -> None:
    groups, positions, skipped = find_groups(ENOUGH, load_source(ENOUGH), 40, None)
    assert [group.rows for group in groups] == [len(rows) for rows in positions] == [40, 45, 50, 55, 60, 65]
    assert [(each.partition, each.reason) for each in skipped] == [
        ({"carrier": "OO"}, "3 rows, fewer than the 40 required")
    ]
