"""Laws of data subjects: what a key seals comes back, only there and only under it; and an erasure takes one alone."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain.erasure import checked_subject
from runtime.domain.errors import RequestError
from runtime.storage.keyring import Keyring
from runtime.storage.subject_key import SealedInputsDamaged
from tests.unit.storage.records import START

SUBJECTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(
    lambda text: checked_subject(text, "test")
)
MODELS = st.sampled_from(["a", "b"])
NUMBERS = st.lists(st.none() | st.floats(), max_size=4)
TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=3)
IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def ring(folder: str) -> Keyring:
    return Keyring.create(Path(folder), lambda: START)


def alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (math.isnan(one) and math.isnan(other))


@settings(max_examples=60, deadline=None)
@given(subject=SUBJECTS, decision_id=IDS, row=st.integers(0, 2**31), numbers=NUMBERS, texts=TEXTS)
def test_what_a_key_seals_comes_back_from_the_keyring_of_another_process(
    subject: str, decision_id: str, row: int, numbers: list[float | None], texts: list[str | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = ring(folder).key("a", subject)
        sealed = key.seal(decision_id, row, (numbers, texts))
        reader = ring(folder).key_of(key.pseudonym)
        assert reader is not None
        found, words = reader.open(decision_id, row, sealed)
        assert words == texts
        assert len(found) == len(numbers)
        assert all(map(alike, found, numbers))
        try:
            key.open(decision_id, row + 1, sealed)
        except SealedInputsDamaged:
            return
        raise AssertionError("it opened as another row")


@settings(max_examples=40, deadline=None)
@given(people=st.lists(st.tuples(MODELS, SUBJECTS), min_size=1, max_size=6, unique=True), gone=st.data())
def test_an_erasure_takes_exactly_one_subject_of_one_model(people: list[tuple[str, str]], gone: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keyring = ring(folder)
        names = {person: keyring.key(*person).pseudonym for person in people}
        assert len({*names.values()}) == len(people)
        erased = gone.draw(st.sampled_from(people))
        keyring.destroy(*erased, names[erased])
        keyring.forget(*erased, names[erased])
        assert {person for person in people if keyring.lives(names[person])} == {*people} - {erased}
        assert {person for person in people if keyring.names(*person)} == {*people} - {erased}
        assert keyring.key(*erased).pseudonym not in names.values()


@given(text=st.text(max_size=260))
def test_a_subject_is_taken_in_one_spelling_or_refused_without_repeating_it(text: str) -> None:
    refusal = None
    try:
        subject = checked_subject(text, "header")
    except RequestError as error:
        refusal = str(error)
    else:
        assert checked_subject(subject, "header") == subject
    assert refusal is None or len(text) < 8 or text not in refusal
