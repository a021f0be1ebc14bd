"""Replacing fields of a record is what ``dataclasses.replace`` does."""

import dataclasses

import pytest

from runtime.domain.records import replace
from runtime.domain.state import FleetState, Totals
from tests.unit.domain.lives import History, champion


@pytest.mark.parametrize("changes", [{}, {"lost": 3}, {"lost": 3, "decisions": 5, "refused_commands": 7}])
def test_a_record_is_replaced_as_the_standard_library_does_it(changes: dict[str, int]) -> None:
    record = Totals(decisions=1, outcomes=2)
    assert replace(record, **changes) == dataclasses.replace(record, **changes)
    assert record == Totals(decisions=1, outcomes=2)


def test_every_record_of_the_fleet_can_be_replaced() -> None:
    state = History.of(*champion()).state
    for record in (state, state.totals, *state.models.values(), *state.models["flight-time-UA"].versions.values()):
        twin = replace(record)
        assert twin == record
        assert twin is not record


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        replace(FleetState(), sizes=3)
