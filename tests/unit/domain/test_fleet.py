"""Names of models: made from the partition, safe in a path, and never empty or endless."""

import pytest

from runtime.domain.errors import SpecError
from runtime.domain.fleet import model_name
from tests.unit.domain.lives import a_spec


@pytest.mark.parametrize(
    ("carrier", "name"), [("UA", "flight-time-UA"), ("A/B c", "flight-time-A_B_c"), ("\u00e9\u00e9", "flight-time-_")]
)
def test_a_model_is_named_by_its_partition_with_unsafe_characters_replaced(carrier: str, name: str) -> None:
    assert model_name(a_spec(), {"carrier": carrier}) == name


@pytest.mark.parametrize("carrier", ["x" * 200, "\u00e9"])
def test_a_name_that_nothing_can_carry_is_refused(carrier: str) -> None:
    spec = a_spec(name="{carrier}")
    with pytest.raises(SpecError, match="expected a name of letters, digits"):
        model_name(spec, {"carrier": carrier})
