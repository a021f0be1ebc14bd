"""What crosses from process to process pickled arrives as it left."""

from __future__ import annotations

import pickle

import pytest

from runtime.domain.entry import Draft
from runtime.domain.errors import Refused
from runtime.domain.events import ModelSuspended
from runtime.domain.packed import Packed
from runtime.domain.tokens import OWN_SECRET
from runtime.governance.writer import Receipt

DRAFT = Draft(ModelSuspended(model="delays", reason="drift"), "user:ada", "event-1", OWN_SECRET)
RECEIPT = Receipt("event-1", 7, repeated=True)


@pytest.mark.parametrize("value", [DRAFT, RECEIPT], ids=["draft", "receipt"])
def test_drafts_and_receipts_survive_pickling_with_every_field(value: Draft | Receipt) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("content", [[], [DRAFT, DRAFT], [RECEIPT, RECEIPT]], ids=["nothing", "drafts", "receipts"])
def test_a_packed_list_arrives_as_an_ordinary_one(content: list[object]) -> None:
    arrived = pickle.loads(pickle.dumps(Packed(content)))
    assert arrived == content
    assert type(arrived) is list


def test_a_refusal_among_packed_answers_arrives_as_the_error_it_is() -> None:
    (receipt, error) = pickle.loads(pickle.dumps(Packed([RECEIPT, Refused("promotion", "psi 0.31 > 0.20")])))
    assert receipt == RECEIPT
    assert isinstance(error, Refused)
    assert error.reason == "psi 0.31 > 0.20"


def test_packing_changes_nothing_of_the_list_itself() -> None:
    packed = Packed([DRAFT])
    assert packed == [DRAFT]
    assert packed[0].event_id == "event-1"
