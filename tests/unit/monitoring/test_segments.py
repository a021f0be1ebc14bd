"""Segments as the monitor reads them: batches of one model, version and variant, rows in their order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.domain import events as e
from runtime.domain.flags import TESTED
from runtime.monitoring.baseline import Baseline
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import MODEL, SCHEMA
from tests.unit.monitoring.world import BASELINE, Traffic, frames, rows_of


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def test_decisions_come_back_by_version_and_variant(store: ObjectStore) -> None:
    today, tomorrow = Traffic(0, rows=3), Traffic(1, rows=2)
    records = (today.decision, today.beside(2, error=1.0), tomorrow.decision)
    (segment,) = seal(frames(*records), store, "r", "e")
    champion, shadow = decisions_of(store, segment.digest, lambda pseudonym: None)
    first, second = rows_of(today.decision), rows_of(tomorrow.decision)
    assert champion.keys == first.keys + second.keys
    assert champion.outputs == first.outputs + second.outputs
    assert np.array_equal(champion.numbers, np.vstack([first.numbers, second.numbers]))
    assert champion.texts.tolist() == [*first.texts.tolist(), *second.texts.tolist()]
    assert (shadow.version, shadow.variant, shadow.keys) == (2, "shadow", first.keys)


def test_what_testers_asked_for_is_nobodys_traffic(store: ObjectStore) -> None:
    today, tomorrow = Traffic(0, rows=3), Traffic(1, rows=2)
    tested = replace(today.decision, flags=("version_named", TESTED))
    other = replace(tomorrow.decision, flags=("version_named",))
    (segment,) = seal(frames(tested, other), store, "r", "e")
    (batch,) = decisions_of(store, segment.digest, lambda pseudonym: None)
    assert batch.keys == rows_of(tomorrow.decision).keys


def test_outcomes_come_back_with_their_rows(store: ObjectStore) -> None:
    today = Traffic(0, rows=3)
    (segment,) = seal(frames(today.outcomes), store, "r", "e")
    assert segment.content is e.SegmentContent.OUTCOMES
    (found,) = outcomes_of(store, segment.digest)
    assert found.model == MODEL
    expected = zip([today.outcomes.decision_id] * 3, today.outcomes.rows, today.outcomes.actuals, strict=True)
    assert found.rows == list(expected)


def test_only_columns_of_the_baseline_are_counted_and_none_is_made_up() -> None:
    rows = rows_of(Traffic(0, rows=3).decision)
    assert set(rows.columns(SCHEMA, ["hour", "prediction", "wind"])) == {"hour", "prediction"}


def test_rows_that_are_known_or_repeated_are_left_out() -> None:
    rows = rows_of(Traffic(0, rows=3).decision)
    assert rows.without(lambda key: False) is rows
    rest = rows.without(lambda key: key == rows.keys[1])
    assert (rest.keys, rest.outputs) == ([rows.keys[0], rows.keys[2]], [rows.outputs[0], rows.outputs[2]])
    assert np.array_equal(rest.numbers, rows.numbers[[0, 2]])
    assert rows.without(lambda key: True).keys == []


def test_a_baseline_survives_its_document() -> None:
    assert Baseline.from_document(BASELINE.as_document()) == BASELINE
