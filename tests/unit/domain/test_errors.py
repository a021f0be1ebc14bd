"""Errors cross from actor to caller pickled: fields and text arrive as they left."""

import pickle

import pytest

from runtime.domain import errors
from runtime.domain.errors import FleetwardError

EXAMPLES: tuple[FleetwardError, ...] = (
    errors.SpecError("fleet.yaml", 3, "gates[1].max", "'ten'", "a number"),
    errors.SettingsError("FLEETWARD_HOME", "/nowhere", "a folder"),
    errors.DataError("flights", "no rows"),
    errors.MissingColumn("flights", "hour", ("dest",)),
    errors.UnusableTarget("flights", "air_time", 3, 10),
    errors.TooFewRows("flights UA", 12, 365),
    errors.RequestError("inputs[0]", "3 values", "4"),
    errors.SchemaMismatch("inputs[0]", "text", "numbers"),
    errors.RequestTooLarge("body", "9 bytes", "at most 8"),
    errors.UnsupportedMedia("header content-type", "'image/png'", "application/json"),
    errors.Unsupported("shared memory"),
    errors.UnknownModel("m"),
    errors.UnknownVersion("m", "7"),
    errors.NotServable("m", "it is suspended"),
    errors.ModelGone("m", "it is retired"),
    errors.Refused("promote m", "no grant"),
    errors.IllegalMove("promote m", "it is retired"),
    errors.Forbidden("approve m", "held: no role"),
    errors.Unproven("approve m", "expected a valid key or token"),
    errors.IdempotencyConflict("event 1", "another body"),
    errors.ModelChanged("approve m", "it stands at entry 7 now"),
    errors.IntegrityError("bytes"),
    errors.DigestMismatch("artifact", "a", "b"),
    errors.GrantInvalid("m", 1, "expired"),
    errors.LedgerCorrupt(4, "hash"),
)


def test_there_is_an_example_of_every_error() -> None:
    tree = [FleetwardError]
    for kind in tree:
        tree += [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    assert {type(example) for example in EXAMPLES} == set(tree) - {FleetwardError}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_fields_and_text(error: FleetwardError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert str(error)
    assert 400 <= error.status < 600
